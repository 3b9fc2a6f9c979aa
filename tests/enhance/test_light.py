"""sRGB and linear light, and linear photos brighter than white."""

import pytest
import torch

from neuraltexgen.enhance.light import Shown, decode, encode, linear_light, show


def test_known_values_of_srgb() -> None:
    linear = torch.tensor([0.0, 0.002, 0.0031308, 0.18, 0.5, 1.0])
    expected = torch.tensor([0.0, 0.02584, 0.04045, 0.46136, 0.73536, 1.0])
    torch.testing.assert_close(encode(linear), expected, atol=1e-5, rtol=0)


def test_there_and_back() -> None:
    srgb = torch.linspace(0, 1, 1001)
    torch.testing.assert_close(encode(decode(srgb)), srgb, atol=1e-6, rtol=0)


@pytest.mark.parametrize("peak", [0.8, 1.0, 40.0])
def test_a_linear_photo_comes_back_with_its_highlights_and_its_negative_values(peak: float) -> None:
    linear = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0))
    linear[:, 3, 4] = peak
    linear[1, 7, 7] = -0.25
    shown = show(linear)
    assert shown.picture.min() >= 0
    assert shown.picture.max() <= 1
    assert shown.white == pytest.approx(1.0)  # one pixel in 2000 is a highlight, not the white of the photo
    torch.testing.assert_close(linear_light(shown), linear, atol=1e-5, rtol=1e-5)


def test_a_photo_that_is_bright_all_over_gets_a_brighter_white() -> None:
    linear = 5 * torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0))
    shown = show(linear)
    assert 4.5 < shown.white <= 5
    assert (shown.picture < 1).float().mean() > 0.99
    torch.testing.assert_close(linear_light(shown), linear, atol=1e-4, rtol=1e-5)


def test_highlights_grow_with_the_picture() -> None:
    linear = torch.full((3, 40, 50), 0.25)
    linear[:, 20, 25] = 9.0
    shown = show(linear)
    larger = shown.picture.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    enlarged = linear_light(Shown(larger, shown.white, shown.beyond))
    assert enlarged.shape == (3, 80, 100)
    torch.testing.assert_close(enlarged.mean(), linear.mean(), atol=1e-4, rtol=0)
    assert enlarged[:, 40:42, 50:52].min() > 5
