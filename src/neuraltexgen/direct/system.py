"""The normal equations of a fit: the photos' curvature, a prior on neighbouring texels, and the tie across seams."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.direct.conjugate import conjugate_gradients
from neuraltexgen.kernels.blocks import Blocks, grown, late_zeros, note_uv
from neuraltexgen.kernels.normal import bilinear_taps
from neuraltexgen.kernels.stencil import (
    Planes,
    add_planes,
    curved_blocks,
    diagonal_of,
    lay_out,
    stencil_product,
    subtract_penalty,
    to_planes,
)
from neuraltexgen.seam_tie import SeamTie

Texels = Float[Tensor, "H W c"]


@dataclass(frozen=True, eq=False)
class System:
    """The matrix of a quadratic objective in a texture's texels, the same for every channel.

    `stencil`: curvature of photos and prior, in planes (H k W). `prior`: weight of the squared difference of two
    texels side by side. `seams`, `seam_weight`: the tie, which couples texels far apart and so is not in the stencil.
    `blocks`: the texels to solve for, None for all; the others stay as they are. All in units of one pixel's weight.
    """

    stencil: Float[Tensor, "H k W"]
    prior: float = 0.0
    seams: SeamTie | None = None
    seam_weight: float = 0.0
    blocks: Blocks | None = None

    @classmethod
    def gathered(
        cls, stencil: Float[Tensor, "H W k"], prior: float, seams: SeamTie | None = None, seam_weight: float = 0.0
    ) -> "System":
        """The system of the photos' curvature, whose memory it takes: the stencil is of no use afterwards."""
        tied = seams if seams is not None and seam_weight > 0 else None
        blocks = _blocks(stencil, tied) if stencil.device.type == "cpu" else None
        return cls(lay_out(stencil, prior, blocks), prior, seams, seam_weight, blocks)

    def improve(self, texture: Texels, gradient: Texels, steps: int, tolerance: float) -> None:
        """Takes the texture, in place, to the minimum of the objective whose gradient there is -2 x `gradient`, without
        the penalties, and whose curvature this is; as near as so many steps come.
        """
        around = None if self.blocks is None else grown(self.blocks)
        right, step = to_planes(gradient, self.blocks), late_zeros((texture.shape[2], *texture.shape[:2]), texture)
        self.subtract_penalty(to_planes(texture, around), right)
        self.solve(right, step, steps, tolerance)
        add_planes(step, texture, self.blocks)

    def subtract_penalty(self, x: Planes, result: Planes) -> None:
        """Takes half the gradient of prior and seams at x from `result`."""
        subtract_penalty(x, self.prior, result, self.blocks)
        if self._tied:
            self._add_pull(x, result, -self.seam_weight)

    def product(self, x: Planes, result: Planes) -> None:
        """Writes the matrix times x, half the gradient of the quadratic objective at x, into `result`."""
        stencil_product(self.stencil, x, result, self.blocks)
        if self._tied:
            self._add_pull(x, result, self.seam_weight)

    def solve(self, right: Planes, x: Planes, steps: int, tolerance: float) -> None:
        """Brings x to where the matrix times x is `right`, which is used up; see `conjugate_gradients`."""
        conjugate_gradients(self.product, self.diagonal(), right, x, (steps, tolerance), self.blocks)

    def diagonal(self) -> Float[Tensor, "H W"]:
        """What of the matrix lies on its diagonal."""
        result = diagonal_of(self.stencil, self.blocks)
        if self._tied:
            taps, shares = self._rows
            result.view(-1).index_add_(0, taps.flatten(), self.seam_weight * shares.square().flatten())
        return result

    @property
    def _tied(self) -> bool:
        return self.seams is not None and self.seam_weight > 0 and len(self.seams) > 0

    @cached_property
    def _rows(self) -> tuple[Tensor, Tensor]:
        """Per place, the texels of both lookups and their shares in the difference: (n 8) each."""
        if self.seams is None:
            raise ValueError("a system without seams has no rows of them")
        height, _, width = self.stencil.shape
        uv = torch.from_numpy(self.seams.uv).to(self.stencil.device)
        (one, share), (other, minus) = (bilinear_taps(side, (height, width)) for side in uv)
        return torch.cat((one, other), dim=1), torch.cat((share, -minus), dim=1)

    def _add_pull(self, x: Planes, result: Planes, weight: float) -> None:
        """Adds half the gradient of weight x the sum of squared differences of the two lookups."""
        taps, shares = self._rows
        for image, pulled in zip(x.flatten(1), result.view(len(result), -1), strict=True):
            difference = (image[taps] * shares).sum(dim=1, keepdim=True)
            pulled.index_add_(0, taps.flatten(), (weight * difference * shares).flatten())


def _blocks(stencil: Float[Tensor, "H W k"], seams: SeamTie | None) -> Blocks:
    """Where photos or seams have a say."""
    height, width, _ = stencil.shape
    result = curved_blocks(stencil)
    if seams is not None:
        note_uv(torch.from_numpy(seams.uv).reshape(-1, 2), (height, width), result)
    return result
