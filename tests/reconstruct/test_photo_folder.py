"""Which files of a folder are photos that can be used, and which share a camera."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import tiny
from neuraltexgen.errors import ReconstructError
from neuraltexgen.reconstruct.photos import holds_only_photos, read_photos


def photo(path: Path, seed: int, size: tuple[int, int] = (32, 24), focal: float | None = None) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Pillow.fromarray(pixels)
    exif = image.getexif()
    if focal is not None:
        exif.get_ifd(0x8769)[0x920A] = focal
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif)


def test_photos_come_in_natural_order_and_share_cameras_by_size_and_focal_length(tmp_path: Path) -> None:
    photo(tmp_path / "10.jpg", 0, focal=4.2)
    photo(tmp_path / "9.JPG", 1, focal=4.2)
    photo(tmp_path / "11.jpg", 2, focal=8.4)
    photo(tmp_path / "more" / "12.png", 3, (24, 32))
    found = read_photos(tmp_path)
    assert found.names == ("9.JPG", "10.jpg", "11.jpg", "more/12.png")
    assert found.cameras == (0, 0, 1, 2)
    assert found.left_out == ()
    assert len(set(found.hashes)) == 4


def test_what_is_no_photo_of_the_scene_is_not_looked_at(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 0)
    photo(tmp_path / "b.png", 1)
    photo(tmp_path / ".thumbs" / "a.png", 2)
    photo(tmp_path / "masks" / "a.png", 3)
    (tmp_path / "notes.txt").write_text("hello")
    assert read_photos(tmp_path).names == ("a.png", "b.png")


def test_broken_and_doubled_photos_are_left_out_by_name(tmp_path: Path) -> None:
    for i in range(3):
        photo(tmp_path / f"{i}.jpg", i)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "0.jpg").read_bytes()[:400])
    (tmp_path / "2 twice.jpg").write_bytes((tmp_path / "1.jpg").read_bytes())
    (tmp_path / "phone.HEIC").write_bytes(b"ftypheic")
    found = read_photos(tmp_path)
    assert found.names == ("0.jpg", "1.jpg", "2.jpg")
    reasons = {view.name: view.reason for view in found.left_out}
    assert set(reasons) == {"cut.jpg", "2 twice.jpg", "phone.HEIC"}
    assert reasons["2 twice.jpg"] == "the same file as 1.jpg"
    assert "HEIC" in reasons["phone.HEIC"]


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    photo(tmp_path / "0.jpg", 0)
    with pytest.raises(ReconstructError, match="1 usable photos of 1"):
        read_photos(tmp_path)
    (tmp_path / "1.heic").write_bytes(b"ftypheic")
    with pytest.raises(ReconstructError, match=r"(?s)1 usable photos of 2.*Most Compatible"):
        read_photos(tmp_path)
    with pytest.raises(ReconstructError, match="no folder"):
        read_photos(tmp_path / "nowhere")


def test_a_capture_is_no_folder_of_photos(tmp_path: Path) -> None:
    assert not holds_only_photos(tmp_path)
    photo(tmp_path / "photos" / "0.jpg", 0)
    assert holds_only_photos(tmp_path / "photos")
    assert not holds_only_photos(tmp_path / "photos", "colmap")
    assert not holds_only_photos(tiny.write_colmap(tmp_path / "capture", binary=True))
