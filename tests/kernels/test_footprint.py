"""Look-ups with footprints: every back end against the definition, and the laws that pin the definition down."""

import math
from collections.abc import Callable

import numba
import pytest
import torch
from torch import Tensor

from neuraltexgen.kernels.footprint import (
    Footprints,
    find_taps,
    look_up_footprints,
    look_up_footprints_definition,
    sample_steps,
    scatter_footprints,
    scatter_footprints_definition,
)
from neuraltexgen.kernels.mip import fold_chain, mip_chain, mip_chain_definition, mip_sizes, split_levels
from neuraltexgen.kernels.sample import render_definition

TAPS = (1, 8)
Case = tuple[Tensor, Footprints]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def reaching(size: tuple[int, int], photo: tuple[int, int], samples: int, texels: float, valid: float = 0.8) -> Case:
    """Footprints of about so many texels, of any direction and shape, anywhere in the texture and a little beyond."""
    steps = noise(*photo, samples, 2, 2, seed=4) * texels / torch.tensor([size[1], size[0]])
    uv = uniform(*photo, samples, 2) * 1.2 - 0.1
    return noise(*size, 3), Footprints(uv, steps, uniform(*photo, seed=2) < valid)


def nan_where_invalid() -> Case:
    texture, where = reaching((16, 32), (13, 11), 4, 5.0, 0.5)
    for field in (where.uv, where.steps):
        field[~where.valid] = torch.nan
    return texture, where


def without_steps() -> Case:
    texture, where = reaching((16, 32), (9, 7), 4, 0.0)
    return texture, where._replace(steps=torch.zeros_like(where.steps))


CASES: dict[str, Callable[[], Case]] = {
    "less than a texel": lambda: reaching((16, 32), (9, 8), 1, 0.3),
    "a few texels": lambda: reaching((32, 64), (19, 18), 4, 3.0),
    "many texels": lambda: reaching((64, 64), (19, 18), 1, 20.0),
    "larger than the texture": lambda: reaching((16, 8), (9, 8), 4, 200.0),
    "no valid pixel": lambda: reaching((8, 8), (5, 6), 4, 3.0, 0.0),
    "one pixel": lambda: reaching((8, 8), (1, 1), 1, 3.0, 1.1),
    "one texel": lambda: reaching((1, 1), (5, 6), 1, 3.0),
    "odd sides": lambda: reaching((9, 15), (5, 6), 4, 3.0),
    "odd after one halving": lambda: reaching((6, 20), (5, 6), 4, 9.0),
    "no steps": without_steps,
    "NaN in invalid pixels": nan_where_invalid,
}


def doubled(case: Case) -> Case:
    texture, where = case
    return texture.double(), Footprints(where.uv.double(), where.steps.double(), where.valid)


def both(texture: Tensor, where: Footprints, taps: int, gradient: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.zeros_like(texture)
    scatter_footprints(gradient, where, taps, found)
    return look_up_footprints(texture, where, taps), found


@pytest.mark.parametrize("taps", TAPS)
@pytest.mark.parametrize("name", CASES)
def test_the_cpu_twin_is_the_definition_forward_and_backward(name: str, taps: int) -> None:
    texture, where = CASES[name]()
    gradient = noise(*where.valid.shape, 3, seed=3)
    gradient[~where.valid] = torch.nan  # nothing of an invalid pixel is read
    image, found = both(texture, where, taps, gradient)
    exact, wide = doubled((texture, where))
    expected = torch.zeros_like(exact)
    scatter_footprints_definition(gradient.double(), wide, taps, expected)
    torch.testing.assert_close(image.double(), look_up_footprints_definition(exact, wide, taps), rtol=0, atol=2e-5)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5 * (1 + float(expected.abs().max())))
    assert (image[~where.valid] == 0).all()


@pytest.mark.parametrize("taps", TAPS)
@pytest.mark.parametrize("name", ["a few texels", "larger than the texture", "odd after one halving"])
def test_scattering_is_the_adjoint_of_looking_up(name: str, taps: int) -> None:
    texture, where = doubled(CASES[name]())
    gradient = noise(*where.valid.shape, 3, seed=3).double() * where.valid[..., None]
    image, found = both(texture, where, taps, gradient)
    assert float((image * gradient).sum()) == pytest.approx(float((texture * found).sum()), rel=1e-10)


def test_gradients_agree_with_finite_differences() -> None:
    texture, where = doubled(reaching((4, 8), (3, 2), 1, 2.0, 1.1))
    assert torch.autograd.gradcheck(
        lambda leaf: look_up_footprints_definition(leaf, where, 4), (texture.requires_grad_(),)
    )


@pytest.mark.parametrize("taps", TAPS)
@pytest.mark.parametrize("name", ["less than a texel", "a few texels", "larger than the texture", "odd sides"])
def test_a_constant_texture_looks_constant_and_no_gradient_is_lost(name: str, taps: int) -> None:
    texture, where = CASES[name]()
    constant = torch.tensor([0.3, -2.0, 7.0]).expand_as(texture).contiguous()
    ones = torch.ones(*where.valid.shape, 3)
    image, found = both(constant, where, taps, ones)
    torch.testing.assert_close(image[where.valid], constant[0, :1].expand(int(where.valid.sum()), 3), rtol=1e-5, atol=0)
    assert float(found.sum()) == pytest.approx(3 * int(where.valid.sum()), rel=1e-4)


@pytest.mark.parametrize("taps", TAPS)
def test_footprints_of_at_most_a_texel_are_bilinear_look_ups(taps: int) -> None:
    texture, where = doubled(CASES["a few texels"]())
    angle = 7 * uniform(*where.steps.shape[:3], seed=9).double()
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], dim=-1).reshape(where.steps.shape)
    unit = turn / torch.tensor([texture.shape[1], texture.shape[0]]) * 0.999
    for steps in (unit, 0.3 * unit, 0 * unit):
        image = look_up_footprints(texture, where._replace(steps=steps), taps)
        torch.testing.assert_close(image, render_definition(texture, where.uv, where.valid), rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [1.0, 1.5, 2.0, 3.0, 5.5, 8.0])
def test_a_tap_takes_its_colours_from_as_far_around_as_its_area_reaches(side: float) -> None:
    """Its weights' variance, over all places in a texel of the coarsest level: a texel's own and that of the square."""
    x = (torch.arange(128) + 0.5).double()[None, :, None].expand(128, 128, 1)
    moments = torch.cat([x, x.square()], dim=2).contiguous()
    places = (48 + (torch.arange(512) + 0.5) / 16).double() / 128
    uv = torch.stack([places, torch.full_like(places, 0.5)], dim=-1)[None, :, None]
    steps = (torch.eye(2) * side / 128).double().expand(1, 512, 1, 2, 2)
    where = Footprints(uv, steps, torch.ones(1, 512, dtype=torch.bool))
    for taps in TAPS:
        mean, square = look_up_footprints(moments, where, taps)[0].unbind(-1)
        assert float((square - mean.square()).mean()) == pytest.approx(1 / 6 + (side**2 - 1) / 12, rel=2e-3)
        assert float((mean - 128 * places).mean()) == pytest.approx(0, abs=1e-9)


def test_taps_stay_sharp_across_where_one_tap_blurs() -> None:
    """Stripes of two texels, seen through a footprint eight long along them: only with one tap do they vanish."""
    texture = (torch.arange(64) // 2 % 2).double()[None, :, None].expand(64, 64, 1).contiguous()
    columns = (torch.arange(16, 48) + 0.5) / 64
    uv = torch.stack([columns, torch.full_like(columns, 0.5)], dim=-1).double()[None, :, None]
    steps = torch.tensor([[1 / 64, 0], [0, 8 / 64]]).double().expand(1, 32, 1, 2, 2)
    where = Footprints(uv, steps, torch.ones(1, 32, dtype=torch.bool))
    one, eight = (float(look_up_footprints(texture, where, taps).std()) for taps in TAPS)
    assert eight == pytest.approx(float(texture.std()), rel=0.05)
    assert one < 0.2 * eight


def test_the_axes_are_those_of_the_jacobian_whatever_the_pixel_grid() -> None:
    """Steps turned within the photo span the same ellipse: taps don't depend on how the camera was held."""
    steps, angle = noise(200, 2, 2).double() * 0.1, 0.7
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]).double()
    uv = uniform(200, 2).double()
    plain, turned = (find_taps(uv, s, mip_sizes((64, 32)), 8) for s in (steps, turn @ steps))
    torch.testing.assert_close(plain.number, turned.number)
    torch.testing.assert_close(plain.level, turned.level)
    torch.testing.assert_close(plain.pace, turned.pace, rtol=1e-6, atol=1e-9)
    jacobian = steps * torch.tensor([32.0, 64.0])
    long, short = torch.linalg.svdvals(jacobian).unbind(-1)
    assert bool((plain.level[long <= 1] == 0).all())
    torch.testing.assert_close(torch.linalg.vector_norm(plain.pace, dim=1) * plain.number, long)
    torch.testing.assert_close(plain.number, (long / short.clamp(min=1) - 0.01).ceil().clamp(1, 8))


def test_the_number_of_threads_changes_no_bit() -> None:
    texture, where = CASES["many texels"]()
    gradient = noise(*where.valid.shape, 3, seed=3)
    threads = numba.get_num_threads()
    try:
        results = []
        for count in {1, numba.config.NUMBA_NUM_THREADS}:  # pyright: ignore[reportAttributeAccessIssue]
            numba.set_num_threads(count)
            results.append(both(texture, where, 8, gradient))
    finally:
        numba.set_num_threads(threads)
    assert all(torch.equal(a, b) for result in results for a, b in zip(result, results[0]))


def test_levels_are_means_and_stop_at_an_odd_side() -> None:
    assert mip_sizes((8, 4)) == [(8, 4), (4, 2), (2, 1)]
    assert mip_sizes((7, 4)) == [(7, 4)]
    texture = noise(12, 20, 3)
    torch.testing.assert_close(mip_chain(texture), mip_chain_definition(texture))
    for level in split_levels(mip_chain(texture), mip_sizes((12, 20))):
        torch.testing.assert_close(level.mean(dim=(0, 1)), texture.mean(dim=(0, 1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_folding_is_the_adjoint_of_the_chain(dtype: torch.dtype) -> None:
    texture = noise(12, 20, 3).to(dtype)
    chain = mip_chain(texture)
    gradient, folded = noise(*chain.shape, seed=5).to(dtype), torch.zeros_like(texture)
    expected = float((chain * gradient).double().sum())
    fold_chain(gradient, folded)
    assert float((folded * texture).double().sum()) == pytest.approx(expected, rel=1e-5)


def grid_view(samples: int, size: tuple[int, int] = (6, 9)) -> tuple[Tensor, Tensor, Tensor]:
    """uvs (h w s 2) that an affine map gives the samples, all seen, and the map's steps between samples."""
    k, (h, w) = samples, size
    rows, cols = torch.meshgrid(torch.arange(h * k), torch.arange(w * k), indexing="ij")
    step = torch.tensor([[0.01, 0.002], [-0.003, 0.02]])
    grid = 0.3 + cols[..., None] * step[0] + rows[..., None] * step[1]
    uv = grid.reshape(h, k, w, k, 2).transpose(1, 2).reshape(h, w, k * k, 2)
    return uv, torch.ones(h, w, k * k, dtype=torch.bool), step


@pytest.mark.parametrize("k", [1, 2, 3])
def test_steps_of_an_affine_map_are_its_own(k: int) -> None:
    uv, seen, step = grid_view(k)
    torch.testing.assert_close(sample_steps(uv, seen), step.expand(*seen.shape, 2, 2), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2])
def test_steps_come_from_the_samples_own_chart(k: int) -> None:
    uv, seen, step = grid_view(k)
    jumped = uv.clone()
    jumped[:, 4:] += torch.tensor([0.4, -0.2])
    jumped[3:] += torch.tensor([-0.1, 0.3])
    torch.testing.assert_close(sample_steps(jumped, seen), step.expand(*seen.shape, 2, 2), rtol=1e-4, atol=1e-6)


def test_samples_without_neighbours_of_their_own_have_no_steps() -> None:
    assert (sample_steps(*grid_view(1, (1, 1))[:2]) == 0).all()
    uv, seen, step = grid_view(1)
    seen[:, 4] = False  # nothing is seen there
    uv[:, 4] = torch.nan
    uv[2, 7] += 0.5  # a chart of one sample
    steps = sample_steps(uv, seen)
    assert (steps[2, 7] == 0).all()
    assert torch.isfinite(steps[seen]).all()
    torch.testing.assert_close(steps[0, 3, 0, 0], step[0], rtol=1e-4, atol=1e-6)
