"""Curvature as a stencil: the twins agree with the definition, and both with what render and splat compute."""

import numba
import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen.kernels.normal import (
    REACH,
    SLOTS,
    add_curvature,
    add_curvature_definition,
    bilinear_taps,
)
from neuraltexgen.kernels.packed import Places, look_up_definition, pack_uv, unpack_uv
from neuraltexgen.kernels.sample import render_definition
from neuraltexgen.kernels.stencil import stencil_product_definition

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (21, 26)


def pixels(samples: int, spread: float, seed: int = 0) -> tuple[Places, Tensor]:
    """9 x 11 pixels, samples `spread` texels around each, some at the border; weights, some of no confidence."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(-0.02, 1.02, (9, 11, 1, 2))
    uv = middle + rng.uniform(-0.5, 0.5, (9, 11, samples, 2)) * spread / np.array([SIZE[1], SIZE[0]])
    weight = rng.uniform(0.1, 2, (9, 11)) * (rng.random((9, 11)) < 0.8)
    uv[0, 0], uv[0, 1], uv[0, 2] = 0.0, 1.0, (0.5, 1.0)
    low, high = pack_uv(torch.from_numpy(uv.astype(np.float32)))
    trust = torch.from_numpy((weight > 0).astype(np.uint8))
    weight[weight == 0] = np.nan
    return Places(low, high, trust), torch.from_numpy(weight.astype(np.float32))


def in_rows(stencil: Tensor) -> Tensor:
    return stencil.permute(0, 2, 1).contiguous()


def gathered(places: Places, weight: Tensor, size: tuple[int, int] = SIZE) -> Tensor:
    """The definition, in float64."""
    stencil = torch.zeros(*size, SLOTS, dtype=torch.float64)
    add_curvature_definition(places, weight.double(), stencil)
    return stencil


def value(places: Places, weight: Tensor, x: Tensor) -> Tensor:
    """Sum over pixels of weight x lookup², per channel, of x (c H W): what the curvature stands for."""
    shown = look_up_definition(x.permute(1, 2, 0), places)
    return (weight.nan_to_num()[..., None] * shown.square()).sum(dim=(0, 1))


@pytest.mark.parametrize("spread", [0.0, 1.2, 2.5, 9.0])
@pytest.mark.parametrize("samples", [1, 4])
def test_the_twin_is_the_definition(samples: int, spread: float) -> None:
    places, weight = pixels(samples, spread)
    stencil = torch.zeros(*SIZE, SLOTS)
    add_curvature(places, weight, stencil)
    torch.testing.assert_close(stencil.double(), gathered(places, weight), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("samples", [1, 4])
def test_within_reach_it_is_the_curvature_of_the_lookups(samples: int) -> None:
    """Samples up to a texel apart have taps at most two apart: nothing is modelled."""
    places, weight = pixels(samples, 1.0)
    x = torch.rand(2, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    image = stencil_product_definition(in_rows(gathered(places, weight)), x)
    torch.testing.assert_close((x * image).sum((1, 2)), value(places, weight.double(), x))


@pytest.mark.parametrize("spread", [REACH + 2.0, 15.0])
def test_beyond_it_is_never_less_and_the_same_on_one_colour(spread: float) -> None:
    places, weight = pixels(4, spread)
    matrix = in_rows(gathered(places, weight))
    for seed in range(5):
        x = torch.randn(1, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        modelled, exact = (x * stencil_product_definition(matrix, x)).sum(), value(places, weight.double(), x)[0]
        assert modelled > 1.05 * exact
    flat = torch.ones(1, *SIZE, dtype=torch.float64)
    torch.testing.assert_close((stencil_product_definition(matrix, flat)).sum(), weight.nansum().double())


def test_one_result_whatever_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    places, weight = pixels(4, 2.0)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(numba, "get_num_threads", lambda threads=threads: threads)  # so many owners of rows
        found.append(torch.zeros(*SIZE, SLOTS))
        add_curvature(places, weight, found[-1])
    assert torch.equal(*found)


def test_taps_are_those_of_the_lookup() -> None:
    places, _ = pixels(1, 0.0)
    uv = unpack_uv(places.low, places.high)[places.trust > 0][:, 0].double()
    image = torch.rand(*SIZE, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    taps, shares = bilinear_taps(uv, SIZE)
    shown = (image.flatten()[taps] * shares).sum(dim=1)
    every = torch.ones(len(uv), 1, dtype=torch.bool)
    torch.testing.assert_close(shown, render_definition(image, uv[:, None, None], every)[:, 0, 0])
