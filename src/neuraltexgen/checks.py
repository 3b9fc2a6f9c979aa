"""What a capture holds, and plain warnings about what looks wrong in it, before any time is spent on a fit."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from neuraltexgen.geometry import CV_FROM_GL, camera_centre, face_areas, focal_and_centre, invert_pose, transform
from neuraltexgen.meshes.topology import count_components, count_edges_by_faces
from neuraltexgen.scene import Camera, Mesh, Scene, View
from neuraltexgen.sight import field_of_view, seen_depths, surface_points
from neuraltexgen.types import Pose

SAMPLES = 2000
"""Points on the mesh that stand for it."""

FEW = 0.5
"""Fewer than this share of the views that see the mesh is worth a warning."""

ASK = "or ask `neuraltexgen doctor`"


@dataclass(frozen=True)
class CameraGroup:
    """Views with the same model and size. Fields of view are means, in degrees, None where the lens has none."""

    model: str
    width: int
    height: int
    count: int
    fov_x: float | None
    fov_y: float | None


@dataclass(frozen=True)
class MeshInfo:
    """Counts and extents. Components, boundary and non-manifold edges are those of the surface with vertices at the
    same place taken as one. `low` and `high` are the corners of the bounding box."""

    vertices: int
    faces: int
    uvs: int
    coloured: bool
    components: int
    boundary_edges: int
    non_manifold_edges: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    area: float


@dataclass(frozen=True)
class CaptureInfo:
    """A capture in figures. Distances are in the capture's own unit.

    `seeing` is the share of views with any part of the mesh in their field of view (occlusion is not considered), and
    `median_distance` the median over those views of the median depth of what they see; None without mesh or view.
    """

    name: str
    format: str
    views: int
    left_out: tuple[tuple[str, str], ...]
    cameras: tuple[CameraGroup, ...]
    mesh: MeshInfo | None
    camera_low: tuple[float, ...]
    camera_high: tuple[float, ...]
    median_distance: float | None
    seeing: float | None
    masks: int
    depths: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What the warnings look at. `surface` are points on the mesh, `depths` each view's median depth of those seen."""

    scene: Scene
    centres: Float64[np.ndarray, "v 3"]
    surface: Float64[np.ndarray, "s 3"] | None
    depths: tuple[float | None, ...]

    @property
    def seeing(self) -> int:
        return sum(depth is not None for depth in self.depths)


def inspect(scene: Scene) -> CaptureInfo:
    """Figures and warnings for a scene. Reads no pixels."""
    centres = np.array([camera_centre(view.cam_from_world) for view in scene.views]).reshape(-1, 3)
    surface = None if scene.mesh is None else surface_points(scene.mesh, SAMPLES)
    poses = [view.cam_from_world for view in scene.views]
    evidence = _Evidence(scene, centres, surface, () if surface is None else seen_depths(scene.views, poses, surface))
    known = [depth for depth in evidence.depths if depth is not None]
    return CaptureInfo(
        name=scene.name,
        format=scene.format,
        views=len(scene.views),
        left_out=tuple((view.name, view.reason) for view in scene.left_out),
        cameras=_camera_groups(scene.views),
        mesh=None if scene.mesh is None else _mesh_info(scene.mesh),
        camera_low=tuple(centres.min(axis=0).tolist()) if len(centres) else (),
        camera_high=tuple(centres.max(axis=0).tolist()) if len(centres) else (),
        median_distance=float(np.median(known)) if known else None,
        seeing=evidence.seeing / len(scene.views) if surface is not None and scene.views else None,
        masks=sum(view.mask is not None for view in scene.views),
        depths=sum(view.depth is not None for view in scene.views),
        notes=scene.notes,
        warnings=tuple(warning for check in CHECKS for warning in check(evidence)),
    )


def _left_out(e: _Evidence) -> list[str]:
    """Photos missing, poses lost or broken: one line each kind would hide the count, so one line for all."""
    count, total = len(e.scene.left_out), len(e.scene.left_out) + len(e.scene.views)
    if count == 0:
        return []
    first = e.scene.left_out[0]
    warnings = [f"{count} of {total} views are left out (the first, '{first.name}': {first.reason})"]
    if mirrored := sum("mirrors" in view.reason for view in e.scene.left_out):
        warnings.append(f"{mirrored} poses mirror the scene: an axis was probably flipped alone; flip two, or none")
    return warnings


def _few_views(e: _Evidence) -> list[str]:
    if len(e.scene.views) >= 3:
        return []
    return [f"only {len(e.scene.views)} views: most of the surface will stay unseen, and nothing can be held out"]


def _no_mesh(e: _Evidence) -> list[str]:
    if e.scene.mesh is not None:
        return []
    depths = sum(view.depth is not None for view in e.scene.views)
    how = f", or make one of the {depths} depth maps: neuraltexgen reconstruct" if depths else ""
    return [f"no mesh was found: give one with --mesh M{how}"]


def _unseen_mesh(e: _Evidence) -> list[str]:
    """Too few cameras have the mesh in view: looks for the reading of the poses that would explain it."""
    views = e.scene.views
    if e.surface is None or not views or e.seeing >= FEW * len(views):
        return []
    seen = "no camera sees the mesh" if e.seeing == 0 else f"only {e.seeing} of {len(views)} cameras see the mesh"
    behind = sum(bool((transform(view.cam_from_world, e.surface)[:, 2] < 0).all()) for view in views)
    if behind > FEW * len(views):
        seen += f"; it lies behind {behind} of {len(views)} cameras"
    for cause, reread in MISREADINGS:
        poses = [reread(view.cam_from_world) for view in views]
        would = sum(depth is not None for depth in seen_depths(views, poses, e.surface))
        if would > max(2 * e.seeing, FEW * len(views)):
            return [f"{seen}; {would} would if {cause}: check how the poses were exported, {ASK}"]
    cause = "the mesh and the poses are probably in different frames or units"
    return [f"{seen}: {cause}; try another --mesh, {ASK}"]


def _scale(e: _Evidence) -> list[str]:
    """Mesh and cameras of wildly different size, or far apart."""
    if e.surface is None or len(e.centres) == 0:
        return []
    size, spread = _extent(e.surface), _extent(e.centres)
    distance = float(np.linalg.norm(e.surface.mean(axis=0) - e.centres.mean(axis=0)))
    warnings = []
    if distance > 100 * (size + spread):
        warnings.append(f"the mesh is {distance:.3g} away from the cameras but only {size:.3g} large: another frame?")
    if spread > 0 and size < 0.01 * spread:
        warnings.append(f"the mesh ({size:.3g}) is tiny against the space between cameras ({spread:.3g}): other units?")
    if spread > 0 and size > 1000 * spread:
        warnings.append(f"the mesh ({size:.3g}) is huge against the space between cameras ({spread:.3g}): other units?")
    return warnings


def _same_place(e: _Evidence) -> list[str]:
    if len(e.centres) < 3:
        return []
    grain = max(_extent(e.centres), float(np.abs(e.centres).max())) * 1e-9 or 1.0
    _, counts = np.unique(np.round(e.centres / grain), axis=0, return_counts=True)
    if counts.max() <= FEW * len(e.centres):
        return []
    return [f"{counts.max()} of {len(e.centres)} cameras stand at exactly one place: are their translations missing?"]


def _principal_points(e: _Evidence) -> list[str]:
    def is_off(camera: Camera) -> bool:
        _, centre = focal_and_centre(camera)
        offsets = [abs(c / side - 0.5) for c, side in zip(centre, (camera.width, camera.height))]
        return max(offsets, default=0.0) > 0.2

    count = sum(is_off(view.camera) for view in e.scene.views)
    if count == 0:
        return []
    return [f"{count} cameras have a principal point far from the centre: cropped photos, or cx and cy swapped?"]


def _fields_of_view(e: _Evidence) -> list[str]:
    narrow = [view.camera for view in e.scene.views if not any(word in view.camera.model for word in WIDE_LENSES)]
    fovs = {camera: field_of_view(camera, 0) for camera in set(narrow)}
    odd = [fov for camera in narrow if (fov := fovs[camera]) is not None and not 5 <= fov <= 150]
    if not odd:
        return []
    return [f"{len(odd)} cameras have an implausible field of view ({odd[0]:.1f} degrees): focal length not in pixels?"]


def _camera_groups(views: tuple[View, ...]) -> tuple[CameraGroup, ...]:
    kinds = [(view.camera.model, view.camera.width, view.camera.height) for view in views]
    result = []
    for (model, width, height), count in Counter(kinds).most_common():
        cameras = {view.camera for view, kind in zip(views, kinds) if kind == (model, width, height)}
        fovs = [[fov for c in cameras if (fov := field_of_view(c, axis)) is not None] for axis in (0, 1)]
        fov_x, fov_y = (float(np.mean(values)) if values else None for values in fovs)
        result.append(CameraGroup(model, width, height, count, fov_x, fov_y))
    return tuple(result)


def _mesh_info(mesh: Mesh) -> MeshInfo:
    _, place = np.unique(mesh.vertices, axis=0, return_inverse=True)
    faces = place.reshape(-1)[mesh.faces]
    uses = count_edges_by_faces(faces)
    used = mesh.vertices[np.unique(mesh.faces)]
    return MeshInfo(
        vertices=len(mesh.vertices),
        faces=len(mesh.faces),
        uvs=0 if mesh.uvs is None else len(mesh.uvs),
        coloured=mesh.colours is not None,
        components=count_components(faces),
        boundary_edges=uses.get(1, 0),
        non_manifold_edges=sum(count for faces_at_edge, count in uses.items() if faces_at_edge > 2),
        low=tuple(used.min(axis=0).tolist()),
        high=tuple(used.max(axis=0).tolist()),
        area=float(face_areas(mesh.vertices, mesh.faces).sum()),
    )


def _extent(points: Float64[np.ndarray, "n 3"]) -> float:
    return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))


WIDE_LENSES = ("FISHEYE", "EQUIRECTANGULAR", "FOV", "EUCM", "DIVISION")
"""Words in the names of camera models for which any field of view is plausible."""

MISREADINGS: tuple[tuple[str, Callable[[Pose], Pose]], ...] = (
    ("world-to-camera was given as camera-to-world, or the reverse", invert_pose),
    ("the camera axes were OpenGL's (y up, z backward) instead of OpenCV's, or the reverse", lambda p: CV_FROM_GL @ p),
    (
        "both direction and camera axes of the poses were exchanged",
        lambda pose: CV_FROM_GL @ invert_pose(CV_FROM_GL @ pose),
    ),
)

CHECKS: tuple[Callable[[_Evidence], list[str]], ...] = (
    _left_out,
    _few_views,
    _no_mesh,
    _unseen_mesh,
    _scale,
    _same_place,
    _principal_points,
    _fields_of_view,
)
