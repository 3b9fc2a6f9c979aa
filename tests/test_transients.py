"""What stands in one photo alone is found, hidden from the fit, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from neuraltexgen.direct import solve
from neuraltexgen.equalise import Terms, find_exposures
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.sample import render
from neuraltexgen.recipes import FitSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.transients import Transients, find_transients, patches
from neuraltexgen.views import Views, spread_mask
from test_fit import HEIGHT, SIZE, WIDTH, held_out_psnr, make_view, store

pytestmark = pytest.mark.usefixtures("one_thread")

COUNT, PLANTED = 10, (2, 5)
HELD = (8, 9)
TEXTURE = (SIZE, SIZE)
FIT = FitSettings(texture=TextureSettings(TEXTURE), smoothness=1e-4)


def wallpaper() -> torch.Tensor:
    """A texture with less fine detail than the other tests': as coarse photos of a room have it."""
    y, x = torch.meshgrid(*[(torch.arange(SIZE) + 0.5) / SIZE] * 2, indexing="ij")
    waves = [torch.sin(9 * x + c) * torch.cos(7 * y - c) for c in range(3)]
    return 0.5 + 0.3 * torch.stack(waves, dim=-1)


def plain(number: int, gain: float = 1.0, offset: float = 0.0) -> FitView:
    view = make_view(number)
    return replace(view, photo=gain * render(wallpaper(), view.uv, view.valid) + offset)


def noisy(number: int) -> FitView:
    """A view as photos are: its own exposure, and noise."""
    rng = np.random.default_rng(number)
    view = plain(number, gain=float(rng.uniform(0.85, 1.15)), offset=0.02)
    noise = 0.01 * torch.randn(view.photo.shape, generator=torch.Generator().manual_seed(number))
    return replace(view, photo=view.photo + noise)


def visitor(number: int) -> torch.Tensor:
    """Where somebody stands in a view: a body and a head."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    middle = 16 + 2 * number
    body = (abs(x - middle) < 5) & (y > 14) & (y < 34)
    head = (x - middle) ** 2 + (y - 11) ** 2 < 16
    return torch.from_numpy(body | head)


def visited(number: int) -> FitView:
    view = noisy(number)
    colour = torch.tensor((0.95, 0.05, 0.6)) if number % 2 else torch.tensor((0.02, 0.9, 0.1))
    return replace(view, photo=torch.where(visitor(number)[..., None], colour, view.photo))


def search(views: Views) -> Transients:
    found = find_exposures(views, Terms())
    return find_transients(views, TEXTURE, (found.gains, found.offsets))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Views:
    return store([noisy(number) for number in range(COUNT)], tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Views:
    made = [visited(number) if number in PLANTED else noisy(number) for number in range(COUNT)]
    return store(made, tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def found(planted: Views) -> Transients:
    return search(planted)


def test_visitors_are_found_and_hardly_anything_else(planted: Views, found: Transients) -> None:
    right = wrong = there = other = 0
    for number, view in planted.stream(range(COUNT)):
        trusted = view.trust > 0
        truth = visitor(number) & trusted if number in PLANTED else torch.zeros_like(trusted)
        mask = spread_mask(found.masks[number], view.trust.shape) & trusted
        right, there = right + int((mask & truth).sum()), there + int(truth.sum())
        wrong, other = wrong + int((mask & ~truth).sum()), other + int((trusted & ~truth).sum())
    assert right > 0.9 * there
    assert wrong < 0.02 * other
    assert all((found.shares[number] > 0.05) == (number in PLANTED) for number in range(COUNT))


def test_a_patch_takes_its_outline_and_gaps_where_nobody_can_tell() -> None:
    size, known = torch.zeros(96, 128), torch.ones(96, 128, dtype=torch.bool)
    size[30:60, 40:80] = 1.0
    size[40:45, 50:55], known[40:45, 50:55] = 0.0, False
    hole = size.clone()
    found = patches(size, known, 0.1)
    assert found[30:60, 40:80].all()
    assert found[29:61, 39:81].all()
    assert found.sum() < 36 * 46
    # What is known to agree stays, and so does what nobody can tell away from a transient.
    size[40:55, 50:65], known[:] = 0.0, True
    assert not patches(size, known, 0.1)[44:50, 54:60].any()
    known[:, 90:] = False
    assert not patches(hole, known, 0.1)[:, 90:].any()
    assert not patches(torch.zeros_like(size), known, 0.1).any()


def test_exposures_and_colours_that_vary_widely_hide_nobody(planted: Views, found: Transients, tmp_path: Path) -> None:
    gains = np.exp(0.3 * np.random.default_rng(5).standard_normal((COUNT, 3)))
    darker = torch.from_numpy((gains / gains.max(axis=0)).astype(np.float32))
    # Photos of 8 bits are clipped; these are darkened, so that none is.
    made = [replace(view, photo=view.photo.clamp(0, 0.98) * darker[number]) for number, view in enumerate(planted)]
    varied = search(store(made, tmp_path))
    for number, (before, after) in enumerate(zip(found.masks, varied.masks, strict=True)):
        both, either = (before & after).sum(), (before | after).sum()
        assert both > 0.8 * either or number not in PLANTED
        assert (after & ~before).mean() < 0.02


def test_photos_that_agree_keep_all_their_pixels(clean: Views) -> None:
    found = search(clean)
    assert max(found.shares) == 0


def test_a_fit_without_them_is_nearly_as_good_as_if_nobody_had_come(
    clean: Views, planted: Views, found: Transients
) -> None:
    """Against the true texture, on views that take no part."""
    hidden = planted.hiding(dict(zip(planted.files, found.masks, strict=True)))
    train = [number for number in range(COUNT) if number not in HELD]
    best, ghosted, mended = (
        held_out_psnr(solve(views.subset(train), FIT).texture, store_clean(clean)) for views in (clean, planted, hidden)
    )
    assert ghosted < best - 3
    assert mended > best - 1


def store_clean(clean: Views) -> Views:
    """Photos without exposure or noise of their own, to score by."""
    folder = clean.files[0].parent / "scored"
    return store([plain(number) for number in range(COUNT)], folder)


def test_the_order_of_the_photos_changes_nothing(planted: Views, found: Transients) -> None:
    turned = search(planted.subset(range(COUNT)[::-1]))
    differs = [np.mean(a != b) for a, b in zip(turned.masks[::-1], found.masks, strict=True)]
    assert max(differs) < 0.005  # rounding may move a border's pixel


def test_two_photos_that_disagree_are_both_kept(tmp_path: Path) -> None:
    """Nobody knows which one is right."""
    pair = store([noisy(2), visited(2)], tmp_path)
    assert search(pair).shares == (0.0, 0.0)


def test_hidden_pixels_have_no_confidence_and_a_key_of_their_own(planted: Views, found: Transients) -> None:
    number = PLANTED[0]
    hidden = planted.hiding({planted.files[number]: found.masks[number]})
    mask = spread_mask(found.masks[number], (HEIGHT, WIDTH))
    before, after = planted[number], hidden[number]
    assert torch.equal(after.trust, torch.where(mask, 0, before.trust))
    assert torch.equal(after.valid, before.valid)  # scores look at all that the mesh covers
    assert torch.equal(hidden.subset([number])[0].trust, after.trust)
    assert hidden.key() != planted.key()
    assert hidden.key()[:COUNT] == planted.key()
    assert planted.hiding({}).key() == planted.key()


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_coarse_mask_is_spread_to_the_nearest_pixels(stride: int) -> None:
    mask = np.zeros((240, 321), bool)[::stride, ::stride].copy()
    mask[3, 5] = True
    rows, columns = torch.nonzero(spread_mask(mask, (240, 321)), as_tuple=True)
    assert len(rows) == stride**2
    assert abs(rows.float().mean() - 3 * stride) <= 0.5
    assert abs(columns.float().mean() - 5 * stride) <= 0.5
