"""What a capture is once it has been read: frozen, validated dataclasses. Conventions: docs/conventions.md."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from neuraltexgen.errors import CameraError, MeshError
from neuraltexgen.types import Faces, Points, Pose, UVs

OFF_PAGE = 1e-6
"""How far, in pages, a uv may lie outside its page: what rounding does."""

ROTATION_TOLERANCE = 1e-3
"""How far R Rᵀ may be from the identity, largest entry. Text formats with six digits stay well inside."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in world space, with texture coordinates per corner where there are any.

    `uv_faces` indexes `uvs` as `faces` indexes `vertices`; corner j of face i is at `vertices[faces[i, j]]` and
    `uvs[uv_faces[i, j]]`, so that seams need no doubled vertices. uv (0, 0) is the texture's top-left corner, v down.
    `colours` are per vertex, in [0, 1]. `pages`: how many textures of one size the uvs are for. They are one above the
    other in a single image, the first on top, and uvs run over all of it: page k lies between v = k / pages and
    (k + 1) / pages, and every face in one page.

    Raises MeshError: no faces, non-finite numbers, an index out of range, uvs without uv_faces or the reverse, a face
    that is in no page or in two.
    """

    vertices: Points
    faces: Faces
    uvs: UVs | None = None
    uv_faces: Faces | None = None
    colours: Float32[np.ndarray, "n 3"] | None = None
    pages: int = 1

    def __post_init__(self) -> None:
        if len(self.vertices) == 0 or len(self.faces) == 0:
            raise MeshError(f"the mesh is empty: {len(self.vertices)} vertices, {len(self.faces)} faces")
        _check_finite(self.vertices, "vertices")
        _check_index(self.faces, len(self.vertices), "faces", "vertices")
        if (self.uvs is None) != (self.uv_faces is None):
            raise MeshError("a mesh has either both uvs and uv_faces, or neither")
        if self.uvs is not None and self.uv_faces is not None:
            _check_finite(self.uvs, "uvs")
            _check_index(self.uv_faces, len(self.uvs), "uv_faces", "uvs")
            if len(self.uv_faces) != len(self.faces):
                raise MeshError(f"{len(self.faces)} faces but {len(self.uv_faces)} uv_faces")
        if self.colours is not None and len(self.colours) != len(self.vertices):
            raise MeshError(f"{len(self.vertices)} vertices but {len(self.colours)} colours")
        if self.pages != 1:
            _check_pages(self)

    @property
    def has_uvs(self) -> bool:
        return self.uvs is not None


@dataclass(frozen=True)
class Camera:
    """A lens and a sensor: COLMAP's model name and parameters; the top-left pixel covers [0, 1] x [0, 1].

    Raises CameraError: a size below 1 pixel, or a parameter that is not finite. `geometry` checks the model itself.
    """

    model: str
    width: int
    height: int
    params: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (1 <= self.width < 2**31 and 1 <= self.height < 2**31):
            raise CameraError(f"camera size {self.width}x{self.height}: both must be at least 1 pixel and below 2^31")
        if not np.isfinite(self.params).all():
            raise CameraError(f"camera {self.model}: parameters must be finite, got {self.params}")


@dataclass(frozen=True)
class WarpedCamera(Camera):
    """A camera of one photo that shows at a pixel what its lens has beside it: by a smooth displacement, see `warp`.

    `warp`: its coefficients in pixels, rows of (x, y). COLMAP and capture formats know the lens alone.
    """

    warp: tuple[tuple[tuple[float, float], ...], ...] = ()

    def lens(self) -> Camera:
        """The same without its warp."""
        return Camera(self.model, self.width, self.height, self.params)


@dataclass(frozen=True)
class Blob:
    """A depth map inside a larger file: `length` bytes from byte `at`, unsigned 16-bit little-endian, row by row.

    `packed`: they are compressed with zlib.
    """

    at: int
    length: int
    width: int
    height: int
    packed: bool


@dataclass(frozen=True, eq=False)
class DepthMap:
    """A depth map on disk: what it holds, and through which camera it looks.

    It holds z-depth: distances along the camera's axis, not along rays. `unit` is what one stored count is in world
    units. 0, negative and non-finite values are invalid, and besides them the stored values in `invalid` and the black
    pixels of the file `mask`, of the same size. `camera` is None where it is the photo's own at the depth map's
    resolution; `cam_from_depth` (4x4: the photo's camera from the depth camera) is None where they are at one place.
    `blob` says where in `path` the values lie, where that is no image file.

    Raises CameraError: a unit that is not positive, or a `cam_from_depth` that is no rigid motion.
    """

    path: Path
    unit: float
    camera: Camera | None = None
    cam_from_depth: Pose | None = None
    invalid: tuple[int, ...] = ()
    mask: Path | None = None
    blob: Blob | None = None

    def __post_init__(self) -> None:
        if not 0 < self.unit < np.inf:
            raise CameraError(f"{self.path}: the unit of a depth map must be positive and finite, got {self.unit}")
        if self.cam_from_depth is not None:
            check_pose(self.cam_from_depth, self.path.name)


@dataclass(frozen=True, eq=False)
class View:
    """One photo and the camera that took it.

    `cam_from_world` is 4x4, OpenCV axes (x right, y down, z forward): a rotation and a translation, no scale.
    `photo` and `mask` are files; a mask's black pixels are ignored. `exif_upright`: the intrinsics belong to
    the photo after its EXIF orientation is applied (most formats, COLMAP too, mean the raw pixels).

    Raises CameraError: a pose that is not finite, is no rigid motion, or mirrors.
    """

    name: str
    camera: Camera
    cam_from_world: Pose
    photo: Path
    mask: Path | None = None
    depth: DepthMap | None = None
    exif_upright: bool = False

    def __post_init__(self) -> None:
        check_pose(self.cam_from_world, self.name)


@dataclass(frozen=True)
class LeftOut:
    """A view that the capture names and that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Scene:
    """A capture: views that have a photo and a pose, and the mesh if there is one.

    `left_out` lists the views that could not be used. `notes` are plain sentences on what was assumed or repaired,
    each with a count, for the report.
    """

    name: str
    format: str
    views: tuple[View, ...]
    mesh: Mesh | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class PreparedView:
    """A photo and its finished UV map on disk, as NeuralTexGen's preparation step leaves them."""

    name: str
    photo: Path
    uv_map: Path


def check_pose(cam_from_world: Pose, who: str) -> None:
    """Raises CameraError unless the 4x4 matrix is a finite, right-handed rigid motion."""
    if not np.isfinite(cam_from_world).all():
        raise CameraError(f"{who}: the pose has a NaN or infinity")
    rotation = cam_from_world[:3, :3]
    error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if error > ROTATION_TOLERANCE:
        raise CameraError(f"{who}: the pose's 3x3 part is no rotation (R Rᵀ is off by {error:.2g}): scaled or sheared")
    if np.linalg.det(rotation) < 0:
        raise CameraError(f"{who}: the pose mirrors the scene (determinant -1)")
    if not np.allclose(cam_from_world[3], (0, 0, 0, 1), atol=1e-6):
        raise CameraError(f"{who}: the pose's last row must be 0 0 0 1, got {cam_from_world[3].tolist()}")


def _check_finite(values: np.ndarray, what: str) -> None:
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise MeshError(f"{int(bad.sum())} of {len(values)} {what} are not finite (first: {int(bad.argmax())})")


def _check_pages(mesh: Mesh) -> None:
    if mesh.pages < 1 or mesh.uvs is None or mesh.uv_faces is None:
        raise MeshError(f"a mesh of {mesh.pages} pages: at least 1, and uvs are needed")
    corners = (mesh.uvs * (1, mesh.pages))[mesh.uv_faces]
    page = np.floor(corners[..., 1].mean(axis=1)).clip(0, mesh.pages - 1)
    u, v = corners[..., 0], corners[..., 1] - page[:, None]
    bad = ((np.minimum(u, v) < -OFF_PAGE) | (np.maximum(u, v) > 1 + OFF_PAGE)).any(axis=1)
    if bad.any():
        raise MeshError(
            f"{int(bad.sum())} of {len(mesh.faces)} faces lie outside of every one of {mesh.pages} pages, or in two of "
            f"them (first: {int(bad.argmax())})"
        )


def _check_index(index: np.ndarray, count: int, what: str, of: str) -> None:
    bad = ((index < 0) | (index >= count)).any(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise MeshError(
            f"{int(bad.sum())} of {len(index)} {what} point outside the {count} {of} (first: {what}[{first}] = "
            f"{index[first].tolist()})"
        )
