"""The store of targets: what is put comes back, from memory or disk, within budgets and to half precision."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from neuraltexgen.losses.vgg.targets import SMALL, TargetStore, Tensors

CPU = torch.device("cpu")
PLENTY = 1 << 30


def noise(count: int, scale: float = 1.0, seed: int = 0) -> Tensor:
    return scale * torch.randn(count, generator=torch.Generator().manual_seed(seed))


def mixed() -> Tensors:
    """Every kind of tensor that is kept: half-precision features, counts, masks, Gram matrices."""
    return {
        "features": noise(2 * SMALL).reshape(1, 4, -1, 8),
        "double": noise(SMALL).double(),
        "bfloat16": noise(SMALL).bfloat16(),
        "counts": torch.arange(6).reshape(2, 3),
        "mask": noise(SMALL) > 0,
        "gram": noise(64).reshape(1, 8, 8),
        "empty": torch.zeros(1, 3, 0, 4),
    }


PLACES = {
    "device": (PLENTY, 0, 0),
    "host": (0, PLENTY, 0),
    "disk": (0, 0, PLENTY),
}


def store(place: str, folder: Path) -> TargetStore:
    device, host, disk = PLACES[place]
    return TargetStore(CPU, device, host, folder, disk)


@pytest.mark.parametrize("place", PLACES)
def test_what_is_got_is_what_put_gave_back(place: str, tmp_path: Path) -> None:
    kept = store(place, tmp_path)
    given = kept.put(mixed(), 3, "photo")
    for _ in range(2):
        got = kept.get(3, "photo")
        assert got is not None
        assert list(got) == list(given) == list(mixed())
        assert all(torch.equal(got[name], given[name]) for name in given)
        assert all(got[name].dtype == tensor.dtype for name, tensor in mixed().items())
    assert kept.get(3, 0) is None
    assert kept.get(4, "photo") is None


@pytest.mark.parametrize("place", PLACES)
def test_only_large_floats_are_rounded(place: str, tmp_path: Path) -> None:
    whole, given = mixed(), store(place, tmp_path).put(mixed(), 0)
    assert {name for name in whole if not torch.equal(whole[name], given[name])} == {"features"}
    assert (given["features"] - whole["features"]).norm() < 5e-4 * whole["features"].norm()


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_the_scale_of_large_tensors_does_not_matter(scale: float) -> None:
    tensor = noise(SMALL, scale)
    given = TargetStore(CPU, PLENTY, 0, None, 0).put({"x": tensor}, 0)["x"]
    assert (((given - tensor) / scale).norm() < 5e-4 * (tensor / scale).norm()).item()


def test_a_wide_range_of_values_is_kept_to_half_precision() -> None:
    """Eight decades below the largest value, each value to a part in 2000."""
    tensor = 10.0 ** torch.linspace(-8, 0, SMALL)
    given = TargetStore(CPU, PLENTY, 0, None, 0).put({"x": tensor}, 0)["x"]
    assert ((given - tensor).abs() / tensor).max() < 2**-11 * 1.01


def test_nothing_but_zeros_is_possible() -> None:
    given = TargetStore(CPU, PLENTY, 0, None, 0).put({"x": torch.zeros(SMALL)}, 0)["x"]
    assert torch.equal(given, torch.zeros(SMALL))


def test_what_is_kept_does_not_change_with_what_it_was_made_from() -> None:
    kept = TargetStore(CPU, PLENTY, 0, None, 0)
    for key, tensor in (("small", noise(8)), ("large", noise(SMALL))):
        before = kept.put({"x": tensor}, key)["x"].clone()
        tensor.zero_()
        got = kept.get(key)
        assert got is not None
        assert torch.equal(got["x"], before)


def test_gradients_are_not_kept() -> None:
    leaf = noise(8).requires_grad_()
    assert not TargetStore(CPU, PLENTY, 0, None, 0).put({"x": leaf * 2}, 0)["x"].requires_grad


def test_budgets_are_filled_in_order_and_kept_to(tmp_path: Path) -> None:
    """Room for two, one and one tensors of 4 kB; the fifth is kept nowhere."""
    kept = TargetStore(CPU, 2 * 4096 + 100, 4096 + 100, tmp_path, 4096 + 100)
    for key in range(5):
        given = kept.put({"x": noise(1024, seed=key)}, key)
        assert torch.equal(given["x"], noise(1024, seed=key))
        assert len(list(tmp_path.iterdir())) == (1 if key >= 3 else 0)
    assert [kept.get(key) is not None for key in range(5)] == [True] * 4 + [False]
    assert kept.put({"x": noise(8)}, 5)["x"].shape == (8,)
    assert kept.get(5) is not None  # what is small enough still has room


def test_a_halved_tensor_takes_half_the_room() -> None:
    kept = TargetStore(CPU, 2 * SMALL, 0, None, 0)
    kept.put({"x": noise(SMALL)}, 0)
    assert kept.get(0) is not None


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = TargetStore(CPU, 0, 0, None, PLENTY)
    kept.put({"x": noise(8)}, 0)
    assert kept.get(0) is None
    assert not any(tmp_path.iterdir())


def test_clearing_removes_the_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("not ours")
    kept = TargetStore(CPU, 5000, 0, tmp_path, PLENTY)
    for key in range(3):
        kept.put({"x": noise(1024)}, key)
    assert len(list(tmp_path.rglob("*.pt"))) == 2
    kept.clear()
    kept.clear()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["other"]
    assert [kept.get(key) for key in range(3)] == [None] * 3


def test_two_stores_in_one_folder_do_not_mix(tmp_path: Path) -> None:
    """Networks with different inputs, or two runs with one cache, keep different things of the same photo."""
    one, other = (TargetStore(CPU, 0, 0, tmp_path, PLENTY) for _ in range(2))
    for value, kept in ((1.0, one), (2.0, other)):
        kept.put({"x": torch.full((8,), value)}, 0, "photo")
    for value, kept in ((1.0, one), (2.0, other)):
        got = kept.get(0, "photo")
        assert got is not None
        assert torch.equal(got["x"], torch.full((8,), value))
    one.clear()
    assert other.get(0, "photo") is not None
