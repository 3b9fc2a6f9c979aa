"""The objective: a weighted sum, with one network for each way of showing it images, and the style picture."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor

from networks import FULL, THIN, filters, plain_features
from neuraltexgen.errors import ImageError, LossError
from neuraltexgen.losses import LOSSES, NetworkMemory, NetworkSettings, Objective, Visit, needs_network
from neuraltexgen.losses import objective as objective_module
from neuraltexgen.losses.objective import style_picture
from neuraltexgen.losses.vgg import heads

CPU = torch.device("cpu")


def images(height: int = 40, width: int = 50, batch: int = 1, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    render, photo = torch.rand(2, batch, 3, height, width, generator=draw)
    valid = torch.ones(batch, 1, height, width, dtype=torch.bool)
    valid[..., 10:20, 5:15] = False
    return render, photo, valid


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of a thin network in the place of files."""
    monkeypatch.setattr(objective_module, "vgg_weights", lambda file: filters())
    monkeypatch.setattr(heads, "lpips_weights", lambda file, channels: [torch.linspace(0, 1, c) for c in THIN])


def picture(path: Path, size: tuple[int, int] = (60, 40), mode: str = "RGB") -> Path:
    """A picture of noise; `size`: width, height."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    Pillow.fromarray(noise, "RGBA").convert(mode).save(path)
    return path


def test_it_is_the_weighted_sum() -> None:
    render, photo, valid = (field.double() if field.is_floating_point() else field for field in images(batch=2))
    expected = 10 * LOSSES["l1"](render, photo, valid) + 20 * LOSSES["gradient_l1"](render, photo, valid)
    found = Objective(["l1=10", "gradient_l1=20", "l2=0"])(render, photo, valid)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(Objective(["published=2"])(render, photo, valid), 2 * expected)


@pytest.mark.usefixtures("thin")
@pytest.mark.parametrize("vgg_input", ["imagenet", "published"])
def test_losses_on_features_add_to_it_each_with_its_own_input(vgg_input: str) -> None:
    """LPIPS is always shown ImageNet's scaling, the others what the settings say."""
    settings = NetworkSettings(vgg_input=vgg_input)  # pyright: ignore[reportArgumentType]
    expressions = ("l1=3", "vgg_content=2", "vgg_style=5@relu1_2+relu2_1", "lpips=0.5")
    whole, case = Objective(expressions, settings), images()
    assert [network.layers[-1] for network in whole.networks] == (
        ["relu5_3"] if vgg_input == "imagenet" else ["relu2_2", "relu5_3"]
    )
    parts = [float(Objective([each], settings)(*case)) for each in expressions]
    assert all(part > 0 for part in parts)
    leaf = case[0].requires_grad_()
    value = whole(leaf, *case[1:])
    assert value.item() == pytest.approx(sum(parts), rel=1e-5)
    value.backward()
    assert leaf.grad is not None
    apart = leaf.detach().clone().requires_grad_()
    for each in expressions:
        Objective([each], settings)(apart, *case[1:]).backward()
    torch.testing.assert_close(leaf.grad, apart.grad)
    same = Objective(["lpips=0.5"], NetworkSettings())(*case).item()
    assert parts[-1] == pytest.approx(same, rel=1e-6)
    plain = Objective(["vgg_content=2"], NetworkSettings())(*case).item()
    assert (parts[1] == pytest.approx(plain, rel=1e-6)) == (vgg_input == "imagenet")


@pytest.mark.usefixtures("thin")
def test_the_networks_share_the_memory_and_keep_apart_what_they_know(tmp_path: Path) -> None:
    """Two networks, all of whose targets lie on disk: later visits see the first one's."""
    memory = NetworkMemory(step=1, device=0, host=0, folder=tmp_path)
    objective = Objective(["vgg_content=1", "lpips=1"], NetworkSettings(vgg_input="published"), CPU, memory)
    case = images(140, 60)
    fresh = objective(*case).item()
    for draw in range(2):
        assert objective(*case, Visit(0, draw)).item() == pytest.approx(fresh, rel=1e-4)
    assert len(list(tmp_path.rglob("*.pt"))) == 2 * (1 + 2)  # the photo's mask and two tiles, for each network
    objective.close()
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.usefixtures("thin")
def test_two_networks_have_half_the_memory_each() -> None:
    """What one network may keep, two together may not keep twice."""
    memory = NetworkMemory(device=0, host=0, disk=0)
    both = Objective(["vgg_content=1", "lpips=1"], NetworkSettings(vgg_input="published"), CPU, memory)
    case = images()
    assert both(*case, Visit(0, 0)).item() == pytest.approx(both(*case).item(), rel=1e-6)
    for network in both.networks:
        assert network.store.get(0, "photo") is None


def test_without_losses_on_features_no_weights_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(file: Path | None) -> None:
        raise AssertionError("weights were asked for")

    monkeypatch.setattr(objective_module, "vgg_weights", asked)
    objective = Objective(["l1", "ssim"])
    assert objective.networks == []
    objective.close()
    with pytest.raises(AssertionError, match="were asked for"):
        Objective(["vgg_content"])


def test_whether_a_network_is_needed() -> None:
    assert not needs_network(["l1", "photo=2", "sharp"])
    assert needs_network(["l1", "vgg_content"])
    assert needs_network(["style"])
    with pytest.raises(LossError, match="unknown loss"):
        needs_network(["l1", "l3"])


def test_the_weights_of_a_file_are_the_networks(vgg_file: Path) -> None:
    render, photo, valid = images()
    valid[:] = True
    value = Objective(["vgg_content=2@relu1_2"], NetworkSettings(vgg_weights=vgg_file))(render, photo, valid)
    full = filters(FULL)
    ours, theirs = (plain_features(image.double(), full)["relu1_2"] for image in (render, photo))
    assert value.item() == pytest.approx(2 * (ours - theirs).square().mean().item(), rel=1e-4)


@pytest.mark.parametrize("expressions", [["l1"], ["vgg_content"], ["vgg_content", "lpips"]])
@pytest.mark.usefixtures("thin")
def test_a_style_picture_needs_a_loss_that_looks_at_it(expressions: list[str], tmp_path: Path) -> None:
    with pytest.raises(LossError, match="no loss looks at it") as caught:
        Objective(expressions, NetworkSettings(style=picture(tmp_path / "style.png")))
    assert "--loss" in str(caught.value.fix)


@pytest.mark.usefixtures("thin")
@pytest.mark.parametrize("size", [(64, 1), (200, 3), (40, 7)])
def test_a_style_picture_too_thin_for_a_layer_is_said_so(size: tuple[int, int], tmp_path: Path) -> None:
    settings = NetworkSettings(style=picture(tmp_path / "thin.png", size))
    with pytest.raises(LossError, match=f"style picture of {size[0]} x {size[1]} pixels is too small") as caught:
        Objective(["vgg_style=1@relu1_2+relu4_3"], settings)
    assert caught.value.fix is not None
    Objective(["vgg_style=1@relu1_2"], settings)


@pytest.mark.usefixtures("thin")
def test_a_style_picture_that_is_the_photo_changes_nothing(tmp_path: Path) -> None:
    render, _, valid = images(40, 60)
    valid[:] = True
    settings = NetworkSettings(style=picture(tmp_path / "style.png"))
    photo = torch.from_numpy(np.asarray(Pillow.open(tmp_path / "style.png"), np.float32) / 255).permute(2, 0, 1)[None]
    styled, plain = (Objective(["vgg_style=1e3"], each)(render, photo, valid) for each in (settings, NetworkSettings()))
    assert plain > 1e-3
    assert styled.item() == pytest.approx(plain.item(), rel=1e-4)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK"])
def test_a_style_picture_of_any_kind_is_rgb_between_0_and_1(mode: str, tmp_path: Path) -> None:
    path = picture(tmp_path / ("style.tif" if mode == "CMYK" else "style.png"), (60, 40), mode)
    found = style_picture(NetworkSettings(style=path), CPU)
    assert found.shape == (1, 3, 40, 60)
    assert found.dtype == torch.float32
    assert 0 <= found.min() < 0.2 < 0.8 < found.max() <= 1


@pytest.mark.parametrize(
    ("given", "size", "expected"),
    [
        ((60, 40), None, (40, 60)),
        ((60, 40), 90, (60, 90)),
        ((40, 60), 32, (32, 21)),
        ((200, 3), 100, (2, 100)),
        ((200, 2), 50, (1, 50)),
    ],
)
def test_its_long_side_is_the_style_size(
    given: tuple[int, int], size: int | None, expected: tuple[int, int], tmp_path: Path
) -> None:
    found = style_picture(NetworkSettings(style=picture(tmp_path / "style.png", given), style_size=size), CPU)
    assert found.shape[2:] == expected
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_smaller_picture_is_the_larger_ones_means(tmp_path: Path) -> None:
    """Antialiased: a chequerboard of pixels becomes grey, not another one."""
    board = (np.indices((96, 96)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Pillow.fromarray(board).convert("RGB").save(tmp_path / "board.png")
    found = style_picture(NetworkSettings(style=tmp_path / "board.png", style_size=32), CPU)
    assert (found[..., 2:-2, 2:-2] - 0.5).abs().max() < 0.05


def test_a_picture_that_is_none_is_told_as_photos_are(tmp_path: Path) -> None:
    (tmp_path / "style.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"style\.png"):
        style_picture(NetworkSettings(style=tmp_path / "style.png"), CPU)
    with pytest.raises(ImageError, match=r"gone\.png"):
        style_picture(NetworkSettings(style=tmp_path / "gone.png"), CPU)


# What a checkpoint depends on


@pytest.mark.usefixtures("thin")
@pytest.mark.parametrize("name", ["vgg_weights", "lpips_weights", "style"])
def test_the_key_changes_with_each_file_that_is_named(name: str, tmp_path: Path) -> None:
    """By name, size and time."""

    def key(path: Path | None) -> str:
        settings = NetworkSettings(**{name: path})  # pyright: ignore[reportArgumentType]
        return Objective(["vgg_content=1", "vgg_style=1@relu1_2"], settings).key()

    keys = [key(None)]
    for file, size in (("a.png", (60, 40)), ("b.png", (60, 40)), ("a.png", (50, 40))):
        path = picture(tmp_path / file, size)
        keys.append(key(path))
        assert key(path) == keys[-1]
    os.utime(path, (1, 1))
    assert len({*keys, key(path)}) == 5


def test_the_key_changes_with_the_source_of_a_users_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def own(render, photo, valid):\n    return {} * ((render - photo) * valid).square().mean()\n"
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for factor in (1, 2):
        path = tmp_path / f"keyed_{factor}.py"
        path.write_text(source.format(1))
        objective = Objective([f"keyed_{factor}:own"])
        keys.append(objective.key())
        assert objective.key() == keys[-1]
    assert keys[0] == keys[1]  # the same text in two files
    path.write_text(source.format(3))
    assert Objective(["keyed_2:own"]).key() != keys[1]
    assert Objective(["l1"]).key() == Objective(["l2=3"]).key()  # the expressions are in the settings


def test_the_key_of_a_loss_that_is_an_object_is_the_same_in_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "objects.py").write_text(
        "class Own:\n"
        "    def __call__(self, render, photo, valid):\n"
        "        return ((render - photo) * valid).square().mean()\n"
        "one, other = Own(), Own()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert Objective(["objects:one"]).key() == Objective(["objects:other"]).key()
