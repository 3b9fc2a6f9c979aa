"""A sum of heads as an image loss: blind to invalid pixels, the same in tiles as in one, targets kept, crops fair."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from networks import filters
from neuraltexgen.losses.vgg import measure
from neuraltexgen.losses.vgg.heads import LPIPS_LAYERS, Content, Gram, GramPatch, Head, Lpips
from neuraltexgen.losses.vgg.measure import NetworkLoss, NetworkMemory, Visit
from neuraltexgen.losses.vgg.network import Vgg16

CPU = torch.device("cpu")
CHANNELS = (6, 8, 8, 10, 10)
NETWORK = filters(CHANNELS)
TILED, WHOLE = NetworkMemory(step=1), NetworkMemory(step=1 << 40)
"""So little memory that tiles are of 128 pixels, and enough for any image in one."""

HEADS: dict[str, Head] = {
    "content": Content(("relu1_1", "relu2_2")),
    "style": Gram(("relu1_2", "relu3_3")),
    "gram_patch": GramPatch(("relu2_2", "relu3_1")),
    "lpips": Lpips(tuple(torch.rand(CHANNELS[int(name[4]) - 1]) for name in LPIPS_LAYERS)),
}
LOCAL = ("content", "gram_patch", "lpips")


def loss_of(
    *names: str,
    memory: NetworkMemory = WHOLE,
    crop: str | int = "whole",
    style: Tensor | None = None,
    dtype: torch.dtype = torch.float64,
) -> NetworkLoss:
    heads = [(1.0 + index, HEADS[name]) for index, name in enumerate(names)]
    return NetworkLoss(heads, Vgg16(NETWORK, CPU, dtype, True), memory, CPU, crop, style)


def images(height: int, width: int, batch: int = 1, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A render that is like its photo, and a mask with small holes, a large one and an empty corner."""
    draw = torch.Generator().manual_seed(seed)
    photo = torch.rand(batch, 3, height, width, generator=draw, dtype=torch.float64)
    render = 0.7 * photo + 0.2 * torch.rand(batch, 3, height, width, generator=draw, dtype=torch.float64)
    valid = torch.rand(batch, 1, height, width, generator=draw) < 0.998
    valid[..., height // 4 : height // 2, width // 3 : width // 2] = False
    valid[..., -height // 3 :, -width // 5 :] = False
    return render, photo, valid


def everywhere(image: Tensor) -> Tensor:
    return torch.ones(image.shape[0], 1, *image.shape[2:], dtype=torch.bool)


def measured(
    loss: NetworkLoss, render: Tensor, photo: Tensor, valid: Tensor, visit: Visit | None = None
) -> tuple[Tensor, Tensor]:
    """Value and gradient."""
    leaf = render.clone().requires_grad_()
    value = loss(leaf, photo, valid, visit)
    value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def assert_same(one: Sequence[Tensor], other: Sequence[Tensor], bound: float = 1e-10) -> None:
    """Values and gradients agree to a relative L2 error."""
    for a, b in zip(one, other, strict=True):
        assert (a.double() - b.double()).norm() <= bound * b.double().norm()


@pytest.mark.parametrize("memory", [WHOLE, TILED])
@pytest.mark.parametrize("name", HEADS)
def test_equal_images_cost_nothing(name: str, memory: NetworkMemory) -> None:
    _, photo, valid = images(140, 90)
    for mask in (valid, everywhere(photo)):
        value, gradient = measured(loss_of(name, memory=memory), photo, photo, mask)
        exact = memory is WHOLE or name != "style"  # the Gram matrices of tiles are added up in two ways
        assert value.item() <= (0 if exact else 1e-28)
        assert gradient.abs().max() <= (0 if exact else 1e-15)


@pytest.mark.parametrize("visit", [None, Visit(0, 0)])
@pytest.mark.parametrize("memory", [WHOLE, TILED])
@pytest.mark.parametrize("name", HEADS)
def test_nothing_in_invalid_pixels_counts(name: str, memory: NetworkMemory, visit: Visit | None) -> None:
    render, photo, valid = images(140, 90)
    value, gradient = measured(loss_of(name, memory=memory), render, photo, valid, visit)
    noise = torch.rand(render.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for junk in (noise, torch.full_like(render, float("nan")), torch.full_like(render, 1e6)):
        spoiled = torch.where(valid, render, junk), torch.where(valid, photo, junk.flip(3))
        found, slope = measured(loss_of(name, memory=memory), *spoiled, valid, visit)
        assert torch.equal(found, value)
        assert torch.equal(slope, gradient)
    assert (gradient[(~valid).expand_as(gradient)] == 0).all()
    assert (gradient[valid.expand_as(gradient)] != 0).any()


@pytest.mark.parametrize("memory", [WHOLE, TILED])
@pytest.mark.parametrize("name", HEADS)
def test_without_a_valid_pixel_there_is_nothing(name: str, memory: NetworkMemory) -> None:
    render, photo, valid = images(140, 90)
    value, gradient = measured(
        loss_of(name, memory=memory), torch.full_like(render, float("nan")), photo, torch.zeros_like(valid)
    )
    assert value.item() == 0
    assert (gradient == 0).all()


def test_a_feature_counts_only_if_its_whole_block_is_valid() -> None:
    """One invalid pixel in each block of 4 x 4: nothing is left for relu3_3, but a layer of stride 1 goes on."""
    render, photo, _ = images(40, 40)
    valid = everywhere(photo)
    valid[..., 1::4, 2::4] = False
    deep, shallow = (
        NetworkLoss([(1.0, Content((layer,)))], Vgg16(NETWORK, CPU, torch.float64, True), WHOLE, CPU)
        for layer in ("relu3_3", "relu1_2")
    )
    assert measured(deep, render, photo, valid)[0].item() == 0
    assert measured(shallow, render, photo, valid)[0].item() > 0


@pytest.mark.parametrize(("size", "holes"), [((300, 420), True), ((257, 131), False), ((128, 300), True)])
@pytest.mark.parametrize("name", ["content", "style", "gram_patch"])
def test_tiles_change_nothing(name: str, size: tuple[int, int], holes: bool) -> None:
    render, photo, valid = images(*size)
    valid = valid if holes else everywhere(photo)
    tiled, whole = (measured(loss_of(name, memory=memory), render, photo, valid) for memory in (TILED, WHOLE))
    assert whole[0] > 1e-6
    assert_same(tiled, whole)


def test_tiles_change_nothing_for_the_deepest_layers() -> None:
    render, photo, valid = images(260, 300)
    tiled, whole = (
        measured(loss_of("lpips", "style", memory=memory), render, photo, valid) for memory in (TILED, WHOLE)
    )
    assert_same(tiled, whole)


def test_tiles_without_anything_to_see_are_passed_over() -> None:
    render, photo, valid = images(300, 300)
    valid[..., :140, :] = False
    valid[..., :, 150:] = False
    names = ("content", "style", "gram_patch")
    assert_same(*(measured(loss_of(*names, memory=m), render, photo, valid) for m in (TILED, WHOLE)))


@pytest.mark.parametrize("size", [(7, 300), (300, 3), (15, 140), (1, 1), (1, 257), (2, 2)])
@pytest.mark.parametrize("memory", [WHOLE, TILED])
@pytest.mark.parametrize("name", HEADS)
def test_an_image_too_small_for_some_layers_is_measured_in_the_others(
    name: str, memory: NetworkMemory, size: tuple[int, int]
) -> None:
    render, photo, _ = images(*size)
    found = measured(loss_of(name, memory=memory), render, photo, everywhere(photo))
    assert all(torch.isfinite(part).all() for part in found)
    assert found[0] > 0 or min(size) < 2
    assert_same(found, measured(loss_of(name), render, photo, everywhere(photo)))


def test_a_batch_is_the_mean_of_its_images() -> None:
    render, photo, valid = images(40, 50, batch=3)
    valid[1] = False
    loss = loss_of("content", "style")
    value, gradient = measured(loss, render, photo, valid, Visit(0, 0))
    apart = [measured(loss, render[i : i + 1], photo[i : i + 1], valid[i : i + 1]) for i in range(3)]
    assert value.item() == pytest.approx(sum(part.item() for part, _ in apart) / 3, rel=1e-12)
    torch.testing.assert_close(gradient, torch.cat([slope for _, slope in apart]) / 3)


def test_the_gradient_scales_with_what_is_made_of_the_value_and_goes_nowhere_else() -> None:
    render, photo, valid = images(40, 50)
    loss = loss_of("content", "style")
    value, gradient = measured(loss, render, photo, valid)
    leaf, target = render.clone().requires_grad_(), photo.clone().requires_grad_()
    (loss(2 * leaf - render, target, valid) * 3).backward()
    torch.testing.assert_close(leaf.grad, 6 * gradient)
    assert target.grad is None
    with torch.no_grad():
        assert torch.equal(loss(render.requires_grad_(), photo, valid), value)


# Targets that are kept


class Counted:
    """Counts the looks at photos: calls of `features`, where renders are looked at by `activations`."""

    def __init__(self, loss: NetworkLoss, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks, features = 0, loss.network.features

        def counted(*arguments: object) -> dict[str, Tensor]:
            self.looks += 1
            return features(*arguments)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(loss.network, "features", counted)


BUDGETS: dict[str, Callable[[Path], NetworkMemory]] = {
    "device": lambda _: NetworkMemory(step=1, device=1 << 30, host=0, disk=0),
    "host": lambda _: NetworkMemory(step=1, device=0, host=1 << 30, disk=0),
    "disk": lambda folder: NetworkMemory(step=1, device=0, host=0, folder=folder),
    "all three": lambda folder: NetworkMemory(step=1, device=200_000, host=200_000, folder=folder),
    "nowhere": lambda _: NetworkMemory(step=1, device=0, host=0, disk=0),
}


@pytest.mark.parametrize("budget", BUDGETS)
def test_later_visits_are_as_the_first_wherever_targets_are_kept(
    budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = loss_of("content", "lpips", memory=BUDGETS[budget](tmp_path), dtype=torch.float32)
    looks = Counted(loss, monkeypatch)
    pairs = [
        [image.float() if image.is_floating_point() else image for image in images(140, 90, seed=s)] for s in (0, 1)
    ]
    first = [measured(loss, *pair, Visit(view, 0)) for view, pair in enumerate(pairs)]
    assert looks.looks == 4  # two tiles each
    again = [measured(loss, *pair, Visit(view, 1)) for view, pair in enumerate(pairs)]
    assert looks.looks == (8 if budget == "nowhere" else 4)
    for one, other, pair in zip(first, again, pairs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
        assert_same(one, measured(loss, *pair), bound=1e-3)
    assert any(tmp_path.iterdir()) == (budget in ("disk", "all three"))
    loss.store.clear()
    assert not any(tmp_path.iterdir())
    assert all(torch.equal(a, b) for a, b in zip(measured(loss, *pairs[1], Visit(1, 2)), first[1], strict=True))


def test_large_targets_lose_little_by_being_halved() -> None:
    """A layer of more than a million numbers, which is kept as float16."""
    render, photo, valid = (image.float() if image.is_floating_point() else image for image in images(420, 430))
    loss = loss_of("content", dtype=torch.float32)
    kept, fresh = measured(loss, render, photo, valid, Visit(0, 0)), measured(loss, render, photo, valid)
    assert not torch.equal(kept[0], fresh[0])  # else nothing was halved
    assert_same(kept, fresh, bound=1e-3)


def test_a_kept_photo_is_not_looked_at_again() -> None:
    render, photo, valid = images(140, 90)
    loss = loss_of("content", "style", memory=TILED)
    first = measured(loss, render, photo, valid, Visit(0, 0))
    assert_same(measured(loss, render, torch.where(valid, photo, 0.5) * 0.1, valid, Visit(0, 1)), first)
    assert measured(loss, render, photo * 0.1, valid, Visit(1, 1))[0] != first[0]


# Crops


class Chosen:
    """In the place of `random`: says which tile is drawn, and how many there were to choose from."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number, self.of = 0, 0
        monkeypatch.setattr(measure.random, "Random", lambda seed: self)

    def choice(self, options: Sequence[object]) -> object:
        self.of = len(options)
        return options[self.number]


@pytest.mark.parametrize("name", LOCAL)
def test_the_mean_over_all_crops_is_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    render, photo, valid = images(270, 200)
    valid[..., 128:256, :128] = False
    whole = measured(loss_of(name), render, photo, valid)
    chosen = Chosen(monkeypatch)
    loss = loss_of(name, crop=128)
    found = []
    for chosen.number in range(5):  # of 3 x 2 tiles, one is empty
        found.append(measured(loss, render, photo, valid, Visit(0, chosen.number)))
        assert chosen.of == 5
    assert_same([torch.stack(parts).mean(dim=0) for parts in zip(*found, strict=True)], whole)
    assert len({float(value) for value, _ in found}) == 5


def test_a_crop_has_a_style_of_its_own_and_counts_by_its_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles whose features don't depend on their neighbours: relu1_1 under filters that look at one pixel."""
    pointwise = [(weight * torch.eye(3)[1][:, None] * torch.eye(3)[1], bias) for weight, bias in NETWORK[:1]]
    render, photo, valid = images(128, 300)
    chosen = Chosen(monkeypatch)
    heads = [(1.0, Gram(("relu1_1",)))]
    network = Vgg16(pointwise, CPU, torch.float64, True)
    cropped = NetworkLoss(heads, network, WHOLE, CPU, crop=128)
    whole = NetworkLoss(heads, network, WHOLE, CPU)
    found, parts = [], []
    for chosen.number in range(3):
        found.append(cropped(render, photo, valid, Visit(0, chosen.number)))
        tile = (..., slice(128 * chosen.number, 128 * (chosen.number + 1)))
        parts.append(whole(render[tile], photo[tile], valid[tile]) * valid[tile].sum() / valid.sum())
    assert chosen.of == 3
    torch.testing.assert_close(torch.stack(found).mean(), torch.stack(parts).sum())


@pytest.mark.parametrize("crop", [128, "auto"])
def test_a_visit_decides_its_crop_and_visits_see_all_of_the_photo(crop: str | int) -> None:
    render, photo, valid = images(200, 180)
    loss = loss_of("content", memory=TILED, crop=crop)
    drawn = [measured(loss, render, photo, valid, Visit(3, number)) for number in range(20)]
    other = loss_of("content", memory=TILED, crop=crop)
    again = [measured(other, render, photo, valid, Visit(3, number)) for number in (2, 1, 0)]
    assert all(torch.equal(one[1], other[1]) for one, other in zip(drawn[:3], again[::-1], strict=True))
    seen = torch.stack([gradient for _, gradient in drawn]).ne(0).any(dim=0)
    assert torch.equal(seen, measured(loss_of("content"), render, photo, valid)[1] != 0)
    assert len({float(value) for value, _ in drawn}) == 4


def test_a_crop_as_large_as_the_photo_is_the_photo() -> None:
    render, photo, valid = images(100, 90)
    for crop in ("auto", 128, 1000):
        assert_same(
            measured(loss_of("content", "style", crop=crop), render, photo, valid),
            measured(loss_of("content", "style"), render, photo, valid),
        )


# A style picture


@pytest.mark.parametrize("memory", [WHOLE, TILED])
@pytest.mark.parametrize("name", ["style", "gram_patch"])
def test_a_style_picture_takes_the_photos_place(name: str, memory: NetworkMemory) -> None:
    render, photo, _ = images(128, 260)
    picture, valid = images(90, 120, seed=5)[0], everywhere(photo)
    loss = loss_of(name, memory=memory, style=picture)
    found = measured(loss, render, photo, valid)
    assert_same(measured(loss, render, 1 - photo, valid, Visit(0, 0)), found)
    assert found[0] != measured(loss_of(name, memory=memory), render, photo, valid)[0]
    exact = measured(loss, picture, photo[..., :90, :120], valid[..., :90, :120])
    assert exact[0] <= 1e-25 * found[0]


@pytest.mark.parametrize("memory", [WHOLE, TILED])
@pytest.mark.parametrize("size", [(100, 120), (200, 150)])
def test_a_photo_that_is_its_own_style_picture_changes_nothing(size: tuple[int, int], memory: NetworkMemory) -> None:
    render, photo, _ = images(*size)
    styled = measured(loss_of("style", memory=memory, style=photo), render, photo, everywhere(photo))
    assert_same(styled, measured(loss_of("style"), render, photo, everywhere(photo)))


def test_content_and_losses_without_style_do_not_look_at_the_picture() -> None:
    render, photo, valid = images(60, 50)
    found = measured(loss_of("content", "lpips", "style", style=photo + 0.1), render, photo, valid)
    style, plain = (
        measured(loss_of(*names, style=photo + 0.1), render, photo, valid)
        for names in (("style",), ("content", "lpips"))
    )
    assert_same(found, [plain[0] + 3 * style[0], plain[1] + 3 * style[1]])
    assert_same(plain, measured(loss_of("content", "lpips"), render, photo, valid))
