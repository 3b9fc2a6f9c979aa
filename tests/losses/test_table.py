"""The tables of losses and presets: what they hold, what each says of itself, and that presets are what they name."""

import pytest
import torch

from neuraltexgen.losses import HEADS, LOSSES, PRESETS, LossTerm, describe, parse_losses
from neuraltexgen.recipes import PUBLISHED, FitSettings


def test_the_tables_are_sorted_and_no_name_is_in_two() -> None:
    assert list(LOSSES) == sorted(LOSSES)
    assert set(LOSSES) >= {"l1", "l2", "huber", "charbonnier", "gradient_l1", "ssim", "ms_ssim", "laplacian"}
    assert set(HEADS) == {"vgg_content", "vgg_style", "gram_patch", "lpips"}
    assert len({*LOSSES, *HEADS, *PRESETS}) == len(LOSSES) + len(HEADS) + len(PRESETS)


@pytest.mark.parametrize("name", [*LOSSES, *HEADS])
def test_each_says_in_a_line_what_it_measures(name: str) -> None:
    line = describe(name)
    assert 10 < len(line) < 120
    assert "\n" not in line


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_asked_for_and_says_what_it_is_for(name: str) -> None:
    parts, line = PRESETS[name]
    terms = parse_losses([name])
    assert terms == parse_losses(parts)
    assert all(isinstance(term, LossTerm) and term.weight > 0 for term in terms)
    assert line


def test_the_presets_of_the_recipes_are_theirs() -> None:
    assert PRESETS["published"][0] == PUBLISHED.losses
    assert PRESETS["photo"][0] == FitSettings().losses


def test_losses_of_the_table_take_pictures_of_any_size_and_channels() -> None:
    for size, channels in (((1, 1), 3), ((40, 30), 1), ((3, 50), 4)):
        render, photo = torch.full((2, channels, *size), 0.4), torch.full((2, channels, *size), 0.1)
        valid = torch.ones(2, 1, *size, dtype=torch.bool)
        for loss in LOSSES.values():
            value = loss(render, photo, valid)
            assert value.shape == ()
            assert torch.isfinite(value)
