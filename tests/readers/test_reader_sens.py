""".sens: what is extracted, when, and how much memory a lying header can ask for."""

import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import tiny
from captures import write_sens
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import ReadOptions, detect, read_capture

FRAMES = 12 + 15 + 64 * 4 + 36
"""Where the first frame begins."""


@pytest.mark.parametrize("colour", [0, 1, 2])
def test_photos_are_extracted_as_they_are_and_once(tmp_path: Path, colour: int) -> None:
    file = write_sens(tmp_path / "scan", tiny.tiny().poses, colour)
    scene = read_capture(file, ReadOptions(extract=tmp_path / "out"))
    assert [view.name for view in scene.views] == [
        f"frame-00000{i}.{'jpg' if colour == 2 else 'png'}" for i in (1, 2, 3)
    ]
    assert not (tmp_path / "scan" / "scan_photos").exists()
    assert f"photos of scan.sens lie in {tmp_path / 'out'}" in scene.notes
    data = file.read_bytes()
    for number, view in enumerate(scene.views, 1):
        pixels = np.asarray(Pillow.open(view.photo))
        wanted = tiny.photo(tmp_path / view.photo.name, number)
        assert np.array_equal(pixels, np.asarray(Pillow.open(wanted)))
        assert colour == 0 or view.photo.read_bytes() in data
    written = [view.photo.stat().st_ino for view in scene.views]
    again = read_capture(file, ReadOptions(extract=tmp_path / "out"))
    assert [view.photo.stat().st_ino for view in again.views] == written
    os.utime(file, (2e9, 2e9))
    assert read_capture(file, ReadOptions(extract=tmp_path / "out")).views[0].photo.stat().st_ino != written[0]


def test_extracted_photos_may_be_given(tmp_path: Path) -> None:
    file = write_sens(tmp_path / "scan", tiny.tiny().poses)
    read_capture(file)
    (tmp_path / "scan" / "scan_photos").rename(tmp_path / "moved")
    assert len(read_capture(file, ReadOptions(images=tmp_path / "moved")).views) == 3
    assert not (tmp_path / "scan" / "scan_photos").exists()


def test_a_place_that_cant_be_written_is_said(tmp_path: Path) -> None:
    file = write_sens(tmp_path / "scan", tiny.tiny().poses)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ReaderError, match="can't be written to"):
        read_capture(file, ReadOptions(extract=tmp_path / "taken", missing="error"))


def test_a_file_that_ends_early_gives_its_whole_frames(tmp_path: Path) -> None:
    file = write_sens(tmp_path / "scan", tiny.tiny().poses)
    data = file.read_bytes()
    file.write_bytes(data[:-200])
    scene = read_capture(file)
    assert len(scene.views) == 2
    assert "1 of 4 frames are missing" in scene.left_out[-1].reason
    file.write_bytes(data[: FRAMES - 1])
    with pytest.raises(ReaderError, match="cut off in its header"):
        read_capture(file)
    file.write_bytes((3).to_bytes(4, "little") + data[4:])
    with pytest.raises(ReaderError, match="no capture"):
        detect(file)


@pytest.mark.parametrize(
    ("at", "value"),
    [(4, 2**63), (FRAMES - 8, 2**64 - 1), (FRAMES - 28, 2**31 - 1), (FRAMES + 80, 2**62), (FRAMES + 88, 2**63)],
)
def test_a_lying_length_asks_for_no_memory(tmp_path: Path, at: int, value: int) -> None:
    file = write_sens(tmp_path / "scan", tiny.tiny().poses, 0)
    data = bytearray(file.read_bytes())
    data[at : at + 8] = struct.pack("<Q", value)
    file.write_bytes(data)
    tracemalloc.start()
    try:
        read_capture(file)
    except ReaderError as error:
        assert error.message  # noqa: PT017  (either outcome is right)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000 + 8 * len(data)
