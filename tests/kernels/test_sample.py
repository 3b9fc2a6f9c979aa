"""Rendering by bilinear lookup: every back end against the definition, and the laws that pin the definition down."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numba
import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen.kernels.cpu import sample as cpu_sample
from neuraltexgen.kernels.sample import render, render_definition, splat_weight

Function = Callable[[Tensor, Tensor, Tensor], Tensor]

COSINE = 1e-10
"""Largest 1 - cosine of float32 against the definition in float64."""


@dataclass(frozen=True, eq=False)
class Case:
    texture: Tensor
    uv: Tensor
    valid: Tensor


def run_definition(texture: Tensor, uv: Tensor, valid: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    return with_autograd(render_definition, texture, uv, valid, gradient)


def run_dispatch(texture: Tensor, uv: Tensor, valid: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    return with_autograd(render, texture, uv, valid, gradient)


def run_cpu_twin(texture: Tensor, uv: Tensor, valid: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    image = torch.full((*valid.shape, texture.shape[2]), float("nan"))  # every pixel has to be written
    cpu_sample.render(texture.numpy(), uv.numpy(), valid.numpy(), image.numpy())
    splatted = torch.zeros_like(texture)
    cpu_sample.splat(gradient.numpy(), uv.numpy(), valid.numpy(), splatted.numpy())
    return image, splatted


BACK_ENDS = {"definition": run_definition, "cpu twin": run_cpu_twin, "dispatch": run_dispatch}


def with_autograd(
    function: Function, texture: Tensor, uv: Tensor, valid: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    leaf = texture.detach().clone().requires_grad_()
    image = function(leaf, uv, valid)
    image.backward(gradient)
    assert leaf.grad is not None
    return image.detach(), leaf.grad


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def random_case(size: tuple[int, int], channels: int, photo: tuple[int, int], samples: int, valid: float) -> Case:
    return Case(noise(*size, channels), uniform(*photo, samples, 2), uniform(*photo, seed=2) < valid)


def texel_edges() -> Case:
    """uvs exactly on texel corners and centres, the texture's own corners included."""
    places = torch.stack(torch.meshgrid(torch.arange(17) / 16, torch.arange(33) / 32, indexing="xy"), dim=-1)
    return Case(noise(16, 8, 3), places[:, :, None].repeat(1, 1, 4, 1), torch.ones(33, 17, dtype=torch.bool))


def outside() -> Case:
    return Case(noise(9, 5, 3), uniform(12, 11, 4, 2) * 6 - 3, torch.ones(12, 11, dtype=torch.bool))


def nan_where_invalid() -> Case:
    case = random_case((20, 33), 3, (21, 17), 4, 0.4)
    case.uv[~case.valid] = float("nan")
    return case


def duplicates() -> Case:
    return Case(noise(40, 40, 3), uniform(1, 1, 4, 2).repeat(50, 30, 1, 1), torch.ones(50, 30, dtype=torch.bool))


def crooked_memory() -> Case:
    """The same values, but none of the arrays in C order."""
    case = random_case((30, 20), 3, (14, 18), 4, 0.7)
    return Case(
        case.texture.permute(2, 0, 1).contiguous().permute(1, 2, 0),
        case.uv.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0),
        case.valid.T.contiguous().T,
    )


CASES: dict[str, Callable[[], Case]] = {
    "1 channel, 1 sample": lambda: random_case((50, 70), 1, (40, 30), 1, 0.8),
    "3 channels, 4 samples": lambda: random_case((50, 70), 3, (40, 30), 4, 0.8),
    "4 channels, 9 samples": lambda: random_case((50, 70), 4, (20, 30), 9, 0.8),
    "7 channels, 1 sample": lambda: random_case((50, 70), 7, (20, 30), 1, 0.8),
    "texture smaller than a stripe": lambda: random_case((3, 2), 3, (20, 30), 4, 0.8),
    "no valid pixel": lambda: random_case((8, 8), 3, (5, 6), 4, 0.0),
    "one pixel": lambda: random_case((8, 8), 3, (1, 1), 4, 1.1),
    "one texel": lambda: random_case((1, 1), 3, (5, 6), 4, 0.8),
    "one row of texels": lambda: random_case((1, 9), 3, (5, 6), 4, 0.8),
    "one column of texels": lambda: random_case((9, 1), 3, (5, 6), 4, 0.8),
    "texel edges and the border": texel_edges,
    "uvs outside the texture": outside,
    "NaN in invalid pixels": nan_where_invalid,
    "duplicates": duplicates,
}
"""Few pairs of channels and samples: the CPU twin compiles once for each."""


def relative_l2(texture: Tensor) -> float:
    """What single precision may cost: a place in the texture is rounded to 2^-24 of its longest side, in texels."""
    return 2**-24 * max(texture.shape[:2]) + 1e-6


def assert_near(ours: Tensor, truth: Tensor, bound: float) -> None:
    a, b = ours.double().flatten(), truth.flatten()
    assert ours.shape == truth.shape
    assert (a - b).norm() <= bound * b.norm()
    assert a @ b >= (1 - COSINE) * a.norm() * b.norm()


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", CASES)
def test_every_back_end_is_the_definition_forward_and_backward(back_end: str, name: str) -> None:
    case = CASES[name]()
    gradient = noise(*case.valid.shape, case.texture.shape[2], seed=3)
    gradient[~case.valid] = float("nan")  # nothing of an invalid pixel is read
    truth = run_definition(case.texture.double(), case.uv, case.valid, gradient.double())
    image, splatted = BACK_ENDS[back_end](case.texture, case.uv, case.valid, gradient)
    assert image.dtype == splatted.dtype == torch.float32
    assert (image[~case.valid] == 0).all()
    assert_near(image, truth[0], relative_l2(case.texture))
    assert_near(splatted, truth[1], relative_l2(case.texture))


def test_the_order_of_arrays_in_memory_does_not_matter() -> None:
    case = crooked_memory()
    gradient = noise(3, 14, 18).permute(1, 2, 0)
    image, splatted = run_dispatch(case.texture, case.uv, case.valid, gradient)
    truth = run_definition(case.texture.double(), case.uv, case.valid, gradient.double())
    assert_near(image, truth[0], relative_l2(case.texture))
    assert_near(splatted, truth[1], relative_l2(case.texture))


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", ["3 channels, 4 samples", "texel edges and the border", "uvs outside the texture"])
def test_splat_is_the_adjoint_of_render(back_end: str, name: str) -> None:
    case = CASES[name]()
    gradient = noise(*case.valid.shape, case.texture.shape[2], seed=3)
    image, splatted = BACK_ENDS[back_end](case.texture, case.uv, case.valid, gradient)
    rendered, textured = (image.double() * gradient).sum(), (splatted.double() * case.texture).sum()
    assert abs(rendered - textured) <= 1e-6 * image.norm() * gradient.norm()


@pytest.mark.parametrize("function", [render, render_definition])
def test_gradients_agree_with_finite_differences(function: Function) -> None:
    case = nan_where_invalid()
    small = Case(case.texture[:5, :4].double().contiguous(), case.uv[:4, :5], case.valid[:4, :5])
    assert small.valid.any()
    assert not small.valid.all()
    leaf = small.texture.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda texture: function(texture, small.uv, small.valid), (leaf,))


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
@pytest.mark.usefixtures("restored_threads")
def test_the_number_of_threads_changes_no_bit() -> None:
    case = random_case((5 * cpu_sample.STRIPE + 3, 40), 3, (60, 50), 4, 0.9)
    gradient = noise(60, 50, 3, seed=3)
    results = []
    for threads in (1, 2, 2):
        numba.set_num_threads(threads)
        results.append(run_cpu_twin(case.texture, case.uv, case.valid, gradient))
    for image, splatted in results[1:]:
        assert torch.equal(image, results[0][0])
        assert torch.equal(splatted, results[0][1])


@pytest.mark.parametrize("function", [render, render_definition])
def test_a_constant_texture_renders_to_that_constant(function: Function) -> None:
    case = outside()
    constant = torch.tensor([0.25, -3.0, 1e4]).expand(9, 5, 3).contiguous()
    torch.testing.assert_close(function(constant, case.uv, case.valid), constant[:1, :1].expand(12, 11, 3))


@pytest.mark.parametrize("function", [render, render_definition])
def test_render_stays_within_the_textures_range(function: Function) -> None:
    case = outside()
    image = function(case.texture, case.uv, case.valid)
    low, high = case.texture.amin(dim=(0, 1)), case.texture.amax(dim=(0, 1))
    assert ((image >= low - 1e-6) & (image <= high + 1e-6)).all()


WIDTH, HEIGHT = 16, 8


def ramp() -> Tensor:
    """A texture whose texels hold the (u, v) of their centres, and a channel of ones."""
    v, u = torch.meshgrid((torch.arange(HEIGHT) + 0.5) / HEIGHT, (torch.arange(WIDTH) + 0.5) / WIDTH, indexing="ij")
    return torch.stack([u, v, torch.ones_like(u)], dim=-1)


def interior(samples: int) -> Tensor:
    """uvs at least half a texel away from the texture's border, where a lookup is not clamped."""
    margin = torch.tensor([0.5 / WIDTH, 0.5 / HEIGHT])
    return margin + uniform(10, 12, samples, 2) * (1 - 2 * margin)


def half_texel_early(texture: Tensor, uv: Tensor, valid: Tensor) -> Tensor:
    """The common mistake: texel centres at whole numbers."""
    return render_definition(texture, uv + 0.5 / torch.tensor([WIDTH, HEIGHT]), valid)


def corners_aligned(texture: Tensor, uv: Tensor, valid: Tensor) -> Tensor:
    """The other one: uv 0 and 1 at the outermost texel centres."""
    size = torch.tensor([WIDTH, HEIGHT])
    return render_definition(texture, (uv * (size - 1) + 0.5) / size, valid)


def ramp_error(function: Function) -> float:
    """How far, in texels, the render of the ramp is from the uv that was asked for."""
    uv = interior(4)
    image = function(ramp(), uv, torch.ones(10, 12, dtype=torch.bool))
    return float(((image[..., :2] - uv.mean(dim=2)).abs() * torch.tensor([WIDTH, HEIGHT])).max())


@pytest.mark.parametrize("function", [render, render_definition])
def test_a_ramp_renders_to_the_uv_itself(function: Function) -> None:
    assert ramp_error(function) < 1e-5


@pytest.mark.parametrize("wrong", [half_texel_early, corners_aligned])
def test_a_definition_off_by_half_a_texel_would_be_noticed(wrong: Function) -> None:
    assert ramp_error(wrong) > 0.2


def test_a_texel_centre_reads_its_texel_alone() -> None:
    texture = noise(HEIGHT, WIDTH, 3)
    uv = ramp()[:, :, None, :2].contiguous()
    rendered = render(texture, uv.repeat(1, 1, 4, 1), torch.ones(HEIGHT, WIDTH, dtype=torch.bool))
    torch.testing.assert_close(rendered, texture, rtol=0, atol=1e-6)


def test_splat_weight_shares_every_pixels_weight_out_among_its_texels() -> None:
    uv, weight = uniform(30, 20, 4, 2) * 1.2 - 0.1, uniform(30, 20, seed=5) - 0.3
    uv[weight <= 0] = float("nan")
    shares = splat_weight(uv, weight, (12, 21))
    assert shares.shape == (12, 21)
    assert (shares >= 0).all()
    assert float(shares.double().sum()) == pytest.approx(float(weight.clamp(min=0).double().sum()), rel=1e-6)


def test_splat_weight_of_one_pixel_is_its_bilinear_weights() -> None:
    # u * 4 - 0.5 = 1.25 between columns 1 and 2; v * 2 - 0.5 = 0.75 between rows 0 and 1.
    uv = torch.tensor([1.75 / 4, 1.25 / 2]).view(1, 1, 1, 2)
    expected = 2 * torch.tensor([[0, 0.25 * 0.75, 0.25 * 0.25, 0], [0, 0.75 * 0.75, 0.75 * 0.25, 0]])
    torch.testing.assert_close(splat_weight(uv, torch.full((1, 1), 2.0), (2, 4)), expected)


def test_splat_weight_of_nothing_is_zero() -> None:
    shares = splat_weight(torch.full((3, 4, 1, 2), float("nan")), torch.zeros(3, 4), (5, 6))
    assert np.array_equal(shares.numpy(), np.zeros((5, 6)))
