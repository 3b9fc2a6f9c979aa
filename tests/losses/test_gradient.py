"""Losses on image gradients: against a plain statement in loops, and what they can't see."""

import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen.losses.gradient import gradient_l1


def images(batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    render = torch.rand(batch, 3, 6, 5, generator=generator, dtype=torch.float64)
    photo = torch.rand(batch, 3, 6, 5, generator=generator, dtype=torch.float64)
    return render, photo, torch.rand(batch, 1, 6, 5, generator=generator) < 0.7


def plain(render: np.ndarray, photo: np.ndarray, valid: np.ndarray) -> float:
    """Pair by pair: |(render there - render here) - (photo there - photo here)|."""
    total = 0.0
    for down, right in ((0, 1), (1, 0)):
        terms = []
        for b, c, i, j in np.ndindex(*render.shape):
            y, x = i + down, j + right
            if y < render.shape[2] and x < render.shape[3] and valid[b, 0, i, j] and valid[b, 0, y, x]:
                step = render[b, c, y, x] - render[b, c, i, j], photo[b, c, y, x] - photo[b, c, i, j]
                terms.append(abs(step[0] - step[1]))
        total += float(np.mean(terms)) if terms else 0.0
    return total


def test_value_is_the_plain_mean_over_valid_pairs() -> None:
    render, photo, valid = images()
    expected = plain(render.numpy(), photo.numpy(), valid.numpy())
    assert gradient_l1(render, photo, valid).item() == pytest.approx(expected, rel=1e-12)


def test_it_is_blind_to_a_constant_offset_of_each_channel() -> None:
    render, photo, valid = images()
    offset = torch.tensor([0.3, -0.2, 5.0], dtype=torch.float64).view(3, 1, 1)
    torch.testing.assert_close(gradient_l1(render + offset, photo, valid), gradient_l1(render, photo, valid))
    assert gradient_l1(photo + offset, photo, valid).item() == pytest.approx(0, abs=1e-12)


def test_an_offset_between_masked_apart_regions_costs_nothing() -> None:
    render, photo, _ = images(1)
    valid = torch.ones(1, 1, 6, 5, dtype=torch.bool)
    valid[..., 2] = False
    shifted = photo.clone()
    shifted[..., 3:] += 0.5
    assert gradient_l1(shifted, photo, valid).item() == pytest.approx(0, abs=1e-12)
    assert gradient_l1(render, photo, valid).item() > 0.1


def test_lone_pixels_have_no_pair() -> None:
    render, photo, _ = images()
    rows, cols = torch.meshgrid(torch.arange(6), torch.arange(5), indexing="ij")
    checkerboard = ((rows + cols) % 2 == 0).expand(2, 1, 6, 5)
    leaf = render.clone().requires_grad_()
    value = gradient_l1(leaf, photo, checkerboard)
    value.backward()
    assert value.item() == 0.0
    assert leaf.grad is not None
    assert (leaf.grad == 0).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (5, 1)])
def test_images_one_pixel_thin(height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(0)
    render, photo = torch.rand(2, 1, 3, height, width, generator=generator, dtype=torch.float64)
    valid = torch.ones(1, 1, height, width, dtype=torch.bool)
    expected = plain(render.numpy(), photo.numpy(), valid.numpy())
    assert gradient_l1(render, photo, valid).item() == pytest.approx(expected, rel=1e-12)
