"""Open3D's voxel block grid behind one import: a truncated signed distance and a colour in hashed blocks of voxels.

KinectFusion (Newcombe et al., ISMAR 2011) says how distances are averaged, voxel hashing (Nießner et al., SIGGRAPH Asia
2013) where they lie, https://www.open3d.org/docs/release/tutorial/t_reconstruction_system/voxel_block_grid.html how
Open3D has both.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from neuraltexgen.errors import ReconstructError
from neuraltexgen.meshes.through_open3d import open3d, quietly
from neuraltexgen.reconstruct.frames import Frame
from neuraltexgen.scene import Mesh

BLOCK = 8
"""Voxels on a block's side: small blocks hug the surface, so that less of what is stored lies off it."""

BLOCK_BYTES = BLOCK**3 * (4 + 2 + 6 + 16)
"""Of a block: distance, weight, colour, and the four indices a voxel that extracting the mesh needs."""

MOST_FRAMES = 65535
"""Weights count frames in 16 bits; Open3D has them so together with 16-bit colours."""

COLOUR_SCALE = 256.0
"""Stored colours are 256 times the photo's 8 bits, so that averages don't lose what 8 bits can't hold. Open3D
multiplies float colours by 255, and divides by 255 on the way out."""

FIX = "a larger --voxel, or --device cpu"


class Volume:
    """The space around the surfaces. Coordinates are relative to `origin`, since they are kept in single precision."""

    def __init__(
        self, voxel: float, truncation: float, blocks: int, origin: Float64[np.ndarray, "3"], device: str
    ) -> None:
        """`truncation` in voxels; `blocks` is the capacity to begin with: more are made, at the cost of a copy."""
        core = open3d().core
        self._device, self._origin = core.Device(device), origin
        self._truncation = truncation
        kinds = (core.float32, core.uint16, core.uint16)
        with quietly(FIX):
            self._grid = open3d().t.geometry.VoxelBlockGrid(
                ("tsdf", "weight", "color"), kinds, ((1,), (1,), (3,)), voxel, BLOCK, max(blocks, 64), self._device
            )

    @property
    def blocks(self) -> int:
        """How many blocks are in use."""
        return int(self._grid.hashmap().size())

    def integrate(self, frame: Frame, depth_max: float) -> bool:
        """Averages a frame in; depth beyond `depth_max` counts as none. Whether there was any."""
        if not ((frame.depth > 0) & (frame.depth <= depth_max)).any():
            return False
        core, geometry = open3d().core, open3d().t.geometry
        fx, fy, cx, cy = frame.pinhole
        pose = frame.cam_from_world.copy()
        pose[:3, 3] += pose[:3, :3] @ self._origin
        # Open3D takes the pixel whose number is the whole part of an image point: our convention, without half a pixel.
        lens = core.Tensor(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]))
        place = core.Tensor(pose)
        height, width = frame.depth.shape
        black = np.zeros((height, width, 3), np.uint8)
        pixels = (black if frame.colour is None else frame.colour).astype(np.float32) * (COLOUR_SCALE / 255)
        with quietly(FIX):
            depth = geometry.Image(core.Tensor(np.ascontiguousarray(frame.depth))).to(self._device)
            colour = geometry.Image(core.Tensor(pixels)).to(self._device)
            scale = (1.0, depth_max, self._truncation)
            blocks = self._grid.compute_unique_block_coordinates(depth, lens, place, *scale)
            self._grid.integrate(blocks, depth, colour, lens, place, *scale)
        return True

    def mesh(self, least_views: int) -> Mesh:
        """Marching cubes over voxels that at least so many frames have seen; in an order that is theirs alone.

        Raises ReconstructError: there is no surface.
        """
        with quietly(FIX):
            found = self._grid.extract_triangle_mesh(least_views - 0.5).cpu()
        if any(name not in part or len(part[name]) == 0 for part, name in _parts(found)):
            raise ReconstructError(
                f"the fused depth has no surface that {least_views} frames agree on",
                fix="--least-views 1, a larger --voxel, or check the poses with neuraltexgen info",
            )
        vertices, faces, colours = (part[name].numpy() for part, name in _parts(found))
        colours = np.clip(colours.astype(np.float32) / np.float32(COLOUR_SCALE), 0, 1)
        return _ordered(vertices.astype(np.float64) + self._origin, faces.astype(np.int64), colours)


def _parts(found: Any) -> tuple[tuple[Any, str], ...]:
    """Where Open3D's mesh keeps vertices, faces and colours."""
    return (found.vertex, "positions"), (found.triangle, "indices"), (found.vertex, "colors")


def _ordered(vertices: Float64[np.ndarray, "n 3"], faces: Int64[np.ndarray, "f 3"], colours: np.ndarray) -> Mesh:
    """The mesh in an order that depends on the shape alone: Open3D's depends on which thread came first."""
    order = np.lexsort(vertices.T)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    faces = rank[faces]
    first = faces.argmin(axis=1)
    faces = np.stack([np.take_along_axis(faces, ((first + i) % 3)[:, None], axis=1)[:, 0] for i in range(3)], axis=1)
    faces = faces[np.lexsort(faces.T[::-1])].astype(np.int32)
    return Mesh(vertices[order], faces, colours=_filled(colours[order], faces))


def _filled(colours: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Open3D leaves some vertices at the surface's border black: they get the mean of their neighbours that are not."""
    black = colours.max(axis=1) == 0
    if not black.any() or black.all():
        return colours
    near = faces[black[faces].any(axis=1)]
    total, count = np.zeros(colours.shape), np.zeros(len(colours))
    for a, b in ((0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)):
        known = ~black[near[:, b]]
        np.add.at(total, near[known, a], colours[near[known, b]])
        np.add.at(count, near[known, a], 1)
    fill = black & (count > 0)
    colours = colours.copy()
    colours[fill] = (total[fill] / count[fill, None]).astype(colours.dtype)
    return colours
