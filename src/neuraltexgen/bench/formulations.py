"""A pass over all views, as one first writes it in PyTorch and ours: one objective, L1, gradients and regulariser."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.bench.workload import USUAL, Workload, make_texture
from neuraltexgen.descent import PyramidDescent
from neuraltexgen.errors import FitError
from neuraltexgen.kernels.blocks import blocks_of
from neuraltexgen.kernels.packed import (
    Places,
    look_up_definition,
    scatter,
    scatter_definition,
    unpack_share,
    unpack_uv,
)
from neuraltexgen.kernels.photometric import Colour, PhotoLosses, Stack, Target, compare_definition, photometric_pass
from neuraltexgen.losses.gradient import gradient_l1
from neuraltexgen.losses.pixel import l1
from neuraltexgen.texture import MIDDLE

LOSSES = PhotoLosses(l1=10.0, gradient_l1=20.0)
REGULARISER, RATE, BETAS, EPS = 0.2, 0.005, (0.9, 0.99), 1e-8
LEVEL_WEIGHTS = (8.0, 2.0, 1.0, 0.0)

GRADIENT_BOUND, LOSS_BOUND = 2e-3, 1e-5
"""How far ours may be from its definition to be timed: where neighbours differ alike, rounding decides a sign."""


class Ours:
    """Packed views, the fused step, and the optimiser."""

    def __init__(self, stack: Stack, work: Workload, as_fitted: bool = False) -> None:
        """`as_fitted`: as a fit does by default, without a regulariser, so that only what views look at is stepped."""
        self.stack, device = stack, stack.photo.device
        self.descent = PyramidDescent(make_texture(work, device), BETAS, EPS, 0.0 if as_fitted else REGULARISER)
        if as_fitted and device.type == "cpu":
            looks = torch.zeros(work.texture, work.texture, 1)
            for view in range(work.views):
                places = Places(*(field[view] for field in stack.places))
                scatter(unpack_share(places.trust)[..., None], places, looks)
            self.descent.step_only(blocks_of((looks[..., 0] > 0).numpy()))

    def one_pass(self) -> Tensor:
        """Every view once, and one step; returns the views' summed loss."""
        losses = photometric_pass(self.descent.composed, self.stack, LOSSES, self.descent.gradient)
        self.step()
        return losses.sum()

    def step(self) -> None:
        """The optimiser's step alone."""
        self.descent.step(RATE)


class Plain:
    """Four levels looked up by `grid_sample`, autograd, dense gradients, PyTorch's Adam."""

    def __init__(self, stack: Stack, work: Workload = USUAL) -> None:
        levels = make_texture(work, stack.photo.device).levels
        self.levels = [level.detach().permute(2, 0, 1)[None].contiguous().requires_grad_() for level in levels]
        self.adam = torch.optim.Adam(self.levels, lr=RATE, betas=BETAS, eps=EPS)
        places = stack.places
        # UV maps and photos lie in memory as they are looked up and compared: only that is timed.
        self.grids = [unpack_uv(low, high)[None, :, :, 0] * 2 - 1 for low, high in zip(places.low, places.high)]
        self.photos = [photo.permute(2, 0, 1)[None].float() / 255 for photo in stack.photo]
        self.valid = [(trust > 0)[None, None] for trust in places.trust]

    def one_pass(self) -> Tensor:
        """Every view once, and one step; returns the views' summed loss."""
        total = torch.zeros((), device=self.levels[0].device)
        for grid, photo, valid in zip(self.grids, self.photos, self.valid):
            lookups = [F.grid_sample(level, grid, padding_mode="border", align_corners=False) for level in self.levels]
            render = torch.stack(lookups).sum(dim=0) + MIDDLE
            loss = LOSSES.l1 * l1(render, photo, valid) + LOSSES.gradient_l1 * gradient_l1(render, photo, valid)
            (loss / len(self.grids)).backward()
            total += loss.detach()
        terms = [weight * level.square().mean() for weight, level in zip(LEVEL_WEIGHTS, self.levels)]
        (REGULARISER * torch.stack(terms).sum()).backward()
        self.adam.step()
        self.adam.zero_grad()
        return total


def check(stack: Stack, work: Workload = USUAL) -> dict[str, float]:
    """How far the first view's loss and gradient are from the definition. Raises FitError: too far to be timed."""
    first = Stack(*(_first(part) for part in stack))
    texture = make_texture(work, stack.photo.device)().detach()
    ours, expected = torch.zeros_like(texture), torch.zeros_like(texture)
    loss = photometric_pass(texture, first, LOSSES, ours)[0]
    places = Places(*(field[0] for field in first.places))
    colour = Colour(*(field[0] for field in first.colour))
    image = look_up_definition(texture, places)
    found = compare_definition(image, Target(first.photo[0], places.trust), colour, LOSSES)
    scatter_definition(float(first.weight[0]) * found.gradient, places, expected)
    off = float((ours - expected).norm() / expected.norm())
    apart = abs(float(loss) / float(found.loss) - 1)
    if not (off < GRADIENT_BOUND and apart < LOSS_BOUND):
        raise FitError(f"bench: the gradient is off by {off:.1e}, the loss by {apart:.1e}: nothing is timed")
    return {"gradient_off": off, "loss_off": apart}


def _first(part: Any) -> Any:
    return part[:1] if isinstance(part, Tensor) else type(part)(*(field[:1] for field in part))
