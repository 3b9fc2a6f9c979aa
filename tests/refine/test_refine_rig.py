"""Refined rigs: planted errors vanish, exact cameras stay, wrong matches don't count, lone views are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.refine import refine_rig, rig_of
from neuraltexgen.refine.matches import Matches, joined
from neuraltexgen.scene import View
from rigs import CAMERA, VIEWS, disturbed, errors, exact_matches, surface, true_rig


@pytest.fixture(scope="module")
def matches() -> Matches:
    return exact_matches(noise=0.1)


def test_planted_errors_fall_tenfold(matches: Matches) -> None:
    truth = true_rig()
    found = refine_rig(surface(), disturbed(truth, 0.5, 0.01, focal=1.05), matches)
    turns, shifts = errors(found.rig, truth)
    assert found.placed.all()
    assert np.median(turns) < 0.05
    assert np.median(shifts) < 0.001
    assert found.rig.cameras[0].model == "OPENCV"
    focal = np.array(found.rig.cameras[0].params[:2]) / truth.cameras[0].params[:2]
    assert np.abs(focal - 1).max() < 0.002
    assert found.after < 0.25 < found.before


def test_exact_cameras_stay(matches: Matches) -> None:
    """Nothing drifts: what holds the rig is the mesh, and noise of 0.1 pixels moves it by a small part of a pixel."""
    truth = true_rig()
    found = refine_rig(surface(), truth, matches)
    turns, shifts = errors(found.rig, truth)
    pixel = np.degrees(1 / truth.cameras[0].params[0])
    assert np.median(turns) < 0.3 * pixel
    assert np.linalg.norm(np.mean([a[:3, 3] - b[:3, 3] for a, b in zip(found.rig.poses, truth.poses)], axis=0)) < 0.002
    assert shifts.max() < 0.002


def test_wrong_matches_do_not_count(matches: Matches) -> None:
    generator, truth = np.random.default_rng(4), true_rig()
    wrong = generator.random(len(matches)) < 0.3
    target = np.where(wrong[:, None], generator.uniform((0, 0), (320, 240), matches.target.shape), matches.target)
    found = refine_rig(surface(), disturbed(truth, 0.5, 0.01), replace(matches, target=target))
    turns, shifts = errors(found.rig, truth)
    assert np.median(turns) < 0.05
    assert np.median(shifts) < 0.001
    assert found.matches < 0.8 * len(matches)


def test_views_without_matches_stay_as_given(matches: Matches) -> None:
    given = disturbed(true_rig(), 0.5, 0.01)
    without = matches.only((matches.a != 3) & (matches.b != 3))
    found = refine_rig(surface(), given, without)
    assert [v for v in range(VIEWS) if not found.placed[v]] == [3]
    assert np.array_equal(found.rig.poses[3], given.poses[3])
    assert not np.array_equal(found.rig.poses[4], given.poses[4])


def test_nothing_moves_without_matches() -> None:
    given = disturbed(true_rig(), 0.5, 0.01)
    found = refine_rig(surface(), given, joined([]))
    assert not found.placed.any()
    assert all(np.array_equal(a, b) for a, b in zip(found.rig.poses, given.poses))
    assert found.rig.cameras == found.given.cameras


def test_few_views_of_a_camera_leave_its_lens_as_it_is(matches: Matches) -> None:
    camera = CAMERA
    second = replace(camera, params=(camera.params[0], camera.params[1] * 1.0001, *camera.params[2:]))
    given = replace(disturbed(true_rig(), 0.2, 0.005), cameras=(camera, second), lens=(1, 1, *(0,) * (VIEWS - 2)))
    found = refine_rig(surface(), given, matches)
    assert found.rig.cameras[1] == second
    assert found.rig.cameras[0] != found.given.cameras[0]


def test_equal_cameras_are_one() -> None:
    views = [View(str(i), CAMERA, pose, Path("none")) for i, pose in enumerate(true_rig().poses)]
    rig = rig_of(views)
    assert rig.lens == (0,) * VIEWS
    assert rig.cameras == (CAMERA,)
