"""Triton twin of `descent.PyramidDescent`'s step: Adam on all levels, regulariser and composition, for 3 channels.

Gradient and composed texture have four floats a texel, levels and moments three. From the finest level on each one's
gradient is gathered for the next; then, from the coarsest on, a kernel steps a level and adds what is coarser, doubled.
"""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, no_type_check

import torch
from torch import Tensor

from neuraltexgen.kernels.cuda.graph import Recorder
from neuraltexgen.kernels.cuda.lookup import BLOCK, blocks, jit, own_padded

try:
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    tl: Any = None


class Constants(NamedTuple):
    """What stays the same over a fit. `decays`: per level, what a value adds of itself to its gradient; `middle`: what
    the texture shows where all levels are 0."""

    betas: tuple[float, float]
    eps: float
    decays: Sequence[float]
    middle: float


class PyramidSteps:
    """Steps on the levels and the state of a torch.optim.Adam, where that keeps them; recorded as a CUDA graph."""

    def __init__(self, adam: torch.optim.Adam, constants: Constants) -> None:
        self._levels = [level.detach() for level in adam.param_groups[0]["params"]]
        self._adam, self._constants, self._recorder = adam, constants, Recorder()
        device = self._levels[0].device
        self._rate, self._steps = torch.zeros((), device=device), torch.zeros(len(self._levels), device=device)
        sizes = [level.shape[:2] for level in self._levels[1:]]
        self._gradients = [torch.empty(*size, 4, device=device) for size in sizes]
        self._composed = [torch.empty(*size, 4, device=device) for size in sizes]
        self.take_state()

    def take_state(self) -> None:
        """Takes up the optimiser's state, or begins one; to be called after it was replaced."""
        self._moments: list[tuple[Tensor, Tensor]] = []
        self._recorder = Recorder()  # what was recorded knows the old state's memory
        for index, level in enumerate(self._adam.param_groups[0]["params"]):
            state = self._adam.state[level]
            if not state:
                state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(level), exp_avg_sq=torch.zeros_like(level))
            self._steps[index] = state["step"]
            state["step"] = self._steps[index]
            self._moments.append((state["exp_avg"].contiguous(), state["exp_avg_sq"].contiguous()))
            state["exp_avg"], state["exp_avg_sq"] = self._moments[-1]

    def __call__(self, rate: float, gradient: Tensor, composed: Tensor) -> None:
        """One step at a learning rate. gradient, composed (H W 3) are `lookup.roomy`'s; the gradient is left 0."""
        mine, shown = own_padded(gradient), own_padded(composed)
        if mine is None or shown is None:
            raise ValueError("gradient and composed texture must have room for four floats a texel")
        self._rate.fill_(rate)
        self._recorder(None, lambda: self._launch(mine, shown), self._rate.device)

    def _launch(self, gradient: Tensor, composed: Tensor) -> None:
        self._steps += 1
        gradients, images = [gradient, *self._gradients], [composed, *self._composed]
        for fine, coarse in pairwise(gradients):
            height, width = coarse.shape[:2]
            _halve[(blocks(height * width),)](fine, coarse, width, height, BLOCK)
        (beta, square_beta), eps, decays, middle = self._constants
        for index in reversed(range(len(self._levels))):
            height, width = images[index].shape[:2]
            last = index + 1 == len(images)
            _step[(blocks(height * width),)](
                self._levels[index], *self._moments[index], gradients[index], images[index if last else index + 1],
                images[index], self._rate, self._steps[index], width, height, _log(beta), _log(square_beta),
                1 - beta, square_beta, 1 - square_beta, eps, decays[index], middle, last, index == 0, BLOCK,
            )  # fmt: skip


def _log(beta: float) -> float:
    return math.log(beta) if beta > 0 else -math.inf


@jit
@no_type_check
def _halve(fine, coarse, width, height, BLOCK: tl.constexpr):
    """The adjoint of the doubling; width and height are the coarse image's. Beyond a border its value counts again."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = (place < width * height)[:, None]
    x, y = place % width, place // width
    channel = tl.arange(0, 4)[None, :]
    total = tl.zeros((BLOCK, 4), tl.float32)
    for j in tl.static_range(4):
        row = tl.minimum(tl.maximum(2 * y - 1 + j, 0), 2 * height - 1)
        line = tl.zeros((BLOCK, 4), tl.float32)
        for i in tl.static_range(4):
            col = tl.minimum(tl.maximum(2 * x - 1 + i, 0), 2 * width - 1)
            value = tl.load(fine + (row.to(tl.int64) * 2 * width + col)[:, None] * 4 + channel, mask=inside, other=0.0)
            if i == 0 or i == 3:
                line += 0.25 * value
            else:
                line += 0.75 * value
        if j == 0 or j == 3:
            total += 0.25 * line
        else:
            total += 0.75 * line
    tl.store(coarse + place.to(tl.int64)[:, None] * 4 + channel, total, mask=inside)


@jit
@no_type_check
def _step(
    level, mean, square, gradient, coarse, composed, rate, step, width, height, log_beta, log_square,
    gain, square_keep, square_gain, eps, decay, middle,
    COARSEST: tl.constexpr, FINEST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`step`: the number of this step, `log_beta` and `log_square` the betas' logarithms, for what they leave of 1."""
    number = tl.load(step).to(tl.float64)
    bias = (1.0 - tl.exp(number * log_beta)).to(tl.float32)
    square_bias = (1.0 - tl.exp(number * log_square)).to(tl.float32)
    size, spread = tl.load(rate) / bias, 1.0 / tl.sqrt(square_bias)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = (place < width * height)[:, None]
    channel = tl.arange(0, 4)[None, :]
    three, four = place.to(tl.int64)[:, None] * 3 + channel, place.to(tl.int64)[:, None] * 4 + channel
    own = inside & (channel < 3)
    value = tl.load(level + three, mask=own, other=0.0)
    before, wide = tl.load(mean + three, mask=own, other=0.0), tl.load(square + three, mask=own, other=0.0)
    slope = tl.load(gradient + four, mask=inside, other=0.0) + decay * value
    moved = before + gain * (slope - before)
    wide = square_keep * wide + square_gain * slope * slope
    value -= size * moved / (tl.sqrt(wide) * spread + eps)
    tl.store(level + three, value, mask=own)
    tl.store(mean + three, moved, mask=own)
    tl.store(square + three, wide, mask=own)
    if FINEST:
        tl.store(gradient + four, tl.zeros((BLOCK, 4), tl.float32), mask=inside)
    if COARSEST:
        value += middle
    else:
        x, y = place % width, place // width
        half_width, half_height = width // 2, height // 2
        near_x, near_y = x // 2, y // 2
        far_x = tl.minimum(tl.maximum(near_x + 2 * (x % 2) - 1, 0), half_width - 1)
        far_y = tl.minimum(tl.maximum(near_y + 2 * (y % 2) - 1, 0), half_height - 1)
        upper, lower = (near_y * half_width).to(tl.int64), (far_y * half_width).to(tl.int64)
        a = tl.load(coarse + (upper + near_x)[:, None] * 4 + channel, mask=own, other=0.0)
        b = tl.load(coarse + (upper + far_x)[:, None] * 4 + channel, mask=own, other=0.0)
        d = tl.load(coarse + (lower + near_x)[:, None] * 4 + channel, mask=own, other=0.0)
        e = tl.load(coarse + (lower + far_x)[:, None] * 4 + channel, mask=own, other=0.0)
        value += 0.75 * (0.75 * a + 0.25 * b) + 0.25 * (0.75 * d + 0.25 * e)
    tl.store(composed + four, value, mask=inside)
