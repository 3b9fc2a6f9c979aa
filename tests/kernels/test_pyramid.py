"""Composing pyramid levels: every back end against the definition, and what doubling keeps."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from neuraltexgen.kernels.cpu import pyramid as cpu_pyramid
from neuraltexgen.kernels.pyramid import compose, compose_definition
from neuraltexgen.kernels.sample import render_definition

Result = tuple[Tensor, list[Tensor]]

# Largest relative L2 error, and 1 - cosine, of float32 against the definition in float64.
RELATIVE_L2, COSINE = 1e-6, 1e-10


def run_definition(levels: list[Tensor], gradient: Tensor) -> Result:
    return with_autograd(compose_definition, levels, gradient)


def run_dispatch(levels: list[Tensor], gradient: Tensor) -> Result:
    return with_autograd(compose, levels, gradient)


def run_cpu_twin(levels: list[Tensor], gradient: Tensor) -> Result:
    image, gradients = levels[-1].clone(), [gradient.contiguous()]
    for level in reversed(levels[:-1]):
        fine = level.clone()
        cpu_pyramid.add_doubled(image.numpy(), fine.numpy())
        image = fine
    for level in levels[1:]:
        coarse = torch.full_like(level, float("nan"))  # every texel has to be written
        cpu_pyramid.halve_adjoint(gradients[-1].numpy(), coarse.numpy())
        gradients.append(coarse)
    return image, gradients


BACK_ENDS = {"definition": run_definition, "cpu twin": run_cpu_twin, "dispatch": run_dispatch}


def with_autograd(function: Callable[[list[Tensor]], Tensor], levels: list[Tensor], gradient: Tensor) -> Result:
    leaves = [level.detach().clone().requires_grad_() for level in levels]
    image = function(leaves)
    image.backward(gradient)
    gradients = [leaf.grad for leaf in leaves]
    assert all(found is not None for found in gradients)
    return image.detach(), gradients  # pyright: ignore[reportReturnType]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pyramid(height: int, width: int, channels: int, count: int) -> list[Tensor]:
    return [noise(height >> i, width >> i, channels, seed=i) for i in range(count)]


CASES = {
    "4 levels": (32, 48, 3, 4),
    "1 channel": (16, 8, 1, 2),
    "7 channels": (16, 8, 7, 3),
    "one level": (6, 5, 3, 1),
    "down to one texel": (8, 8, 3, 4),
    "a row": (4, 64, 3, 3),
    "a column": (64, 4, 3, 3),
    "odd coarsest level": (12, 20, 4, 3),
}


def assert_near(ours: Tensor, truth: Tensor) -> None:
    a, b = ours.double().flatten(), truth.flatten()
    assert ours.shape == truth.shape
    assert (a - b).norm() <= RELATIVE_L2 * b.norm()
    assert a @ b >= (1 - COSINE) * a.norm() * b.norm()


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", CASES)
def test_every_back_end_is_the_definition_forward_and_backward(back_end: str, name: str) -> None:
    levels = pyramid(*CASES[name])
    gradient = noise(*levels[0].shape, seed=9)
    truth = run_definition([level.double() for level in levels], gradient.double())
    image, gradients = BACK_ENDS[back_end](levels, gradient)
    assert image.dtype == torch.float32
    assert_near(image, truth[0])
    for ours, expected in zip(gradients, truth[1], strict=True):
        assert_near(ours, expected)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_the_gradient_is_the_adjoint(back_end: str) -> None:
    levels = pyramid(*CASES["4 levels"])
    gradient = noise(*levels[0].shape, seed=9)
    image, gradients = BACK_ENDS[back_end](levels, gradient)
    composed = (image.double() * gradient).sum()
    apart = sum(
        ((level.double() * found).sum() for level, found in zip(levels, gradients, strict=True)), torch.zeros(())
    )
    assert abs(composed - apart) <= 1e-6 * image.norm() * gradient.norm()


@pytest.mark.parametrize("function", [compose, compose_definition])
def test_gradients_agree_with_finite_differences(function: Callable[[list[Tensor]], Tensor]) -> None:
    leaves = [level.double().requires_grad_() for level in pyramid(4, 8, 2, 3)]
    assert torch.autograd.gradcheck(lambda *levels: function(list(levels)), leaves)


@pytest.mark.parametrize("function", [compose, compose_definition])
def test_compose_changes_none_of_its_levels(function: Callable[[list[Tensor]], Tensor]) -> None:
    for count in (1, 3):
        levels = pyramid(8, 8, 3, count)
        before = [level.clone() for level in levels]
        function(levels)
        assert all(torch.equal(level, kept) for level, kept in zip(levels, before, strict=True))


@pytest.mark.parametrize("function", [compose, compose_definition])
def test_the_order_of_levels_in_memory_does_not_matter(function: Callable[[list[Tensor]], Tensor]) -> None:
    levels = pyramid(16, 24, 3, 3)
    crooked = [level.permute(2, 0, 1).contiguous().permute(1, 2, 0) for level in levels]
    torch.testing.assert_close(function(crooked), function(levels))


@pytest.mark.parametrize("function", [compose, compose_definition])
def test_constant_levels_add_up(function: Callable[[list[Tensor]], Tensor]) -> None:
    levels = [torch.full((16 >> i, 24 >> i, 3), value) for i, value in enumerate((0.5, -2.0, 4.0, 0.125))]
    assert torch.equal(function(levels), torch.full((16, 24, 3), 2.625))


def ramp(height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Texels that hold the (u, v) of their centres."""
    v, u = ((torch.arange(size, dtype=dtype) + 0.5) / size for size in (height, width))
    return torch.stack(torch.meshgrid(v, u, indexing="ij")[::-1], dim=-1)


@pytest.mark.parametrize("function", [compose, compose_definition])
def test_doubling_keeps_a_ramp_away_from_the_border(function: Callable[[list[Tensor]], Tensor]) -> None:
    for count in (2, 3, 4):
        coarse = ramp(64 >> (count - 1), 128 >> (count - 1))
        levels = [torch.zeros(64 >> i, 128 >> i, 2) for i in range(count - 1)]
        # Each doubling flattens half a coarse texel, and what the next one mixes with it.
        rim = 2 ** (count - 1)
        inner = (slice(rim, -rim), slice(rim, -rim))
        torch.testing.assert_close(function([*levels, coarse])[inner], ramp(64, 128)[inner])


def test_a_level_adds_to_a_texel_what_sampling_it_at_the_texels_centre_gives() -> None:
    fine, coarse = pyramid(12, 20, 3, 2)
    uv, valid = ramp(12, 20, torch.float64)[:, :, None], torch.ones(12, 20, dtype=torch.bool)
    apart = fine.double() + render_definition(coarse.double(), uv, valid)
    torch.testing.assert_close(compose_definition([fine.double(), coarse.double()]), apart)


def test_between_texel_centres_the_composed_texture_rounds_the_kinks_of_its_coarse_levels() -> None:
    """Sampling the sum is not the sum of samples: a coarse texel's peak is cut off, its surroundings are the same."""
    coarse = torch.zeros(4, 4, 1, dtype=torch.float64)
    coarse[1, 1] = 1.0
    composed = compose_definition([torch.zeros(8, 8, 1, dtype=torch.float64), coarse])
    uv = torch.tensor([[[1.5, 1.5]], [[1.75, 1.75]], [[2.0, 1.75]]], dtype=torch.float64).view(3, 1, 1, 2) / 4
    valid = torch.ones(3, 1, dtype=torch.bool)
    sum_sampled, samples_summed = render_definition(composed, uv, valid), render_definition(coarse, uv, valid)
    assert float(samples_summed[0]) == 1.0
    assert float(sum_sampled[0]) == 0.5625
    torch.testing.assert_close(sum_sampled[1], samples_summed[1])
