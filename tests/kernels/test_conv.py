"""Convolution, pooling and their adjoints: every back end against plain statements, and the laws of an adjoint."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.kernels import conv
from neuraltexgen.kernels.conv import (
    Convolution,
    conv_adjoint,
    conv_relu,
    convolution,
    max_pool,
    max_pool_adjoint,
    max_pool_adjoint_definition,
    relu_adjoint,
)
from neuraltexgen.kernels.cpu import winograd

BACK_ENDS = {
    "float64": (torch.float64, 1e-14),
    "float32": (torch.float32, 1e-6),
    "Winograd": (torch.float32, 4e-6),
    "bfloat16": (torch.bfloat16, 5e-3),
}
"""The float type, and the largest relative L2 error against the plain statement in float64; Winograd's sums cancel."""

SIZES = [(1, 1), (1, 9), (3, 5), (4, 4), (5, 4), (17, 30)]
CHANNELS = [(3, 16), (16, 16), (64, 64), (37, 16), (16, 37), (70, 130)]
"""Inputs and outputs: on and off the multiples of the lanes that the Winograd twin works in."""


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(params=BACK_ENDS)
def back_end(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[torch.dtype, float]:
    """A float type and a bound; for float32 the twin is taken always or never."""
    monkeypatch.setattr(conv, "FEW_CHANNELS", 1 if request.param == "Winograd" else 10**6)
    return BACK_ENDS[request.param]


def layer(inputs: int, outputs: int, dtype: torch.dtype) -> tuple[Convolution, Tensor, Tensor]:
    """A convolution, and its filter and bias in float64 as they are once rounded."""
    weight, bias = noise(outputs, inputs, 3, 3).to(dtype), noise(outputs, seed=1).to(dtype)
    return convolution(weight, bias), weight.double(), bias.double()


def plain_conv(image: Tensor, weight: Tensor) -> Tensor:
    """Nine shifted products in float64: result[o, y, x] = Σ weight[o, i, a, b] image[i, y + a - 1, x + b - 1]."""
    padded = F.pad(image.double(), (1, 1, 1, 1))
    height, width = image.shape[2:]
    parts = [
        torch.einsum("oi,nihw->nohw", weight[:, :, a, b], padded[:, :, a : a + height, b : b + width])
        for a in range(3)
        for b in range(3)
    ]
    return torch.stack(parts).sum(dim=0)


def assert_near(ours: Tensor, plain: Tensor, bound: float) -> None:
    assert ours.shape == plain.shape
    assert torch.isfinite(ours).all()
    assert (ours.double() - plain).norm() <= bound * plain.norm()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_convolution_is_the_plain_one(
    channels: tuple[int, int], size: tuple[int, int], back_end: tuple[torch.dtype, float]
) -> None:
    dtype, bound = back_end
    ours, weight, bias = layer(*channels, dtype)
    image = noise(1, channels[0], *size, seed=2).to(dtype)
    result = conv_relu(image, ours)
    assert result.dtype == dtype
    assert_near(result, (plain_conv(image, weight) + bias[:, None, None]).clamp(min=0), bound)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_the_adjoint_is_the_adjoint(
    channels: tuple[int, int], size: tuple[int, int], back_end: tuple[torch.dtype, float]
) -> None:
    """<conv(x), y> = <x, adjoint(y)> for every x: here for 20 of them at once."""
    dtype, bound = back_end
    ours, weight, _ = layer(*channels, dtype)
    above = noise(1, channels[1], *size, seed=3).to(dtype)
    below = conv_adjoint(above, ours)
    assert below.dtype == dtype
    images = noise(20, channels[0], *size, seed=4)
    products = (plain_conv(images, weight) * above.double()).sum(dim=(1, 2, 3))
    found = (images * below.double()).sum(dim=(1, 2, 3))
    assert ((products - found).abs() <= 4 * bound * images.flatten(1).norm(dim=1) * below.double().norm()).all()


@pytest.mark.parametrize(
    ("dtype", "channels", "fast"),
    [
        (torch.float32, (128, 128), True),
        (torch.float32, (3, 64), False),
        (torch.float32, (64, 15), False),
        (torch.float64, (128, 128), False),
    ],
)
def test_the_twin_is_taken_where_it_pays(dtype: torch.dtype, channels: tuple[int, int], fast: bool) -> None:
    ours, _, _ = layer(*channels, dtype)
    assert (ours.forward is not None) == (ours.backward is not None) == fast


@pytest.mark.parametrize("tiles", [1, 3, 8])
def test_tiles_may_be_worked_on_a_few_at_a_time(tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv, "FEW_CHANNELS", 16)
    ours, _, _ = layer(16, 37, torch.float32)
    image = noise(1, 16, 17, 30, seed=2).float()
    whole = conv_relu(image, ours)
    monkeypatch.setattr(winograd, "CHUNK_BYTES", tiles * 36 * 4 * (16 + 37))
    assert_near(conv_relu(image, ours), whole.double(), 4e-6)


def test_the_order_in_memory_does_not_matter(back_end: tuple[torch.dtype, float]) -> None:
    dtype, bound = back_end
    ours, _, _ = layer(16, 20, dtype)
    image = noise(1, 16, 9, 11, seed=2).to(dtype)
    crooked = [
        image.contiguous(memory_format=torch.channels_last),
        image.transpose(2, 3).contiguous().transpose(2, 3),
        F.pad(image, (1, 2, 3, 4))[..., 3:-4, 1:-2],
    ]
    for each in crooked:
        assert_near(conv_relu(each, ours), conv_relu(image, ours).double(), bound)


def test_an_image_of_zeros_gives_the_bias(back_end: tuple[torch.dtype, float]) -> None:
    dtype, _ = back_end
    ours, _, bias = layer(16, 20, dtype)
    result = conv_relu(torch.zeros(1, 16, 6, 7, dtype=dtype), ours)
    assert torch.equal(result, bias.clamp(min=0).to(dtype)[None, :, None, None].expand(1, 20, 6, 7))


def test_what_is_not_a_number_stays_so(back_end: tuple[torch.dtype, float]) -> None:
    """A fit that has lost its way is found by its loss."""
    dtype, _ = back_end
    ours, _, _ = layer(16, 20, dtype)
    image = torch.ones(1, 16, 12, 12, dtype=dtype)
    image[..., 5:7, 5:7] = torch.nan
    result = max_pool(conv_relu(image, ours))
    assert result.isnan().any()
    assert result[..., 0, 0].isfinite().all()


# Pooling


def plain_max_pool_adjoint(gradient: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Block by block: all to the first largest pixel in reading order, if that is above 0."""
    result = np.zeros_like(image)
    for c, y, x in np.ndindex(*gradient.shape):
        block = image[c, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].ravel()
        if block.max() > 0:
            first = int(np.argmax(block))
            result[c, 2 * y + first // 2, 2 * x + first % 2] = gradient[c, y, x]
    return result


POOLED = [(2, 2), (3, 5), (2, 7), (7, 2), (17, 30), (16, 16)]


def pooled_case(size: tuple[int, int], ties: bool, channels: int = 5) -> tuple[Tensor, Tensor]:
    """A gradient and an image; `ties`: of few values, so that most blocks have several largest pixels, or zeros."""
    image = noise(1, channels, *size)
    image = (image.clamp(-0.9, 0.9) * 2).round().clamp(min=0) if ties else image
    return noise(1, channels, size[0] // 2, size[1] // 2, seed=1), image


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size", POOLED)
def test_the_adjoint_of_pooling_is_the_plain_one(size: tuple[int, int], ties: bool, dtype: torch.dtype) -> None:
    gradient, image = (field.to(dtype) for field in pooled_case(size, ties))
    expected = torch.from_numpy(plain_max_pool_adjoint(gradient[0].numpy(), image[0].numpy()))[None]
    for function in (max_pool_adjoint, max_pool_adjoint_definition):
        assert torch.equal(function(gradient, image), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", POOLED)
def test_pooling_takes_the_largest_of_each_block(size: tuple[int, int], dtype: torch.dtype) -> None:
    image = pooled_case(size, ties=False)[1].to(dtype)
    rows, cols = size[0] // 2, size[1] // 2
    blocks = image[..., : 2 * rows, : 2 * cols].reshape(1, 5, rows, 2, cols, 2)
    assert torch.equal(max_pool(image), blocks.amax(dim=(3, 5)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pooling_passes_on_what_it_hands_back(dtype: torch.dtype) -> None:
    """<pool(x), y> = <x, adjoint(y)> where x is nowhere negative: pooling is linear around x."""
    gradient, image = (field.to(dtype) for field in pooled_case((17, 30), ties=False))
    image = image.abs()
    assert float((max_pool(image) * gradient).sum()) == pytest.approx(
        float((image * max_pool_adjoint(gradient, image)).sum()), rel=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_adjoint_of_relu_stops_where_nothing_came_through(dtype: torch.dtype) -> None:
    gradient, more, image = (noise(1, 5, 6, 7, seed=i).to(dtype) for i in range(3))
    activation = image.clamp(min=0)
    before = gradient.clone()
    assert torch.equal(relu_adjoint(gradient, activation), torch.where(image > 0, gradient, 0))
    assert torch.equal(relu_adjoint(gradient, activation, more), torch.where(image > 0, gradient + more, 0))
    assert torch.equal(gradient, before)
    hidden = torch.where(image > 0, gradient, torch.nan)
    assert torch.isfinite(relu_adjoint(hidden, activation)).all()


# Triton's twins, on the CPU

TRITON = """
import torch
from neuraltexgen.kernels import conv
from neuraltexgen.kernels.cuda import features

def noise(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))

for dtype in (torch.float32, torch.float16):  # the interpreter orders bfloat16 by its bits
    for size, channels in (((2, 2), 1), ((3, 5), 5), ((7, 2), 64), ((18, 31), 33)):
        for ties in (False, True):
            image = noise(1, channels, *size, seed=0)
            image = ((image.clamp(-0.9, 0.9) * 2).round().clamp(min=0) if ties else image).to(dtype)
            pooled = conv.max_pool(image)
            gradient = noise(*pooled.shape, seed=1).to(dtype)
            more, activation = (noise(*image.shape, seed=i).to(dtype) for i in (2, 3))
            for name, ours, expected in (
                ("max_pool", features.max_pool(image), pooled),
                ("max_pool_adjoint", features.max_pool_adjoint(gradient, image),
                 conv.max_pool_adjoint_definition(gradient, image)),
                ("relu_adjoint", features.relu_adjoint(image, activation, more),
                 conv.relu_adjoint(image, activation, more)),
            ):
                assert ours.dtype == dtype, name
                assert torch.equal(ours, expected), (name, dtype, size, channels, ties)
                print(name)
"""
"""In a process of its own: the interpreter is chosen before Triton is imported, and wants functions as they are."""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed: pip install triton")
def test_tritons_twins_are_the_definition_in_its_interpreter() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TRITON],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split().count("max_pool_adjoint") == 16
