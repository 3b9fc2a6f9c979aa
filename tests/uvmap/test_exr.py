"""UV maps as EXR: round trips within stated bounds, the original's two-channel form, and files that are none."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuraltexgen.errors import ImageError
from neuraltexgen.images import read_exr, write_exr
from neuraltexgen.uvmap.exr import read_uv, write_uv_map
from neuraltexgen.uvmap.maps import UVMap

HEIGHT, WIDTH = 12, 20


def some_map(seed: int = 0, samples: int = 2) -> UVMap:
    """Random uvs on two thirds of the samples; a seen sample at exactly (0, 0), one at (1, 1)."""
    rng = np.random.default_rng(seed)
    face_ids = rng.integers(-400, 800, (HEIGHT, WIDTH)).clip(min=-1).astype(np.int32)
    uv = rng.random((HEIGHT, WIDTH, 2), dtype=np.float32)
    face_ids[0, :2] = 3, 4
    uv[0, :2] = [[0, 0], [1, 1]]
    uv[face_ids < 0] = 0
    distance, cosine, footprint = rng.random((3, HEIGHT, WIDTH), dtype=np.float32)
    return UVMap(samples, uv, face_ids, distance, cosine, footprint)


@pytest.mark.parametrize("fields", [True, False])
def test_floats_come_back_exactly(fields: bool, tmp_path: Path) -> None:
    uv_map = some_map()
    write_uv_map(tmp_path / "1.exr", uv_map, fields=fields)
    uv, valid = read_uv(tmp_path / "1.exr")
    assert np.array_equal(uv, uv_map.uv)
    assert np.array_equal(valid, uv_map.valid)


def test_every_field_is_stored_by_its_name(tmp_path: Path) -> None:
    uv_map = some_map()
    write_uv_map(tmp_path / "1.exr", uv_map)
    channels = read_exr(tmp_path / "1.exr")
    assert set(channels) == {"R", "G", "B", "face_id", "distance", "cosine", "footprint"}
    assert np.array_equal(channels["face_id"], uv_map.face_ids)
    for name in ("distance", "cosine", "footprint"):
        assert np.array_equal(channels[name], getattr(uv_map, name))


@given(st.integers(0, 2**31))
def test_halves_come_back_to_a_4096th(seed: int) -> None:
    uv_map = some_map(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1.exr"
        write_uv_map(path, uv_map, half=True)
        uv, valid = read_uv(path)
        assert "face_id" not in read_exr(path)
    assert np.abs(uv - uv_map.uv).max() <= 1 / 4096
    assert np.abs(uv - uv_map.uv).max() > 1e-5  # they are halves
    assert np.array_equal(valid, uv_map.valid)


@pytest.mark.parametrize("names", [("R", "G"), ("U", "V"), ("u", "v"), ("X", "Y")])
def test_two_channels_have_their_background_at_zero(names: tuple[str, str], tmp_path: Path) -> None:
    uv_map = some_map()
    write_exr(tmp_path / "1.exr", {name: uv_map.uv[..., i] for i, name in enumerate(names)})
    uv, valid = read_uv(tmp_path / "1.exr")
    expected = uv_map.valid.copy()
    expected[0, 0] = False  # at (0, 0): this form can't tell it from the background
    assert np.array_equal(uv, uv_map.uv)
    assert np.array_equal(valid, expected)


def test_a_third_channel_that_is_no_mark_is_not_taken_for_one(tmp_path: Path) -> None:
    uv_map = some_map()
    expected = uv_map.valid.copy()
    expected[0, 0] = False
    for third in (np.zeros((HEIGHT, WIDTH), np.float32), uv_map.distance):
        write_exr(tmp_path / "1.exr", {"R": uv_map.uv[..., 0], "G": uv_map.uv[..., 1], "B": third})
        assert np.array_equal(read_uv(tmp_path / "1.exr")[1], expected)


@pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, -0.25, 1.5])
@pytest.mark.parametrize("marked", [True, False])
def test_a_uv_that_is_no_place_is_not_valid_and_reads_as_zero(junk: float, marked: bool, tmp_path: Path) -> None:
    uv = np.full((HEIGHT, WIDTH, 2), 0.5, dtype=np.float32)
    uv[2, 3, 0] = uv[4, 5, 1] = uv[6, 7, :] = junk
    channels = {"R": uv[..., 0], "G": uv[..., 1]} | ({"B": np.ones((HEIGHT, WIDTH), np.float32)} if marked else {})
    write_exr(tmp_path / "1.exr", channels)
    found, valid = read_uv(tmp_path / "1.exr")
    assert not valid[[2, 4, 6], [3, 5, 7]].any()
    assert valid.sum() == HEIGHT * WIDTH - 3
    assert (found[~valid] == 0).all()
    assert (found[valid] == 0.5).all()


def test_files_that_are_no_uv_map_are_errors(tmp_path: Path) -> None:
    write_exr(tmp_path / "grey.exr", {"Y": np.zeros((HEIGHT, WIDTH), np.float32)})
    with pytest.raises(ImageError, match="1 channel"):
        read_uv(tmp_path / "grey.exr")
    with pytest.raises(ImageError, match="no such file"):
        read_uv(tmp_path / "missing.exr")
    write_uv_map(tmp_path / "cut.exr", some_map())
    (tmp_path / "cut.exr").write_bytes((tmp_path / "cut.exr").read_bytes()[:-200])
    with pytest.raises(ImageError, match="damaged"):
        read_uv(tmp_path / "cut.exr")
