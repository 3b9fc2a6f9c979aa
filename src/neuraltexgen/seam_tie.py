"""Seam consistency: places in the texture that show one point of the surface from two charts, tied together in a fit.

A texture is cut along seams; the charts on both sides are fitted by lookups of their own, and what noise, exposure and
unseen texels leave differs between them. Bilinear viewers then show a line. The tie is a quadratic penalty on the
difference of the two lookups, along every seam.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from neuraltexgen.kernels.cuda import packed as cuda
from neuraltexgen.kernels.packed import on_cuda
from neuraltexgen.kernels.sample import render, splat
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Image
from neuraltexgen.unwrap.seams import edge_keys, merge_positions
from neuraltexgen.uvmap.charts import mesh_uvs

SAME = 1e-9
"""Corners this close in uv are one place: no seam runs between them."""

CREASE = 0.5
"""Cosine of the angle between the normals (60 degrees) below which an edge is a crease: two materials may meet there,
and a line is no flaw."""

STRIDE = 4
"""A step of the fit ties every fourth place, another fourth each time."""


@dataclass(frozen=True, eq=False)
class SeamTie:
    """`uv[0]` and `uv[1]`: n places each, in two charts, that show the same n points of the surface."""

    uv: Float32[np.ndarray, "2 n 2"]

    def __len__(self) -> int:
        return self.uv.shape[1]

    def add_gradient(self, texture: Float[Tensor, "H W c"], result: Float[Tensor, "H W c"], step: int, weight: float):
        """Adds the gradient of weight x the sum over places of the squared difference to `result`, in texels.

        Every STRIDE-th place stands for its neighbours; steps that follow each other take different ones. On CUDA with
        3 channels by the Triton twin.
        """
        if on_cuda(texture):
            cuda.tie(texture, self._on(texture.device), (step % STRIDE, STRIDE), STRIDE * weight, result)
            return
        chosen = self._tensor[:, step % STRIDE :: STRIDE].to(texture.device)
        if chosen.shape[1] == 0:
            return
        a, b = chosen[0][:, None, None], chosen[1][:, None, None]
        every = torch.ones(a.shape[:2], dtype=torch.bool, device=texture.device)
        pull = 2 * STRIDE * weight * (render(texture, a, every) - render(texture, b, every))
        splat(pull, a, every, result)
        splat(-pull, b, every, result)

    def step(self, texture: Image) -> float:
        """The colour step across the seams: the mean absolute difference of the two lookups; 0 without a seam."""
        if len(self) == 0:
            return 0.0
        image = torch.from_numpy(np.ascontiguousarray(texture, dtype=np.float32))
        a, b = (self._tensor[side][:, None, None] for side in (0, 1))
        every = torch.ones(a.shape[:2], dtype=torch.bool)
        return float((render(image, a, every) - render(image, b, every)).abs().mean())

    def _on(self, device: torch.device) -> Float32[Tensor, "2 n 2"]:
        """The places on a device, copied there once."""
        if device not in self._copies:
            self._copies[device] = self._tensor.to(device).contiguous()
        return self._copies[device]

    @cached_property
    def _copies(self) -> dict[torch.device, Tensor]:
        return {}

    @cached_property
    def _tensor(self) -> Float32[Tensor, "2 n s"]:
        return torch.from_numpy(self.uv)


def find_seam_tie(mesh: Mesh, size: tuple[int, int]) -> SeamTie:
    """About one place a texel along every seam of a mesh with uvs, for a texture of `size` (rows, columns).

    An edge is cut where two faces meet at the same two vertices (or at others in the same positions) and see them at
    different places of the texture. Creases are left out. Where more than two faces meet, each is tied to the next.
    Raises MeshError: no uvs.
    """
    uvs, uv_faces = mesh_uvs(mesh)
    keys, forward = edge_keys(merge_positions(mesh.vertices)[mesh.faces])
    ends = np.stack([uv_faces.reshape(-1), np.roll(uv_faces, -1, axis=1).reshape(-1)], axis=1)
    ends = np.where(forward[:, None], ends, ends[:, ::-1])  # from the smaller vertex to the larger, in both faces
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    before, after = order[:-1][same], order[1:][same]
    one, other = uvs[ends[before]], uvs[ends[after]]  # e 2 2 each
    cut = (np.abs(one - other).max(axis=(1, 2)) > SAME) & ~_creased(mesh, before, after, forward)
    one, other = one[cut], other[cut]
    texels = np.array([size[1], size[0]])
    length = np.maximum(*(np.linalg.norm((edge[:, 1] - edge[:, 0]) * texels, axis=1) for edge in (one, other)))
    count = np.maximum(np.ceil(length), 1).astype(np.int64)
    edge = np.repeat(np.arange(len(count)), count)
    along = (np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[edge]
    places = [ends[edge, 0] + along[:, None] * (ends[edge, 1] - ends[edge, 0]) for ends in (one, other)]
    return SeamTie(np.stack(places).astype(np.float32))


def _creased(mesh: Mesh, before: np.ndarray, after: np.ndarray, forward: np.ndarray) -> Bool[np.ndarray, " e"]:
    """Whether two faces, named by one of their edges each, meet at a crease. A face without area makes none."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    one, other = normals[before // 3], normals[after // 3]
    # Faces that wind alike run along their common edge in opposite directions.
    other = np.where((forward[before] == forward[after])[:, None], -other, other)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(axis=1) < CREASE * lengths
