"""Planted errors: of the size that was asked for, none without asking, and the truth comes back from disk."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.errors import ConfigError, ReaderError
from neuraltexgen.geometry import camera_centre, invert_pose
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import check_pose
from neuraltexgen.synthetic import (
    Planted,
    SyntheticScene,
    SyntheticSettings,
    make_scene,
    photo_name,
    plant,
    read_truth,
    with_planted,
    write_capture,
)
from neuraltexgen.synthetic.planted import EXAMPLES, FORMS

SMALL = SyntheticSettings(views=7, width=32, height=24, supersampling=1, detail=20.0)


@pytest.fixture(scope="module")
def clean() -> SyntheticScene:
    return make_scene(SMALL)


@pytest.mark.parametrize("error", [(0.5, 10.0), (0.2, 0.0), (0.0, 3.0)])
def test_stated_poses_are_off_by_the_median_that_was_asked(error: tuple[float, float], clean: SyntheticScene) -> None:
    scene = with_planted(clean, Planted(pose=error))
    assert np.array_equal(scene.poses, clean.poses)
    turned = [stated @ invert_pose(true) for stated, true in zip(scene.stated_poses, scene.poses)]
    angles = np.degrees([small_angle(turn[:3, :3]) for turn in turned])
    moved = [camera_centre(a) - camera_centre(b) for a, b in zip(scene.stated_poses, scene.poses)]
    assert np.median(angles) == pytest.approx(error[0], rel=1e-6, abs=1e-9)
    assert np.median(np.linalg.norm(moved, axis=1)) == pytest.approx(error[1] / 1000, rel=1e-6, abs=1e-12)
    assert error[1] == 0 or np.ptp(np.linalg.norm(moved, axis=1)) > 0
    for pose in scene.stated_poses:
        check_pose(pose, "stated")


def small_angle(rotation: np.ndarray) -> float:
    """A rotation's angle by its sine, exact for small angles, where the trace says little."""
    crossed = rotation - rotation.T
    return float(np.arcsin(np.linalg.norm([crossed[2, 1], crossed[0, 2], crossed[1, 0]]) / 2))


def test_no_error_is_planted_unasked(clean: SyntheticScene) -> None:
    assert np.array_equal(clean.stated_poses, clean.poses)
    assert clean.stated_camera == clean.camera
    assert (clean.gains == 1).all()
    assert (clean.offsets == 0).all()


def test_errors_planted_later_are_those_of_a_scene_made_with_them(clean: SyntheticScene) -> None:
    planted = Planted(pose=(0.5, 10.0), exposure=0.2)
    made, later = make_scene(replace(SMALL, planted=planted)), with_planted(clean, planted)
    assert made.settings == later.settings
    assert all(np.array_equal(getattr(made, n), getattr(later, n)) for n in ("stated_poses", "gains", "offsets"))


def test_the_stated_focal_length_is_off_by_the_factor_and_nothing_else_is(clean: SyntheticScene) -> None:
    scene = with_planted(clean, Planted(focal=1.05))
    assert scene.stated_camera.params[:2] == pytest.approx(np.multiply(1.05, scene.camera.params[:2]))
    assert scene.stated_camera.params[2:] == scene.camera.params[2:]


def test_the_truth_comes_back_from_disk_beside_what_the_capture_states(clean: SyntheticScene, tmp_path: Path) -> None:
    scene = with_planted(clean, Planted(pose=(0.5, 10.0), focal=0.95, exposure=0.2))
    truth = read_truth(write_capture(scene, tmp_path))
    capture = read_capture(tmp_path)
    assert truth.photos == tuple(photo_name(i) for i in range(7)) == tuple(view.name for view in capture.views)
    assert truth.camera == scene.camera != capture.views[0].camera
    assert np.array_equal(truth.poses, scene.poses)
    assert np.array_equal(truth.gains, scene.gains)
    assert np.array_equal(truth.offsets, scene.offsets)


def test_a_truth_that_is_missing_or_damaged_is_refused(tmp_path: Path, clean: SyntheticScene) -> None:
    with pytest.raises(ReaderError, match="truth"):
        read_truth(tmp_path)
    file = write_capture(clean, tmp_path) / "truth" / "truth.json"
    told = json.loads(file.read_text())
    for damaged in ("{", "[]", json.dumps({**told, "views": [{}]}), json.dumps({**told, "camera": None})):
        file.write_text(damaged)
        with pytest.raises(ReaderError, match=r"truth\.json"):
            read_truth(tmp_path)


def test_texts_name_the_fields() -> None:
    assert set(FORMS) == set(EXAMPLES) == {field.name for field in fields(Planted)}
    assert plant(()) == Planted()
    assert plant(("pose:0.5:10", "focal:1.05")) == Planted(pose=(0.5, 10.0), focal=1.05)
    for name, example in EXAMPLES.items():
        asked = plant((example,))
        assert getattr(asked, name) != getattr(Planted(), name)
        assert replace(asked, **{name: getattr(Planted(), name)}) == Planted()


@pytest.mark.parametrize(
    "texts",
    [("tilt:3",), ("pose:0.5",), ("pose:0.5:10:2",), ("focal:long",), ("focal",), ("focal:1.1", "focal:1.2")],
)
def test_texts_that_name_nothing_are_refused_with_a_fix(texts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=texts[-1]) as refused:
        plant(texts)
    assert refused.value.fix


@pytest.mark.parametrize("wrong", [{"pose": (-1.0, 0.0)}, {"focal": 0.0}, {"exposure": float("nan")}, {"noise": -0.1}])
def test_numbers_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        Planted(**wrong)
