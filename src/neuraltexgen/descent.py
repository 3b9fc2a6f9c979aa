"""The optimiser of a pyramid texture: Adam on all levels from the gradient in texels, and the texture composed."""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.kernels.blocks import Blocks, coarser_blocks, late_zeros, no_blocks
from neuraltexgen.kernels.cpu import adam as cpu
from neuraltexgen.kernels.cpu import pyramid as cpu_pyramid
from neuraltexgen.kernels.cuda.adam import Constants, PyramidSteps
from neuraltexgen.kernels.cuda.lookup import roomy
from neuraltexgen.kernels.packed import on_cuda
from neuraltexgen.texture import MIDDLE, PyramidTexture


class PyramidDescent:
    """Adam on a texture's levels. A step takes `gradient`, that of the loss in the composed texture, and leaves it 0.

    `composed` is the texture as the last step left it; views are looked up in it, nobody else writes to it. float32 on
    the CPU takes the numba twin, and with 3 channels on CUDA the Triton twin, which agree with PyTorch's Adam to
    rounding; everything else takes PyTorch's.
    """

    def __init__(self, texture: PyramidTexture, betas: tuple[float, float], eps: float, regulariser: float) -> None:
        self.texture, self.regulariser = texture, regulariser
        self.adam = torch.optim.Adam(list(texture.parameters()), lr=1.0, betas=betas, eps=eps, fused=True)
        self.composed: Float[Tensor, "H W c"] = texture().detach()
        self.gradient: Float[Tensor, "H W c"] = late_zeros(tuple(self.composed.shape), self.composed)
        self._masks = self._level_blocks(None)
        self._buffers: list[np.ndarray] = []
        self._on_cuda: PyramidSteps | None = None
        if on_cuda(self.composed):
            height, width = texture.settings.size
            self.composed, self.gradient = (roomy(height, width, self.composed.device) for _ in range(2))
            self.compose()
            self._on_cuda = PyramidSteps(self.adam, Constants(betas, eps, self._decays(), MIDDLE))

    def step(self, rate: float) -> None:
        """One step of Adam at a learning rate, the regulariser's gradient included."""
        self.adam.param_groups[0]["lr"] = rate
        if self._on_cuda is not None:
            self._on_cuda(rate, self.gradient, self.composed)
        elif self._on_cpu:
            self._step_on_cpu(rate)
        else:
            self.step_definition()

    def step_definition(self) -> None:
        """What a step does, in PyTorch's terms: on any device."""
        with torch.enable_grad():
            self.texture().backward(self.gradient)
            if self.regulariser > 0:
                (self.regulariser * self.texture.regulariser()).backward()
        self.adam.step()
        self.adam.zero_grad()
        self.gradient.zero_()
        self.compose()

    @torch.no_grad()
    def compose(self) -> None:
        """Composes the texture anew, after its levels were changed by somebody else."""
        self.composed.copy_(self.texture())

    def state_dict(self) -> dict[str, Any]:
        """PyTorch's state of an Adam."""
        return self.adam.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up what `state_dict` gave; the texture's levels must have been taken up before."""
        self.adam.load_state_dict(state)
        if self._on_cuda is not None:
            self._on_cuda.take_state()
        self.compose()

    def step_only(self, blocks: Blocks) -> None:
        """From now on the CPU's steps take these blocks of the texture alone: all that views look at, so that what they
        see stays the same. No `gradient` may be elsewhere, and `composed` is whole after `compose` only.

        With a regulariser everything is stepped still: it draws texels that are not 0, seen or not.
        """
        if self.regulariser == 0:
            self._masks = self._level_blocks(blocks)

    @property
    def _on_cpu(self) -> bool:
        return self.composed.device.type == "cpu" and self.composed.dtype == torch.float32

    @torch.no_grad()
    def _step_on_cpu(self, rate: float) -> None:
        """From the coarsest level on: each one's step and its part of the composition are one pass."""
        levels = [level.detach() for level in self.texture.levels]
        if not self._buffers:
            # Of levels but the finest: gradients, 0 in blocks that are passed over, and compositions.
            self._buffers = [np.zeros(level.shape, np.float32) for _ in range(2) for level in levels[1:]]
        gradients = [self.gradient.numpy(), *self._buffers[: len(levels) - 1]]
        compositions = [self.composed.numpy(), *self._buffers[len(levels) - 1 :]]
        for index in range(1, len(levels)):
            cpu_pyramid.halve_blocks(gradients[index - 1], self._masks[index], gradients[index])
        coarse = np.empty((0, 1), np.float32)
        for index in reversed(range(len(levels))):
            level = levels[index]
            rows = level.shape[0]
            state = self._state(index)
            composed = compositions[index].reshape(rows, -1)
            cpu.adam_and_compose(
                level.numpy().reshape(rows, -1),
                state["exp_avg"].numpy().reshape(rows, -1),
                state["exp_avg_sq"].numpy().reshape(rows, -1),
                gradients[index].reshape(rows, -1),
                coarse,
                self._numbers(index, rate, float(state["step"])),
                self._masks[index],
                composed,
            )
            coarse = composed

    def _level_blocks(self, blocks: Blocks | None) -> list[Blocks]:
        """Of each level, the blocks to step; None for all. The coarsest is taken whole: its values are not 0 where
        nobody looks."""
        everywhere = [no_blocks((level.shape[0], level.shape[1])) | 1 for level in self.texture.levels]
        return everywhere if blocks is None else [*coarser_blocks(blocks, len(everywhere))[:-1], everywhere[-1]]

    def _state(self, index: int) -> dict[str, Tensor]:
        """A level's moments and the number of this step, kept where PyTorch keeps them."""
        level = self.texture.levels[index]
        state = self.adam.state[level]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(level) for _ in range(2))
        state["step"] += 1
        return state

    def _numbers(self, index: int, rate: float, step: float) -> tuple[np.float32, ...]:
        """The twin's constants of one level: rate over bias, shares of what is new and old, epsilon, MIDDLE, decay."""
        group, settings = self.adam.param_groups[0], self.texture.settings
        beta, square_beta = group["betas"]
        numbers = (
            rate / (1 - beta**step),
            1 - square_beta,
            1 - beta,
            square_beta,
            1 / math.sqrt(1 - square_beta**step),
            group["eps"],
            MIDDLE,
            settings.channels,
            self._decays()[index],
        )
        return tuple(np.float32(number) for number in numbers)

    def _decays(self) -> list[float]:
        """Per level, what the regulariser adds of a value to its gradient."""
        weighed = zip(self.texture.settings.level_weights, self.texture.levels, strict=True)
        return [2 * self.regulariser * weight / level.numel() for weight, level in weighed]
