"""What a UV map is, for every renderer: per sample, which point of which face a photo's pixel looks at."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Faces, Mask, UVs

Samples = Float32[np.ndarray, "H W"]


@dataclass(frozen=True, eq=False)
class UVMap:
    """The surface seen through a grid of samples x samples rays a pixel; H, W = photo height, width times samples.

    `uv`: texture coordinate, (0, 0) the texture's top-left corner; zeros where nothing is seen (read `valid`).
    `face_ids`: the face hit, -1 for none. `distance`: from the camera centre along the ray, world units.
    `cosine`: of the angle between the ray and the face's normal, positive where the front is seen.
    `footprint`: side length of the surface patch that the whole pixel covers, in uv units (1 = the texture's width
    for square textures): times the texture's size it is in texels. 0 where nothing is seen.
    """

    samples: int
    uv: Float32[np.ndarray, "H W 2"]
    face_ids: Int32[np.ndarray, "H W"]
    distance: Samples
    cosine: Samples
    footprint: Samples

    @property
    def valid(self) -> Bool[np.ndarray, "H W"]:
        """Where a ray meets the mesh."""
        return self.face_ids >= 0

    @property
    def size(self) -> tuple[int, int]:
        """The photo's (height, width)."""
        return self.uv.shape[0] // self.samples, self.uv.shape[1] // self.samples

    def by_pixel(self, field: np.ndarray) -> np.ndarray:
        """One of the fields regrouped as (h, w, samples², ...): the samples of each pixel side by side."""
        (h, w), k = self.size, self.samples
        grid = field.reshape(h, k, w, k, *field.shape[2:]).swapaxes(1, 2)
        return np.ascontiguousarray(grid.reshape(h, w, k * k, *field.shape[2:]))

    def without(self, hidden: Mask) -> "UVMap":
        """The map with some of the photo's pixels (h, w) taken out: their samples see nothing."""
        gone = np.repeat(np.repeat(hidden, self.samples, axis=0), self.samples, axis=1)
        if not gone.any():
            return self
        zero = np.float32(0)
        return UVMap(
            samples=self.samples,
            uv=np.where(gone[..., None], zero, self.uv),
            face_ids=np.where(gone, np.int32(-1), self.face_ids),
            distance=np.where(gone, zero, self.distance),
            cosine=np.where(gone, zero, self.cosine),
            footprint=np.where(gone, zero, self.footprint),
        )

    def footprint_texels(self, texture_size: tuple[int, int]) -> Samples:
        """`footprint` in texels of a texture of (height, width)."""
        return self.footprint * np.float32(np.sqrt(texture_size[0] * texture_size[1]))


def seen_normals(uv_map: UVMap, mesh: Mesh) -> Float32[np.ndarray, "H W 3"]:
    """The unit normal, in world axes, of the face that each sample sees; zeros where nothing is seen.

    It points to the side from which the face's corners run counter-clockwise. A face without area has zeros too.
    """
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    units = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0).astype(np.float32)
    return np.where(uv_map.valid[..., None], units[uv_map.face_ids], np.float32(0))


def surface_uvs(mesh: Mesh) -> tuple[UVs, Faces]:
    """The mesh's uvs and uv_faces, for a renderer. Raises UnwrapError where it has none."""
    if mesh.uvs is None or mesh.uv_faces is None:
        raise UnwrapError("the mesh has no uvs, so it has no UV maps", fix="neuraltexgen unwrap MESH -o OUT")
    return mesh.uvs, mesh.uv_faces
