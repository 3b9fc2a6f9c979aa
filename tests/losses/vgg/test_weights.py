"""Where the network's weights come from: files of several makes, what is no such file, and torch.hub's cache."""

import hashlib
import os
import pickle
import random
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor

from networks import FULL, filters, lpips_heads, state_dict, write_lpips, write_state
from neuraltexgen.errors import LossError
from neuraltexgen.losses.vgg import weights
from neuraltexgen.losses.vgg.weights import VGG_HASH, VGG_URL, lpips_weights, read_tensors, vgg_weights


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return state_dict()


def assert_right(found: list[tuple[Tensor, Tensor]], bound: float = 0.0) -> None:
    for (weight, bias), (expected, offset) in zip(found, filters(FULL), strict=True):
        assert weight.dtype == bias.dtype == torch.float32
        torch.testing.assert_close(weight, expected, rtol=bound, atol=bound)
        torch.testing.assert_close(bias, offset, rtol=bound, atol=bound)


def test_torchvisions_state_dict_is_read(vgg_file: Path) -> None:
    assert_right(vgg_weights(vgg_file))


def test_so_are_safetensors_with_the_features_alone(tmp_path: Path) -> None:
    features = {name: tensor for name, tensor in state_dict(prefix="").items() if "classifier" not in name}
    assert_right(vgg_weights(write_state(tmp_path / "features.safetensors", features)))


def test_half_precision_is_widened(tmp_path: Path, state: dict[str, Tensor]) -> None:
    halves = {name: tensor.half() for name, tensor in state.items()}
    assert_right(vgg_weights(write_state(tmp_path / "half.pth", halves)), bound=1e-3)


@pytest.mark.parametrize(
    "broken", ["transposed", "one missing", "bias of another layer", "batch normalised", "empty", "number"]
)
def test_another_networks_weights_are_told_apart(broken: str, tmp_path: Path, state: dict[str, Tensor]) -> None:
    small = {name: torch.zeros(()) for name in state}  # whatever is not looked at
    start = {"features.0.weight": state["features.0.weight"], "features.0.bias": state["features.0.bias"]}
    others: dict[str, dict[str, Tensor]] = {
        "transposed": {**small, "features.0.weight": torch.zeros(3, 64, 3, 3), "features.0.bias": torch.zeros(64)},
        "one missing": start,
        "bias of another layer": {**state, "features.2.bias": state["features.5.bias"]},
        "batch normalised": {
            **start,
            "features.1.weight": torch.zeros(64),
            "features.3.weight": torch.zeros(64, 64, 3, 3),
        },
        "empty": {},
        "number": {"features.0.weight": torch.zeros(())},
    }
    path = write_state(tmp_path / "other.pth", others[broken])
    with pytest.raises(LossError, match=r"other\.pth: not a VGG-16 state dict: features\.[02]") as caught:
        vgg_weights(path)
    assert "torchvision" in str(caught.value.fix)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped header"])
def test_a_broken_file_is_an_error_with_its_name(damage: str, suffix: str, tmp_path: Path) -> None:
    path = write_state(tmp_path / f"weights{suffix}", {"features.0.weight": torch.ones(64, 3, 3, 3)})
    whole = path.read_bytes()
    path.write_bytes(
        {
            "cut": whole[: len(whole) // 2],
            "empty": b"",
            "text": b"<html>404: Not Found</html>\n",
            "flipped header": bytes(255 - byte for byte in whole[:64]) + whole[64:],
        }[damage]
    )
    with pytest.raises(LossError, match=f"weights{suffix}: can't be read as weights") as caught:
        vgg_weights(path)
    assert caught.value.fix is not None
    assert len(caught.value.message.splitlines()) == 1


class Trap:
    """Unpickled without care, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("container", ["torch.save", "pickle"])
def test_code_in_a_pickle_does_not_run(container: str, tmp_path: Path) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / "trap.pth"
    content = {"features.0.weight": Trap(sprung)}
    if container == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path)
    with pytest.raises(LossError, match="can't be read"):
        vgg_weights(path)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(content))  # the trap works
    assert sprung.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_no_damage_is_too_odd(tmp_path: Path) -> None:
    """Bytes of an old-style file, as the published ones are, changed at random: readable or told, nothing else."""
    path = tmp_path / "old.pth"
    torch.save({"a": torch.ones(4, 3), "b": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    whole, draw, told = path.read_bytes(), random.Random(0), 0
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(draw.choice((1, 3, 20))):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.choice((len(whole), draw.randrange(len(whole))))])
        try:
            read_tensors(path, "--vgg-weights")
        except LossError:
            told += 1
    assert told > 100


@pytest.mark.parametrize("content", [[torch.ones(3)], torch.ones(3), 5])
def test_what_is_no_dictionary_is_said_so(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "list.pth")
    with pytest.raises(LossError, match="not a state dict"):
        vgg_weights(tmp_path / "list.pth")


def test_whatever_is_no_tensor_by_name_is_left_out(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2), "epoch": 3, 5: torch.ones(1), "more": {"b": torch.ones(1)}}, tmp_path / "w.pth")
    assert set(read_tensors(tmp_path / "w.pth", "--vgg-weights")) == {"a"}


@pytest.mark.parametrize("name", ["gone.pth", "gone.safetensors", ""])
def test_a_missing_file_is_an_error_that_names_the_option(name: str, tmp_path: Path) -> None:
    for read, option in ((vgg_weights, "--vgg-weights"), (lambda path: lpips_weights(path, FULL), "--lpips-weights")):
        with pytest.raises(LossError, match="no such file") as caught:
            read(tmp_path / name)
        assert caught.value.fix == f"{option} FILE"


# torch.hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch.hub would have the file; a download fails as it does without a network."""

    def offline(url: str, *_: object, **__: object) -> None:
        raise URLError(f"no route to {url}")

    before = torch.hub.get_dir()
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    torch.hub.set_dir(str(tmp_path))
    yield tmp_path / "checkpoints" / "vgg16-397923af.pth"  # pyright: ignore[reportReturnType]
    torch.hub.set_dir(before)


def test_without_network_and_cache_it_is_said_what_to_fetch(hub: Path) -> None:
    with pytest.raises(LossError, match=r"not in .* and can't be downloaded .*no route") as caught:
        vgg_weights(None)
    assert caught.value.fix is not None
    assert f"curl -L --create-dirs -o {hub} {VGG_URL}" in caught.value.fix
    assert "--vgg-weights FILE" in caught.value.fix
    assert not hub.exists()


def test_a_cached_file_is_taken_if_its_hash_is_right_without_a_download(
    hub: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.parent.mkdir()
    hub.symlink_to(vgg_file)
    monkeypatch.setattr(weights, "VGG_HASH", hashlib.sha256(vgg_file.read_bytes()).hexdigest()[:8])
    assert_right(vgg_weights(None))


def test_a_cached_file_with_another_hash_is_refused(hub: Path) -> None:
    hub.parent.mkdir()
    hub.write_bytes(b"cut short")
    with pytest.raises(LossError, match="SHA-256 does not begin with 397923af") as caught:
        vgg_weights(None)
    assert caught.value.fix == f"curl -L --create-dirs -o {hub} {VGG_URL}"
    assert hub.read_bytes() == b"cut short"


def test_a_download_is_asked_for_by_its_hash_and_kept(
    hub: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []

    def download(url: str, path: str, hash_prefix: str, progress: bool) -> None:
        asked.append((url, path, hash_prefix))
        Path(path).symlink_to(vgg_file)

    monkeypatch.setattr(weights, "VGG_HASH", hashlib.sha256(vgg_file.read_bytes()).hexdigest()[:8])
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        assert_right(vgg_weights(None))
    assert asked == [(VGG_URL, str(hub), weights.VGG_HASH)]


def test_a_download_that_comes_damaged_is_refused(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object, **__: object) -> None:
        raise RuntimeError('invalid hash value (expected "397923af", got "e3b0c442")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(LossError, match="invalid hash value"):
        vgg_weights(None)


def test_the_address_names_the_hash() -> None:
    assert VGG_URL.endswith(f"vgg16-{VGG_HASH}.pth")


# LPIPS


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", ["lin{}.model.1.weight", "lins.{}.model.1.weight"])
def test_the_heads_of_lpips_are_read(name: str, suffix: str, tmp_path: Path) -> None:
    found = lpips_weights(write_lpips(tmp_path / f"heads{suffix}", name), FULL)
    assert all(torch.equal(ours, head.flatten()) for ours, head in zip(found, lpips_heads(), strict=True))


@pytest.mark.parametrize("broken", ["alexnet's", "one missing", "vgg"])
def test_other_heads_are_refused(broken: str, tmp_path: Path) -> None:
    channels = (64, 192, 384, 256, 256) if broken == "alexnet's" else FULL
    state = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate(channels)}
    if broken == "one missing":
        del state["lin3.model.1.weight"]
    if broken == "vgg":
        state = {"features.0.weight": torch.ones(64, 3, 3, 3)}
    with pytest.raises(LossError, match=r"no LPIPS heads for VGG-16: lin[013]\.model\.1\.weight of shape"):
        lpips_weights(write_state(tmp_path / "heads.pth", state), FULL)


def test_without_a_file_it_is_said_where_the_heads_are() -> None:
    with pytest.raises(LossError, match="needs the weights of its linear heads") as caught:
        lpips_weights(None, FULL)
    assert "curl -LO https://" in str(caught.value.fix)
    assert "--lpips-weights vgg.pth" in str(caught.value.fix)
