"""White balance: the light that was planted is the light that is found, for the capture as a whole."""

import pytest
import torch
from torch import Tensor

from neuraltexgen.enhance.balance import balancing_gains, light_colour

LIGHT = torch.tensor([0.9, 0.6, 0.3])


def grey_scene(seed: int = 0) -> Tensor:
    """Grey noise, in linear light."""
    return torch.rand(1, 60, 80, generator=torch.Generator().manual_seed(seed)).expand(3, 60, 80)


def coloured_scene(seed: int = 0) -> Tensor:
    return 0.9 * torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(seed))


def all_usable(scene: Tensor) -> Tensor:
    return torch.ones(scene.shape[1:], dtype=torch.bool)


def lit(scene: Tensor, light: Tensor = LIGHT) -> Tensor:
    return scene * light[:, None, None]


def test_grey_things_in_coloured_light_become_grey() -> None:
    scene = lit(grey_scene())
    gains = balancing_gains([light_colour(scene, all_usable(scene))])
    assert gains == pytest.approx((1.0, 1.5, 3.0))
    balanced = scene * torch.tensor(gains)[:, None, None]
    torch.testing.assert_close(balanced[0], balanced[2])


def test_a_change_of_light_is_found_whatever_the_scene_and_the_brightness() -> None:
    scene = coloured_scene()
    before, after = (light_colour(s, all_usable(s)) for s in (scene, lit(scene)))
    assert before is not None
    assert after is not None
    planted = LIGHT.double().log()
    torch.testing.assert_close(after - before, planted - planted.mean())
    dimmed = light_colour(0.1 * scene, all_usable(scene))
    torch.testing.assert_close(dimmed, before)


def test_one_odd_photo_of_five_does_not_count() -> None:
    photos = [lit(grey_scene(seed)) for seed in range(4)] + [lit(grey_scene(4), torch.tensor([0.1, 0.9, 0.2]))]
    gains = balancing_gains([light_colour(photo, all_usable(photo)) for photo in photos])
    assert gains == pytest.approx((1.0, 1.5, 3.0), rel=1e-5)


def test_what_is_hidden_or_clipped_does_not_count() -> None:
    scene, usable = lit(grey_scene()), all_usable(grey_scene())
    usable[10:30, 20:50] = False
    expected = light_colour(scene, usable)
    scene[:, 10:30, 20:50] = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(light_colour(scene, usable), expected)
    assert not torch.allclose(light_colour(scene, all_usable(scene)), expected)  # pyright: ignore[reportArgumentType]


def test_a_large_photo_tells_the_same_as_itself_at_half_the_size() -> None:
    scene = lit(torch.rand(1, 300, 520, generator=torch.Generator().manual_seed(0)).expand(3, 300, 520))
    large = scene.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    torch.testing.assert_close(light_colour(large, all_usable(large)), light_colour(scene, all_usable(scene)))


def test_where_nothing_can_be_told_nothing_is_told() -> None:
    flat, tiny = torch.full((3, 40, 40), 0.5), torch.rand(3, 2, 2)
    hidden = torch.zeros(60, 80, dtype=torch.bool)
    assert light_colour(flat, all_usable(flat)) is None
    assert light_colour(tiny, all_usable(tiny)) is None
    assert light_colour(grey_scene(), hidden) is None
    assert light_colour(lit(grey_scene(), torch.tensor([1.0, 1.0, 0.0])), all_usable(grey_scene())) is None
    assert balancing_gains([None, None]) is None
