"""Planted errors: of the size that was asked for, none without asking, and the truth comes back from disk."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.errors import ConfigError, ReaderError
from neuraltexgen.geometry import camera_centre, invert_pose
from neuraltexgen.images import read_mask
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Camera, check_pose
from neuraltexgen.synthetic import (
    Blur,
    Planted,
    SyntheticScene,
    SyntheticSettings,
    fall_off,
    make_scene,
    person_mask,
    photo_name,
    photograph,
    plant,
    point_spread,
    read_truth,
    with_planted,
    write_capture,
)
from neuraltexgen.synthetic.figure import Person, figure
from neuraltexgen.synthetic.gloss import highlights
from neuraltexgen.synthetic.planted import EXAMPLES, FORMS
from neuraltexgen.synthetic.surfaces import corner_points, join_surfaces

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


def photos_with(clean: SyntheticScene, planted: Planted) -> tuple[SyntheticScene, list[np.ndarray]]:
    scene = with_planted(clean, planted)
    return scene, [photograph(scene, index) for index in range(SMALL.views)]


def test_highlights_brighten_what_mirrors_a_light_and_move_with_the_camera(clean: SyntheticScene) -> None:
    _, plain = photos_with(clean, Planted())
    _, photos = photos_with(clean, Planted(gloss=0.4))
    for bare, photo, pose in zip(plain, photos, clean.poses):
        shine = highlights(clean.surfaces, clean.camera, pose)
        assert shine.min() >= 0
        np.testing.assert_allclose(photo, np.clip(bare + 0.4 * shine[..., None], 0, 1), atol=1e-6)
    assert sum((photo - bare).max() > 0.2 for bare, photo in zip(plain, photos)) > 3


def test_a_light_is_mirrored_at_the_angle_at_which_it_comes(clean: SyntheticScene) -> None:
    """A camera above the floor, as high as the lamp and looking down, beside it: the middle between is brightest."""
    lamp = next(r for r in clean.surfaces.rectangles if r.thing == "lamp" and r.side == "bottom")
    above = lamp.origin + (lamp.right + lamp.down) / 2
    floor = next(r for r in clean.surfaces.rectangles if r.side == "floor")
    alone = join_surfaces([floor, lamp], [np.zeros((4, 4, 3), np.uint8)] * 2)
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = -pose[:3, :3] @ (above + np.array([0.6, 0, -0.2]))
    camera = Camera("PINHOLE", 200, 100, (100.0, 100.0, 100.0, 50.0))
    row, column = np.unravel_index(highlights(alone, camera, pose).argmax(), (100, 200))
    height = above[2]
    aside = -0.6 * (height - 0.2) / (2 * height - 0.2)
    assert column + 0.5 == pytest.approx(100 + 100 * aside / (height - 0.2), abs=1.5)
    assert row + 0.5 == pytest.approx(50, abs=1.5)


def test_a_person_changes_the_pixels_of_the_true_mask_and_no_others(clean: SyntheticScene) -> None:
    scene, photos = photos_with(clean, Planted(person=0.6))
    assert sum(person is not None for person in scene.people) == 4
    covered = 0
    for index, photo in enumerate(photos):
        mask, differs = person_mask(scene, index), (photo != photograph(clean, index)).any(axis=2)
        assert not (differs & ~mask).any()
        assert differs.sum() >= 0.95 * mask.sum()  # here and there a person's colour is the room's
        assert mask.any() == (scene.people[index] is not None)
        covered += int(mask.sum())
    assert 0.02 < covered / (4 * photos[0][..., 0].size) < 0.6
    assert scene.mesh is clean.mesh


def test_the_person_stands_behind_what_is_nearer(clean: SyntheticScene) -> None:
    """Furniture that the clean photo shows nearer than the person stays: a figure behind a wall is not seen."""
    hidden = replace(clean, people=(Person((2.0, 5.5), 0.0, 0.0),) * SMALL.views)
    assert not any(person_mask(hidden, index).any() for index in range(SMALL.views))


@pytest.mark.parametrize("phase", [0.0, 0.2, 0.5, 0.85])
def test_the_figure_is_as_tall_as_a_person_and_stands_on_the_floor(phase: float) -> None:
    parts = figure(Person((1.0, 2.0), 30.0, phase))
    corners = np.concatenate([corner_points(part) for part in parts])
    assert corners[:, 2].max() == pytest.approx(1.75, abs=0.02)
    assert -0.03 < corners[:, 2].min() < 0.08
    assert np.linalg.norm(corners[:, :2] - (1.0, 2.0), axis=1).max() < 0.7
    for part in parts:
        assert part.right @ part.down == pytest.approx(0, abs=1e-9)
    sides = [part for part in parts if part.side == "side" and part.paint == "hair"]
    middle = np.mean([part.origin + (part.right + part.down) / 2 for part in sides], axis=0)
    assert all((part.origin + part.right / 2 + part.down / 2 - middle) @ part.normal > 0 for part in sides)


def test_blurred_photos_are_the_sharp_ones_spread_as_the_truth_says(clean: SyntheticScene) -> None:
    scene, photos = photos_with(clean, Planted(blur=(0.6, 3.0)))
    kinds = [blur and blur.kind for blur in scene.blurs]
    assert (kinds.count("motion"), kinds.count("defocus"), kinds.count(None)) == (2, 2, 3)
    for index, (photo, blur) in enumerate(zip(photos, scene.blurs)):
        sharp = photograph(clean, index)
        if blur is None:
            assert np.array_equal(photo, sharp)
            continue
        spread, y, x = point_spread(blur), 11, 14
        reach = len(spread) // 2
        around = sharp[y - reach : y + reach + 1, x - reach : x + reach + 1]
        np.testing.assert_allclose(photo[y, x], np.einsum("yx,yxc->c", spread, around), atol=1e-5)
        assert np.abs(np.diff(photo, axis=1)).sum() < np.abs(np.diff(sharp, axis=1)).sum()


@pytest.mark.parametrize(
    "blur", [Blur("motion", 6.0, 30.0), Blur("defocus", 5.0), Blur("motion", 0.0), Blur("defocus", 0.3)]
)
def test_a_point_spread_function_keeps_the_light_its_middle_and_its_size(blur: Blur) -> None:
    spread = point_spread(blur)
    reach = len(spread) // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    assert spread.sum() == pytest.approx(1)
    assert (spread >= 0).all()
    assert (spread * x).sum() == pytest.approx(0, abs=1e-9)
    assert (spread * y).sum() == pytest.approx(0, abs=1e-9)
    # A uniform path of length l has the variance l² / 12, a disc of diameter d has d² / 8; pixels add a little.
    variance = float((spread * (x**2 + y**2)).sum())
    expected = blur.pixels**2 / (12 if blur.kind == "motion" else 8)
    assert expected <= variance + 0.05 <= expected + 0.6


def test_corners_lose_the_share_of_light_that_is_asked(clean: SyntheticScene) -> None:
    scene, photos = photos_with(clean, Planted(vignetting=0.3))
    shade = fall_off(scene.camera, 0.3)
    assert shade.max() == pytest.approx(1, abs=0.003)
    assert np.mean([shade[0, 0], shade[0, -1], shade[-1, 0], shade[-1, -1]]) == pytest.approx(0.7, abs=0.03)
    np.testing.assert_allclose(photos[0], photograph(clean, 0) * shade[..., None], atol=1e-6)


def test_everything_at_once_comes_back_from_disk(clean: SyntheticScene, tmp_path: Path) -> None:
    planted = Planted((0.2, 3.0), 1.02, 0.2, 0.01, 0.3, 0.4, (0.4, 2.0))
    scene = with_planted(clean, planted)
    truth = read_truth(write_capture(scene, tmp_path))
    assert truth.vignetting == 0.3
    assert truth.blurs == scene.blurs
    for index, mask in enumerate(truth.masks):
        assert (mask is None) == (scene.people[index] is None)
        if mask is not None:
            assert np.array_equal(read_mask(mask), person_mask(scene, index))
    assert not any(view.mask for view in read_capture(tmp_path).views)  # no reader takes the truth for masks
