"""What stands in for invalid pixels: it knows the valid ones alone, and leaves them as they are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neuraltexgen.losses.vgg.fill import fill_invalid


def case(height: int, width: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    photo = torch.rand(1, 3, height, width, generator=draw, dtype=torch.float64)
    return photo, torch.rand(1, 1, height, width, generator=draw) < share


SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
SHARES = st.sampled_from([0.02, 0.3, 0.95, 1.1])


@given(SIZES, SHARES, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_valid_pixels_stay_and_the_others_are_means_of_them(size: tuple[int, int], share: float, seed: int) -> None:
    photo, valid = case(*size, share, seed)
    filled = fill_invalid(photo, valid)
    assert torch.equal(torch.where(valid, filled, 0), torch.where(valid, photo, 0))
    for channel in range(3):
        kept = photo[:, channel][valid[:, 0]]
        if len(kept):
            assert filled[:, channel].min() >= kept.min() - 1e-9
            assert filled[:, channel].max() <= kept.max() + 1e-9
        else:
            assert (filled == 0).all()


@given(SIZES, SHARES, st.integers(0, 1000), st.sampled_from([float("nan"), float("inf"), 1e30]))
@settings(max_examples=40, deadline=None)
def test_what_lies_in_invalid_pixels_has_no_influence(
    size: tuple[int, int], share: float, seed: int, junk: float
) -> None:
    photo, valid = case(*size, share, seed)
    assert torch.equal(fill_invalid(torch.where(valid, photo, junk), valid), fill_invalid(photo, valid))


@given(SIZES, SHARES, st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_a_constant_photo_stays_constant(size: tuple[int, int], share: float, seed: int) -> None:
    photo, valid = case(*size, share, seed)
    filled = fill_invalid(torch.full_like(photo, 0.7), valid)
    assert ((filled - 0.7).abs() < 1e-9).all() or not valid.any()


@given(SIZES, SHARES, st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_it_is_linear_in_the_photo(size: tuple[int, int], share: float, seed: int) -> None:
    photo, valid = case(*size, share, seed)
    other = photo.flip(1)
    torch.testing.assert_close(
        fill_invalid(2 * photo - 3 * other, valid), 2 * fill_invalid(photo, valid) - 3 * fill_invalid(other, valid)
    )


def test_near_pixels_count_more_than_far_ones() -> None:
    photo, valid = torch.zeros(1, 1, 8, 64), torch.zeros(1, 1, 8, 64, dtype=torch.bool)
    photo[..., 48:] = 1.0
    valid[..., :8], valid[..., 56:] = True, True
    line = fill_invalid(photo, valid)[0, 0, 4]
    assert line[9] < 0.1
    assert line[54] > 0.9
    assert (line.diff() >= -1e-6).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_float_type_is_kept(dtype: torch.dtype) -> None:
    photo, valid = case(9, 11, 0.5, 0)
    filled = fill_invalid(photo.to(dtype), valid)
    assert filled.dtype == dtype
    torch.testing.assert_close(filled.double(), fill_invalid(photo, valid), atol=1e-5, rtol=0)
