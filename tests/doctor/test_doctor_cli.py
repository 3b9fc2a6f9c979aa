"""`neuraltexgen doctor`, as a user runs it: verdicts, exit codes, and a capture that is put right."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.readers import read_capture
from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture
from test_cli import refused, run


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = SyntheticSettings(8, 200, 150, 2, detail=120.0)
    return write_capture(make_scene(settings), tmp_path_factory.mktemp("doctor") / "right")


@pytest.fixture(scope="module")
def wrong(right: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The room with its matrices taken the other way round and OpenCV's axes, as a careless script writes them."""
    folder = tmp_path_factory.mktemp("doctor") / "wrong"
    shutil.copytree(right, folder)
    stated = json.loads((folder / "transforms.json").read_text())
    for frame in stated["frames"]:
        frame["transform_matrix"] = np.linalg.inv(frame["transform_matrix"]).tolist()
    (folder / "transforms.json").write_text(json.dumps(stated))
    return folder


def test_a_right_capture_has_exit_code_0_and_nothing_is_written(right: Path, tmp_path: Path) -> None:
    done = run("doctor", right, "--fix", tmp_path / "out")
    assert "the capture is right as it is read" in done.stdout
    assert "nothing is clearly wrong" in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_wrong_capture_is_put_right(right: Path, wrong: Path, tmp_path: Path) -> None:
    done = run("doctor", wrong, "--fix", tmp_path / "fixed", "--json", code=3)
    told = json.loads(done.stdout)
    assert (told["verdict"], told["names"]) == ("misread", ["poses:gl-inverted"])
    assert told["z"] > 3
    assert told["out"] == str(tmp_path / "fixed")
    assert {row["name"] for row in told["rows"]} >= {"as-read", "poses:inverted", "mesh-scale:0.001"}
    for ours, theirs in zip(read_capture(tmp_path / "fixed").views, read_capture(right).views, strict=True):
        assert np.allclose(ours.cam_from_world, theirs.cam_from_world, atol=1e-9)
        assert ours.photo.read_bytes() == theirs.photo.read_bytes()
    run("doctor", tmp_path / "fixed", "--quiet")


def test_a_named_hypothesis_is_put_right_without_asking(right: Path, wrong: Path, tmp_path: Path) -> None:
    run("doctor", wrong, "--fix", tmp_path / "a" / "transforms.json", "--hypothesis", "poses:gl-inverted")
    fixed = read_capture(tmp_path / "a")
    assert fixed.format == "transforms"
    expected = read_capture(right).views[0].cam_from_world
    assert np.allclose(fixed.views[0].cam_from_world, expected, atol=1e-9)


def test_what_cant_be_done_is_refused(right: Path, tmp_path: Path) -> None:
    assert "--fix OUT" in refused("doctor", right, "--hypothesis", "poses:inverted")[1]
    assert (
        "no hypothesis 'upside-down'"
        in refused("doctor", right, "--fix", tmp_path / "x", "--hypothesis", "upside-down")[0]
    )
    changes_nothing = refused("doctor", right, "--fix", tmp_path / "x", "--hypothesis", "distortion:p-swapped")[0]
    assert "does not apply to its lenses" in changes_nothing
    assert "is not empty" in refused("doctor", right, "--fix", right)[0]
    bare = tmp_path / "bare"
    shutil.copytree(right, bare)
    (bare / "mesh.ply").unlink()
    assert "has no mesh" in refused("doctor", bare)[0]


def test_one_photo_says_nothing(right: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    shutil.copytree(right, one)
    stated = json.loads((one / "transforms.json").read_text())
    stated["frames"] = stated["frames"][:1]
    (one / "transforms.json").write_text(json.dumps(stated))
    done = run("doctor", one, code=4)
    assert "it can't be told" in done.stdout
    assert "1 views" in done.stdout
