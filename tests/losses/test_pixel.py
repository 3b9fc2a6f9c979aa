"""Losses on colour differences, each against a plain statement in numpy, and blind to what is masked out."""

import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen.losses import LOSSES, Loss
from neuraltexgen.losses.pixel import charbonnier, huber, l1, l2, masked_mean

BATCH, CHANNELS, HEIGHT, WIDTH = 2, 3, 6, 5


def images(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A render, a photo some of whose pixels are very near, and a mask that keeps about two thirds."""
    generator = torch.Generator().manual_seed(seed)
    shape = (BATCH, CHANNELS, HEIGHT, WIDTH)
    render = torch.rand(*shape, generator=generator, dtype=torch.float64)
    step = torch.randn(*shape, generator=generator, dtype=torch.float64)
    near = torch.rand(*shape, generator=generator) < 0.5
    valid = torch.rand(BATCH, 1, HEIGHT, WIDTH, generator=generator) < 0.65
    return render, render + torch.where(near, 0.01, 0.3) * step, valid


def plain_l1(d: np.ndarray) -> np.ndarray:
    return np.abs(d)


def plain_l2(d: np.ndarray) -> np.ndarray:
    return d**2


def plain_huber(d: np.ndarray) -> np.ndarray:
    return np.where(np.abs(d) < 0.05, d**2 / 0.1, np.abs(d) - 0.025)


def plain_charbonnier(d: np.ndarray) -> np.ndarray:
    return np.sqrt(d**2 + 1e-6) - 1e-3


PLAIN = {l1: plain_l1, l2: plain_l2, huber: plain_huber, charbonnier: plain_charbonnier}


@pytest.mark.parametrize("loss", PLAIN)
def test_value_is_the_plain_mean_over_valid_pixels_and_channels(loss: Loss) -> None:
    render, photo, valid = images()
    kept = np.repeat(valid.numpy(), CHANNELS, axis=1)
    expected = PLAIN[loss]((render - photo).numpy()[kept]).mean()
    assert loss(render, photo, valid).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", PLAIN)
def test_the_mean_is_over_the_whole_batch_each_valid_pixel_counting_alike(loss: Loss) -> None:
    render, photo, valid = images()
    counts = valid.sum(dim=(1, 2, 3)).double()
    assert counts[0] != counts[1]
    apart = torch.stack([loss(render[i : i + 1], photo[i : i + 1], valid[i : i + 1]) for i in range(BATCH)])
    torch.testing.assert_close(loss(render, photo, valid), (apart * counts).sum() / counts.sum())


@pytest.mark.parametrize("size", [1e-4, 0.01, 0.049, 0.051, 0.5])
def test_huber_is_smooth_where_it_turns_and_has_slope_one_beyond(size: float) -> None:
    render = torch.full((1, 1, 1, 1), size, dtype=torch.float64, requires_grad=True)
    huber(render, torch.zeros_like(render), torch.ones(1, 1, 1, 1, dtype=torch.bool)).backward()
    assert render.grad is not None
    assert render.grad.item() == pytest.approx(min(size / 0.05, 1.0), rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    render, photo, valid = images()
    assert torch.autograd.gradcheck(
        lambda r, p: LOSSES[name](r, p, valid), (render.requires_grad_(), photo.requires_grad_())
    )


def value_and_gradient(name: str, render: Tensor, photo: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    leaf = render.detach().clone().requires_grad_()
    value = LOSSES[name](leaf, photo, valid)
    value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("name", LOSSES)
def test_invalid_pixels_count_for_nothing_whatever_they_hold(name: str, junk: float) -> None:
    render, photo, valid = images()
    value, gradient = value_and_gradient(name, render, photo, valid)
    for in_render, in_photo in ((junk, junk), (junk, 0.5), (0.5, junk)):
        spoiled = (torch.where(valid, render, in_render), torch.where(valid, photo, in_photo), valid)
        found, slope = value_and_gradient(name, *spoiled)
        assert torch.equal(found, value)
        assert torch.equal(slope, gradient)
    assert (gradient[(~valid).expand_as(gradient)] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_equal_images_cost_nothing_and_others_something(name: str, dtype: torch.dtype) -> None:
    render, photo, valid = images()
    value, gradient = value_and_gradient(name, render.to(dtype), render.to(dtype), valid)
    assert value.dtype == dtype
    assert value.abs().item() <= torch.finfo(dtype).eps * 1e-3
    assert (gradient == 0).all()
    assert value_and_gradient(name, render, photo, valid)[0].item() > 1e-3


@pytest.mark.parametrize("name", LOSSES)
def test_without_a_valid_pixel_loss_and_gradient_are_zero(name: str) -> None:
    render, photo, valid = images()
    value, gradient = value_and_gradient(name, torch.full_like(render, float("nan")), photo, torch.zeros_like(valid))
    assert value.item() == 0.0
    assert (gradient == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_render_and_photo_may_change_places(name: str) -> None:
    render, photo, valid = images()
    torch.testing.assert_close(LOSSES[name](render, photo, valid), LOSSES[name](photo, render, valid))


def test_masked_mean_counts_channels() -> None:
    values = torch.arange(12.0).view(1, 3, 2, 2)
    valid = torch.tensor([[[[True, False], [False, False]]]])
    assert masked_mean(values, valid).item() == (0 + 4 + 8) / 3
