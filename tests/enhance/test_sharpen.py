"""Sharpening: steeper edges, no overshoot, no change of hue."""

import pytest
import torch
from torch.nn.functional import max_pool2d, pad

from neuraltexgen.enhance.sharpen import LUMA, sharpen


def picture(seed: int = 0) -> torch.Tensor:
    return 0.2 + 0.6 * torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(seed))


def test_amount_zero_is_the_photo_itself() -> None:
    assert torch.equal(sharpen(picture(), 0.0), picture())


def test_a_flat_photo_and_a_slope_stay() -> None:
    flat = torch.full((3, 12, 12), 0.4)
    torch.testing.assert_close(sharpen(flat, 2.0), flat)
    slope = (torch.arange(30) / 40).expand(3, 12, 30)
    torch.testing.assert_close(sharpen(slope, 1.0)[:, :, 4:-4], slope[:, :, 4:-4])


def test_a_soft_edge_gets_steeper_the_more_the_stronger() -> None:
    edge = torch.sigmoid((torch.arange(40.0) - 19.5) / 0.8).expand(3, 12, 40) * 0.6 + 0.2
    slopes = [float(sharpen(edge, amount).diff(dim=2).max()) for amount in (0.0, 0.5, 1.0)]
    assert slopes[0] * 1.05 < slopes[1]
    assert slopes[1] * 1.05 < slopes[2]


@pytest.mark.parametrize("amount", [0.5, 1.0, 5.0])
def test_luma_stays_between_its_neighbours(amount: float) -> None:
    weights = torch.tensor(LUMA)
    before = torch.tensordot(weights, picture(), 1)
    after = torch.tensordot(weights, sharpen(picture(), amount), 1)
    around = pad(before[None, None], (1, 1, 1, 1), mode="replicate")
    assert (after <= max_pool2d(around, 3, 1)[0, 0] + 1e-6).all()
    assert (after >= -max_pool2d(-around, 3, 1)[0, 0] - 1e-6).all()
    assert (after - before).abs().max() > 0.01


def test_channels_change_alike() -> None:
    change = sharpen(picture(), 0.5) - picture()
    inside = ((sharpen(picture(), 0.5) > 0) & (sharpen(picture(), 0.5) < 1)).all(dim=0)
    torch.testing.assert_close(change[0][inside], change[2][inside], atol=1e-6, rtol=0)
    assert inside.float().mean() > 0.5
