"""Tiles: they cover, they blend, they give what the whole photo gives, and they fit the memory."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import FEATURES, REACH, compact, write_model
from neuraltexgen.enhance.model import Upscaler, load_upscaler
from neuraltexgen.enhance.tiles import (
    MARGIN,
    OVERLAP,
    SMALLEST,
    blend_weights,
    bytes_per_pixel,
    run_in_tiles,
    tile_side,
    tile_spans,
)
from neuraltexgen.errors import ConfigError
from neuraltexgen.machine import BASELINE, GIB

LENGTHS = st.integers(1, 2000)
SIDES = st.integers(SMALLEST, 600)


def random_picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model(tmp_path: Path) -> Upscaler:
    return load_upscaler(write_model(tmp_path / "model.pth", compact(2, strength=0.5)), torch.device("cpu"))


@given(LENGTHS, SIDES)
def test_spans_cover_the_length_and_overlap_enough(length: int, side: int) -> None:
    spans = tile_spans(length, side)
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    assert all(end - start == min(side, length) for start, end in spans)
    assert all(end - start >= OVERLAP for (_, end), (start, _) in pairwise(spans))


@given(LENGTHS, SIDES, st.integers(1, 4))
def test_weights_add_up_to_one_and_are_zero_on_inner_margins(length: int, side: int, scale: int) -> None:
    spans = tile_spans(length, side)
    total = torch.zeros(length * scale)
    for i, ((start, end), weight) in enumerate(zip(spans, blend_weights(spans, scale), strict=True)):
        total[start * scale : end * scale] += weight
        if i > 0:
            assert not weight[: MARGIN * scale].any()
        if i + 1 < len(spans):
            assert not weight[-MARGIN * scale :].any()
    torch.testing.assert_close(total, torch.ones(length * scale))


@pytest.mark.parametrize("size", [(300, 210), (97, 400), (96, 96), (60, 500)])
def test_tiles_give_what_the_whole_photo_gives(model: Upscaler, size: tuple[int, int]) -> None:
    assert REACH <= MARGIN
    picture = random_picture(*size)
    whole = model(picture)
    torch.testing.assert_close(run_in_tiles(model, picture, 2, SMALLEST), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(run_in_tiles(model, picture, 2, 128), whole, atol=1e-5, rtol=0)


def test_what_a_model_makes_of_a_tiles_border_is_not_used() -> None:
    def spoilt(tile: torch.Tensor) -> torch.Tensor:
        out = torch.full_like(tile, 7.0)
        inner = (slice(None), *(slice(MARGIN, -MARGIN),) * 2)
        out[inner] = tile[inner]
        return out

    picture = random_picture(250, 330)
    inner = (slice(None), *(slice(MARGIN, -MARGIN),) * 2)
    torch.testing.assert_close(run_in_tiles(spoilt, picture, 1, 128)[inner], picture[inner])


def test_where_two_tiles_disagree_one_passes_slowly_into_the_other() -> None:
    seen: list[float] = []

    def flat(tile: torch.Tensor) -> torch.Tensor:
        seen.append(float(len(seen) % 2))
        return torch.full_like(tile, seen[-1])

    steps = run_in_tiles(flat, random_picture(50, 400), 1, 128)[0, 0].diff().abs()
    assert len(seen) > 3
    assert 0 < steps.max() < 0.07  # a border would be a step of 1


def test_the_models_need_is_measured(model: Upscaler, tmp_path: Path) -> None:
    # At the least, two layers' features and the picture are there at once, in 32-bit floats.
    assert 4 * (2 * FEATURES + 3) <= bytes_per_pixel(model) <= 4 * 100
    larger = load_upscaler(write_model(tmp_path / "x4.pth", compact(4)), torch.device("cpu"))
    assert bytes_per_pixel(larger) > 2 * bytes_per_pixel(model)


def test_a_tile_fits_the_budget_and_grows_with_it(model: Upscaler) -> None:
    fixed = BASELINE + 4 * 3 * 4 * 1000 * 1000 * 2**2
    for side in (112, 256, 480):
        assert tile_side(model, 1000, (1000, 1000), fixed + 1000 * side * side) == side
    assert tile_side(model, 1000, (1000, 1000), 1000 * GIB) == 512


def test_too_little_memory_is_an_error_that_says_how_much_is_enough(model: Upscaler) -> None:
    with pytest.raises(ConfigError, match="needs at least") as caught:
        tile_side(model, 1000, (1000, 1000), BASELINE)
    assert caught.value.fix is not None
    enough = float(caught.value.fix.split()[1].rstrip(","))
    assert tile_side(model, 1000, (1000, 1000), int(enough * GIB)) >= SMALLEST


def test_a_model_that_wants_the_whole_photo_gets_it_if_it_fits(model: Upscaler) -> None:
    whole = Upscaler(model.file, model.sha256, model.architecture, 2, False, model.device, model.descriptor)
    assert tile_side(whole, 100, (1000, 1500), 100 * GIB) == 1500
    assert tile_side(whole, 10_000, (1000, 1500), 2 * GIB) <= 512
