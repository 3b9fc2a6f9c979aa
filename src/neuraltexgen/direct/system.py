"""The normal equations of a fit: the photos' curvature, a prior on neighbouring texels, and the tie across seams."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.direct.conjugate import Planes, conjugate_gradients
from neuraltexgen.kernels.normal import OFFSETS, bilinear_taps, stencil_product
from neuraltexgen.seam_tie import SeamTie

RIGHT, BELOW = OFFSETS.index((0, 1)), OFFSETS.index((1, 0))

Texels = Float[Tensor, "H W c"]


@dataclass(frozen=True, eq=False)
class System:
    """The matrix of a quadratic objective in a texture's texels, the same for every channel.

    `stencil`: curvature of photos and prior, in planes (H k W). `prior`: weight of the squared difference of two
    texels side by side. `seams`, `seam_weight`: the tie, which couples texels far apart and so is not in the stencil.
    All in units of one pixel's weight.
    """

    stencil: Float[Tensor, "H k W"]
    prior: float = 0.0
    seams: SeamTie | None = None
    seam_weight: float = 0.0

    @classmethod
    def gathered(
        cls, stencil: Float[Tensor, "H W k"], prior: float, seams: SeamTie | None = None, seam_weight: float = 0.0
    ) -> "System":
        """The system of the photos' curvature, whose memory it takes: the stencil is of no use afterwards."""
        add_prior(stencil, prior)
        return cls(in_planes(stencil), prior, seams, seam_weight)

    def subtract_penalty(self, x: Planes, result: Planes) -> None:
        """Takes half the gradient of prior and seams at x from `result`."""
        for axis in (1, 2):
            size = x.shape[axis] - 1
            step = self.prior * (x.narrow(axis, 1, size) - x.narrow(axis, 0, size))
            result.narrow(axis, 1, size).sub_(step)
            result.narrow(axis, 0, size).add_(step)
        if self._tied:
            self._add_pull(x, result, -self.seam_weight)

    def product(self, x: Planes, result: Planes) -> None:
        """Writes the matrix times x, half the gradient of the quadratic objective at x, into `result`."""
        stencil_product(self.stencil, x, result)
        if self._tied:
            self._add_pull(x, result, self.seam_weight)

    def solve(self, right: Planes, x: Planes, steps: int, tolerance: float) -> None:
        """Brings x to where the matrix times x is `right`; see `conjugate_gradients`."""
        conjugate_gradients(self.product, self.diagonal, right, x, steps, tolerance)

    @cached_property
    def diagonal(self) -> Float[Tensor, "H W"]:
        """What of the matrix lies on its diagonal."""
        result = self.stencil[:, 0].clone()
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


def add_prior(stencil: Float[Tensor, "H W k"], weight: float) -> None:
    """Adds `weight` x the squared difference of every two texels side by side, summed, to a stencil in place."""
    stencil[:, :-1, RIGHT] -= weight
    stencil[:-1, :, BELOW] -= weight
    own = stencil[..., 0]
    own[:, :-1] += weight
    own[:, 1:] += weight
    own[:-1] += weight
    own[1:] += weight


def planes(texture: Texels) -> Planes:
    """(H W c) as (c H W), in order in memory."""
    return texture.permute(2, 0, 1).contiguous()


def texels(x: Planes) -> Texels:
    """(c H W) as (H W c), in order in memory."""
    return x.permute(1, 2, 0).contiguous()


def in_planes(stencil: Float[Tensor, "H W k"]) -> Float[Tensor, "H k W"]:
    """The stencil with its rows as planes, in the same memory: its old form is lost."""
    height, width, k = stencil.shape
    result = stencil.view(height, k, width)
    for row in range(0, height, ROWS):
        result[row : row + ROWS] = stencil[row : row + ROWS].transpose(1, 2).clone()
    return result


ROWS = 64
"""Rows of a stencil that are reordered at once."""
