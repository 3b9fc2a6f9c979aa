"""The photometric step: each back end against the definition, the definition against the losses, in the hard cases."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numba
import pytest
import torch
from torch import Tensor

from neuraltexgen.kernels.cpu import packed as cpu_packed
from neuraltexgen.kernels.packed import (
    Places,
    look_up,
    look_up_definition,
    pack_uv,
    scatter,
    scatter_definition,
    scatter_trust,
    unpack_share,
)
from neuraltexgen.kernels.photometric import (
    KNOWN,
    Colour,
    PhotoLosses,
    Stack,
    Target,
    block_sums_definition,
    compare,
    compare_definition,
    loss_definition,
    photometric_pass,
    sharpness_definition,
)
from neuraltexgen.kernels.photometric import _block_sums_on_cpu as block_sums
from neuraltexgen.losses import Objective
from neuraltexgen.metrics import sharpness

ALL = PhotoLosses(l1=10.0, l2=3.0, huber=2.0, charbonnier=1.5, gradient_l1=20.0)


@dataclass(frozen=True, eq=False)
class Case:
    texture: Tensor
    places: Places
    photo: Tensor
    colour: Colour

    @property
    def target(self) -> Target:
        return Target(self.photo, self.places.trust)


def stacked(cases: list[Case], weights: list[float]) -> Stack:
    places = Places(*(torch.stack(fields) for fields in zip(*(one.places for one in cases))))
    colour = Colour(*(torch.stack(fields) for fields in zip(*(one.colour for one in cases))))
    return Stack(places, torch.stack([one.photo for one in cases]), colour, torch.tensor(weights))


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def case(
    size: tuple[int, int] = (40, 50),
    photo: tuple[int, int] = (21, 70),
    samples: int = 4,
    channels: int = 3,
    unseen: float = 0.3,
    floats: bool = False,
) -> Case:
    low, high = pack_uv(uniform(*photo, samples, 2, seed=1))
    trust = (uniform(*photo, seed=2) * 255).to(torch.uint8)
    trust[uniform(*photo, seed=3) < unseen] = 0
    picture = uniform(*photo, channels, seed=4)
    picture = picture if floats else (picture * 255).to(torch.uint8)
    colour = Colour(0.8 + 0.4 * uniform(channels, seed=5), 0.1 * uniform(channels, seed=6) - 0.05)
    return Case(uniform(*size, channels, seed=7), Places(low, high, trust), picture, colour)


def soiled() -> Case:
    """A float photo that holds NaN wherever it is not trusted."""
    clean = case(floats=True)
    photo = torch.where(clean.places.trust[..., None] > 0, clean.photo, torch.nan)
    return replace(clean, photo=photo)


def edges() -> Case:
    """Places on texel borders and centres, the texture's own borders included."""
    grid = torch.stack(torch.meshgrid(torch.arange(17) / 16, torch.arange(33) / 32, indexing="xy"), dim=-1)
    low, high = pack_uv(grid[:, :, None].repeat(1, 1, 4, 1))
    plain = case(size=(16, 8), photo=(33, 17), unseen=-1.0)
    return replace(plain, places=Places(low, high, plain.places.trust))


CASES: dict[str, Callable[[], Case]] = {
    "2 x 2 samples": case,
    "1 sample": lambda: case(samples=1),
    "3 x 3 samples": lambda: case(samples=9, photo=(9, 14)),
    "1 channel": lambda: case(channels=1, floats=True),
    "4 channels": lambda: case(channels=4, samples=1, floats=True),
    "NaN in a float photo": soiled,
    "texel borders": edges,
    "no valid pixel": lambda: case(unseen=2.0),
    "every pixel valid": lambda: case(unseen=-1.0),
    "one pixel": lambda: case(photo=(1, 1), unseen=-1.0),
    "one row": lambda: case(photo=(1, 30)),
    "one column": lambda: case(photo=(30, 1)),
    "one texel": lambda: case(size=(1, 1), photo=(5, 6)),
    "one row of texels": lambda: case(size=(1, 9)),
    "one column of texels": lambda: case(size=(9, 1)),
}


def assert_near(found: Tensor, expected: Tensor, bound: float = 3e-6) -> None:
    assert found.shape == expected.shape
    assert torch.isfinite(found).all()
    assert (found.double() - expected.double()).norm() <= bound * expected.double().norm()


@pytest.mark.parametrize("name", CASES)
def test_looking_up_and_its_adjoint_are_the_definitions(name: str) -> None:
    given = CASES[name]()
    image = look_up(given.texture, given.places)
    assert_near(image, look_up_definition(given.texture.double(), given.places))
    assert (image[given.places.trust == 0] == 0).all()
    gradient = torch.where(given.places.trust[..., None] > 0, image + 0.3, torch.nan)
    found, expected = torch.zeros_like(given.texture), torch.zeros_like(given.texture, dtype=torch.float64)
    scatter(gradient, given.places, found)
    scatter_definition(gradient.double(), given.places, expected)
    assert_near(found, expected)


@pytest.mark.parametrize("name", CASES)
def test_comparing_is_the_definition(name: str) -> None:
    given = CASES[name]()
    image = look_up(given.texture, given.places)
    found = compare(image, given.target, given.colour, ALL, 0.7, 2)
    expected = compare_definition(image, given.target, given.colour, ALL, 0.7, 2)
    assert float(found.loss) == pytest.approx(float(expected.loss), rel=2e-6, abs=1e-12)
    # Where two neighbours differ alike in render and photo, rounding decides the sign: rare, but of full weight.
    off = (found.gradient - expected.gradient).abs() > 1e-5 * expected.gradient.abs().max()
    assert off.float().mean() < 1e-3
    assert torch.isfinite(found.gradient).all()
    assert found.sharpness == pytest.approx(expected.sharpness, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("term", [*KNOWN, "all"])
@pytest.mark.parametrize("name", ["2 x 2 samples", "NaN in a float photo", "no valid pixel", "one pixel"])
def test_the_definition_is_the_objective_on_a_blended_photo(name: str, term: str) -> None:
    """What a fit computes by autograd for any loss: the photo, with confidence x the difference added."""
    given = CASES[name]()
    weights = ALL if term == "all" else PhotoLosses(**{term: 2.0})
    objective = Objective([f"{key}={getattr(weights, key)}" for key in KNOWN if getattr(weights, key) > 0])
    assert objective.photo_losses() == weights
    leaves = [look_up(given.texture, given.places).double().requires_grad_() for _ in range(2)]
    valid, share = given.places.trust > 0, unpack_share(given.places.trust).double()[..., None]
    photo = given.photo.double() / (255 if given.photo.dtype == torch.uint8 else 1)
    coloured = given.colour.gain.double() * leaves[0] + given.colour.offset.double()
    blended = torch.where(valid[..., None], photo + share * (coloured - photo), photo)
    expected = objective(blended.permute(2, 0, 1)[None], photo.permute(2, 0, 1)[None], valid[None, None])
    colour = Colour(given.colour.gain.double(), given.colour.offset.double())
    found = loss_definition(leaves[1], given.target, colour, weights)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    expected.backward()
    found.backward()
    assert leaves[0].grad is not None
    assert leaves[1].grad is not None
    assert_near(leaves[1].grad, leaves[0].grad, 1e-5)


def test_losses_that_a_step_does_not_know_are_left_to_autograd() -> None:
    assert Objective(["l1=1", "ssim=0.5"]).photo_losses() is None
    assert Objective(["l1=1", "l1=2"]).photo_losses() == PhotoLosses(l1=3.0)


def test_a_pass_is_the_sum_of_its_views() -> None:
    one, other = case(), case(unseen=0.6)
    whole, parts = torch.zeros_like(one.texture), torch.zeros_like(one.texture)
    losses = photometric_pass(one.texture, stacked([one, other], [0.5, 2.0]), ALL, whole)
    for index, (given, weight) in enumerate(((one, 0.5), (other, 2.0))):
        found = compare(look_up(one.texture, given.places), given.target, given.colour, ALL, weight)
        scatter(found.gradient, given.places, parts)
        assert torch.equal(losses[index], found.loss)
    assert torch.equal(whole, parts)


def test_sharpness_over_every_row_is_the_metric() -> None:
    given = case()
    image, valid = look_up(given.texture, given.places), given.places.trust > 0
    shown = given.colour.gain * image + given.colour.offset
    expected = sharpness(shown, given.photo.float() / 255, valid)
    assert sharpness_definition(image, given.target, given.colour, 1) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["2 x 2 samples", "4 channels", "NaN in a float photo", "texel borders"])
def test_block_sums_are_the_definition(name: str) -> None:
    given = CASES[name]()
    image = look_up(given.texture, given.places)
    shared = (uniform(*given.texture.shape[:2], seed=9) < 0.5).to(torch.uint8)
    found = block_sums(image, given.photo, given.places, shared, 16)
    assert_near(found, block_sums_definition(image, given.photo, given.places, shared, 16))
    assert found[..., 0].sum() > 0


def test_the_weights_of_texels_sum_to_the_confidence() -> None:
    given = case()
    weight = scatter_trust(given.places, (40, 50))
    assert float(weight.sum()) == pytest.approx(float(given.places.trust.sum()) / 255, rel=1e-5)
    assert (weight >= 0).all()


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
@pytest.mark.usefixtures("restored_threads")
def test_the_number_of_threads_changes_no_bit() -> None:
    given = case(size=(5 * cpu_packed.BAND + 3, 40))
    results = []
    for threads in (1, 2, 2):
        numba.set_num_threads(threads)
        gradient = torch.zeros_like(given.texture)
        loss = photometric_pass(given.texture, stacked([given], [1.0]), ALL, gradient)
        results.append((loss, gradient))
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])
