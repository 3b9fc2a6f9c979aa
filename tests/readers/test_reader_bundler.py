"""Bundler: its list of images, files that end early."""

from pathlib import Path

import pytest

import tiny
from captures import write_bundler
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import detect, read_capture


def test_the_list_may_be_colmaps_and_the_file_given(tmp_path: Path) -> None:
    root = write_bundler(tmp_path, tiny.tiny().poses)
    (root / "list.txt").rename(root / "bundle" / "bundle.out.list.txt")
    scene = read_capture(root / "bundle" / "bundle.out")
    assert [view.name for view in scene.views] == ["photos/1.png", "photos/2.png", "photos/3.png"]
    assert scene.left_out[0].reason == "it was not registered (focal length 0)"
    (root / "bundle" / "bundle.out.list.txt").write_text("photos/1.png\n")
    with pytest.raises(ReaderError, match="4 cameras but its image list 1 names"):
        read_capture(root)
    (root / "bundle" / "bundle.out.list.txt").unlink()
    with pytest.raises(ReaderError, match="no image list"):
        read_capture(root)


def test_a_file_that_ends_early_is_said(tmp_path: Path) -> None:
    file = write_bundler(tmp_path, tiny.tiny().poses) / "bundle" / "bundle.out"
    lines = file.read_text().split("\n")
    file.write_text("\n".join(lines[:12]))
    with pytest.raises(ReaderError, match="4 cameras take 20 lines, it has 10"):
        read_capture(tmp_path)
    file.write_text("# Bundle file v0.3\n999999999 5\n")
    with pytest.raises(ReaderError, match="cut off"):
        read_capture(tmp_path)
    file.write_text("something else\n")
    with pytest.raises(ReaderError, match="no capture"):
        detect(tmp_path)
