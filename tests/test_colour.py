"""Per-view colours: a planted gain and offset come back, whatever stands where no weight is."""

import pytest
import torch
from torch import Tensor

from neuraltexgen.colour import RIDGE, ViewColours, fit_colour

GAIN, OFFSET = torch.tensor([1.3, 0.7, 1.0], dtype=torch.float64), torch.tensor([-0.1, 0.05, 0.2], dtype=torch.float64)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bias(render: Tensor, weight: Tensor) -> Tensor:
    """How far the ridge moves the planted gain: the share that it has in the variance, towards 1."""
    share = weight[..., None] / weight.sum()
    variance = (share * (render - (share * render).sum((0, 1))).square()).sum((0, 1))
    return RIDGE / (variance + RIDGE) * (1 - GAIN)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_a_planted_gain_and_offset_come_back(scale: float) -> None:
    render, weight = noise(20, 30, 3), scale * noise(20, 30, seed=1)
    gain, offset = fit_colour(render, GAIN * render + OFFSET, weight)
    moved = bias(render, weight)
    assert moved.abs().max() < 1e-5
    mean = (weight[..., None] * render).sum((0, 1)) / weight.sum()
    torch.testing.assert_close(gain, GAIN + moved, rtol=0, atol=1e-12)
    torch.testing.assert_close(offset, OFFSET - moved * mean, rtol=0, atol=1e-12)


def test_single_precision_costs_little() -> None:
    render = noise(20, 30, 3)
    gain, offset = fit_colour(render.float(), (GAIN * render + OFFSET).float(), torch.ones(20, 30))
    assert gain.dtype == offset.dtype == torch.float32
    torch.testing.assert_close(gain.double(), GAIN, rtol=0, atol=2e-5)
    torch.testing.assert_close(offset.double(), OFFSET, rtol=0, atol=2e-5)


def test_it_is_the_best_in_the_weighted_least_squares_sense() -> None:
    render, photo, weight = noise(20, 30, 3), noise(20, 30, 3, seed=1), noise(20, 30, seed=2)
    gain, offset = fit_colour(render, photo, weight)

    def cost(g: Tensor, o: Tensor) -> Tensor:
        return (weight[..., None] * (g * render + o - photo).square()).sum((0, 1))

    best = cost(gain, offset)
    for change in (1e-3, -1e-3):
        assert (cost(gain + change, offset) > best).all()
        assert (cost(gain, offset + change) > best).all()
        assert (cost(gain + change, offset - change) > best).all()


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), 1e30])
def test_pixels_without_weight_may_hold_anything(junk: float) -> None:
    render, photo, weight = noise(20, 30, 3), noise(20, 30, 3, seed=1), noise(20, 30, seed=2)
    weight[:8] = 0
    kept = fit_colour(render[8:], photo[8:], weight[8:])
    render[:4], photo[4:8] = junk, junk
    for found, expected in zip(fit_colour(render, photo, weight), kept, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_flat_render_gets_gain_one_and_the_difference_of_means() -> None:
    photo = noise(20, 30, 3)
    gain, offset = fit_colour(torch.full_like(photo, 0.25), photo, torch.ones(20, 30))
    torch.testing.assert_close(gain, torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(offset, photo.mean(dim=(0, 1)) - 0.25)


def test_one_pixel_gets_gain_one() -> None:
    gain, offset = fit_colour(noise(1, 1, 3), noise(1, 1, 3, seed=1), torch.ones(1, 1))
    torch.testing.assert_close(gain, torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(offset, (noise(1, 1, 3, seed=1) - noise(1, 1, 3))[0, 0])


def test_without_weight_nothing_changes() -> None:
    gain, offset = fit_colour(torch.full((4, 5, 3), float("nan")), noise(4, 5, 3).float(), torch.zeros(4, 5))
    assert torch.equal(gain, torch.ones(3))
    assert torch.equal(offset, torch.zeros(3))


def planted(views: int = 4) -> tuple[ViewColours, Tensor, list[Tensor]]:
    """Colours fitted to photos of one render in many exposures."""
    render = noise(4, 5, 3).float()
    weight = torch.ones(render.shape[:2])
    photos = [(1 + 0.2 * i) * render + 0.05 * i for i in range(views)]
    colours = ViewColours(views, 3, torch.device("cpu"))
    for view, photo in enumerate(photos):
        colours.update(view, render, photo, weight)
    return colours, render, photos


def test_views_start_in_the_textures_own_colours() -> None:
    render = noise(4, 5, 3).float()
    assert torch.equal(ViewColours(2, 3, torch.device("cpu")).apply(1, render), render)


def test_each_view_is_shown_in_its_own_colours() -> None:
    colours, render, photos = planted()
    for view, photo in enumerate(photos):
        torch.testing.assert_close(colours.apply(view, render), photo, rtol=0, atol=1e-4)


def test_gradients_flow_through_to_the_render() -> None:
    colours, render, _ = planted()
    leaf = render.clone().requires_grad_()
    colours.apply(2, leaf).sum().backward()
    torch.testing.assert_close(leaf.grad, colours.gains[2].expand_as(leaf))


def test_the_gauge_changes_no_view_once_the_texture_follows() -> None:
    colours, render, _ = planted()
    before = [colours.apply(view, render) for view in range(4)]
    gain, offset = colours.fix_gauge()
    torch.testing.assert_close(colours.gains.mean(dim=0), torch.ones(3))
    torch.testing.assert_close(colours.offsets.mean(dim=0), torch.zeros(3), rtol=0, atol=1e-6)
    for view in range(4):
        torch.testing.assert_close(colours.apply(view, gain * render + offset), before[view])
