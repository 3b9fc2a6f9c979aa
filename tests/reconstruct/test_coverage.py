"""The verdict on planted coverage: figures by hand, words by what is wrong."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.geometry import invert_pose
from neuraltexgen.reconstruct.coverage import horizon_arc, judge, measure_coverage, widest_angles
from neuraltexgen.reconstruct.neighbours import find_neighbours, ray_angles
from neuraltexgen.reconstruct.sparse import SparseModel
from neuraltexgen.scene import Camera, View

POINTS = 400


def ring(count: int, degrees: float, seen_by: int, photo: str = "photo.jpg") -> SparseModel:
    """Cameras on an arc around points near the origin, each of which `seen_by` cameras in a row see."""
    views = []
    for i, angle in enumerate(np.radians(np.linspace(0, degrees, count))):
        pose = np.eye(4)
        pose[:3, :3] = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        pose[:3, 3] = pose[:3, :3] @ [0, 0, -4]
        camera = Camera("PINHOLE", 100, 100, (100.0, 100.0, 50.0, 50.0))
        views.append(View(f"{i:02d}.jpg", camera, invert_pose(pose), Path(photo)))
    points = 0.3 * np.random.default_rng(0).normal(size=(POINTS, 3))
    seen = [((k + j) % count, k) for k in range(POINTS) for j in range(seen_by)]
    return SparseModel(
        tuple(views), points, np.full(POINTS, 0.5), np.zeros((POINTS, 3), np.uint8), np.array(sorted(seen), np.int32)
    )


def test_figures_of_a_ring() -> None:
    model = ring(9, 80, 4)
    found = measure_coverage(model, 9, (9,))
    assert (found.photos, found.registered, found.track, found.error) == (9, 9, 4, pytest.approx(0.5))
    assert found.points == pytest.approx(POINTS * 4 / 9, abs=4)
    assert found.thrice == 1
    assert found.arc == pytest.approx(80, abs=4)
    assert found.poorly_tied == ()
    assert judge(found).level == "usable"
    assert ["points" in sentence for sentence in judge(found).sentences] == [True]


def test_the_angle_between_two_rays_is_exact() -> None:
    model = ring(2, 30, 2)
    expected = ray_angles(model.centres[0], model.centres[1], model.points)
    assert np.allclose(widest_angles(model), expected)
    assert np.median(expected) == pytest.approx(30, abs=2)


def test_angles_of_many_rays_are_not_over_the_widest() -> None:
    model = ring(10, 60, 10)
    pairs = [ray_angles(a, b, model.points) for a in model.centres for b in model.centres]
    widest, found = np.max(pairs, axis=0), widest_angles(model)
    assert (found <= widest + 1e-9).all()
    assert (found > 0.95 * widest).all()


def test_a_full_circle_spans_nearly_everything() -> None:
    assert horizon_arc(ring(36, 350, 3)) == pytest.approx(350, abs=5)


def test_good_coverage_says_nothing_more() -> None:
    good = replace(measure_coverage(ring(12, 100, 4), 12, (12,)), points=900.0)
    assert (judge(good).level, judge(good).sentences) == ("good", ())


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"registered": 9}, "usable", "3 of 12 photos have no place"),
        ({"registered": 5}, "weak", "7 of 12 photos have no place"),
        ({"pieces": (12, 2)}, "usable", r"2 pieces \(12, 2 photos\)"),
        ({"error": 1.6}, "usable", "1.6 pixels off"),
        ({"error": 3.0}, "weak", "3.0 pixels off"),
        ({"angle": 1.0}, "weak", "under 1.0 degrees only"),
        ({"thrice": 0.3}, "usable", "only 30% of the points"),
        ({"points": 20.0}, "weak", "only 20 points"),
        ({"poorly_tied": ("03.jpg", "07.jpg")}, "usable", "03.jpg, 07.jpg are tied to fewer than two"),
    ],
)
def test_each_fault_is_named(change: dict[str, object], level: str, words: str) -> None:
    good = replace(measure_coverage(ring(12, 100, 4), 12, (12,)), points=900.0)
    verdict = judge(replace(good, **change))
    assert verdict.level == level
    assert sum(bool(re.search(words, sentence)) for sentence in verdict.sentences) == 1


def test_neighbours_are_those_at_a_good_angle() -> None:
    found = find_neighbours(ring(13, 120, 13), 2)
    assert found[6] == (5, 7) or found[6] == (7, 5)
    assert all(abs(j - i) == 1 for i, others in enumerate(found) if 0 < i < 12 for j in others)
    lonely = ring(2, 60, 2)
    assert find_neighbours(lonely, 2) == [(), ()]
