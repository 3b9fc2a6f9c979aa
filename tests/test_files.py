"""Whole or not at all; equal content, equal key."""

import json
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.files import content_key, whole_file, write_json, write_text


def test_a_file_appears_whole_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "ü.txt"
    write_text(path, "grün")
    assert path.read_text("utf-8") == "grün"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})

    def interrupted() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_content_keys_tell_content_apart() -> None:
    parts = [1, 1.0, "1", b"1", None, True, (1,), (1, 1), {"a": 1}, {"a": 2}]
    parts += [np.zeros(2), np.zeros((2, 1)), np.zeros(2, np.float32), np.array([0.0, -0.0]), ("ab", "c"), ("a", "bc")]
    keys = {content_key(part) for part in parts}
    assert len(keys) == len(parts)
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key(np.arange(6)[::2]) == content_key(np.array([0, 2, 4]))
    with pytest.raises(TypeError, match="object"):
        content_key(object())
