"""Motions, lenses, matches and overlaps: the parts that refinement is made of, by their laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraltexgen.geometry import project
from neuraltexgen.refine.lens import enriched, free_parameters, parameter_names
from neuraltexgen.refine.matches import Matches
from neuraltexgen.refine.motion import moved, rotation_from_vector, twist_between, vector_from_rotation
from neuraltexgen.refine.overlap import choose_pairs, overlaps
from neuraltexgen.scene import Camera
from rigs import VIEWS, surface, true_rig

PLAIN = {
    "SIMPLE_PINHOLE": (500.0, 321.0, 239.0),
    "PINHOLE": (500.0, 510.0, 321.0, 239.0),
    "SIMPLE_RADIAL": (500.0, 321.0, 239.0, -0.03),
    "RADIAL": (500.0, 321.0, 239.0, -0.03, 0.01),
}

numbers = st.floats(-1.5, 1.5)


@settings(max_examples=30, deadline=None)
@given(st.lists(numbers, min_size=12, max_size=12))
def test_a_motion_comes_back(values: list[float]) -> None:
    start = moved(np.eye(4), np.array(values[:6]))
    twist = np.array(values[6:])
    np.testing.assert_allclose(twist_between(start, moved(start, twist)), twist, atol=1e-9)


@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-9, 1e-7, 1e-3, 1.0, 3.0])
def test_a_rotation_vector_comes_back(size: float) -> None:
    vector = size * np.array([2.0, -1.0, 2.0]) / 3
    rotation = rotation_from_vector(vector)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(vector_from_rotation(rotation), vector, atol=1e-12 + 1e-9 * size)


@pytest.mark.parametrize("model", PLAIN)
def test_an_enriched_lens_maps_as_before(model: str) -> None:
    camera = Camera(model, 640, 480, PLAIN[model])
    points = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 4), (50, 3))
    np.testing.assert_allclose(project(enriched(camera), points), project(camera, points), atol=1e-9)
    assert enriched(enriched(camera)) == enriched(camera)


def test_lenses_of_other_kinds_stay() -> None:
    camera = Camera("OPENCV_FISHEYE", 640, 480, (300.0, 300.0, 320.0, 240.0, 0.0, 0.0, 0.0, 0.0))
    assert enriched(camera) == camera


def test_parameters_are_freed_by_kind() -> None:
    camera = enriched(Camera("PINHOLE", 640, 480, PLAIN["PINHOLE"]))
    names = np.array(parameter_names(camera))
    assert list(names[free_parameters(camera, ["focal"])]) == ["fx", "fy"]
    assert list(names[free_parameters(camera, ["centre"])]) == ["cx", "cy"]
    assert list(names[free_parameters(camera, ["distortion"])]) == ["k1", "k2", "p1", "p2"]
    assert not free_parameters(camera, []).any()


def test_both_ways_holds_each_match_twice_and_sorted() -> None:
    generator = np.random.default_rng(0)
    a = generator.integers(0, 4, 30).astype(np.int32)
    matches = Matches(a, ((a + 1) % 4).astype(np.int32), generator.random((30, 2)), generator.random((30, 2)))
    both = matches.both_ways()
    assert len(both) == 60
    keys = both.a * 10 + both.b
    assert (np.diff(keys) >= 0).all()
    rows = {(x, y, *s, *t) for x, y, s, t in zip(both.a, both.b, both.source, both.target)}
    assert {(y, x, *t, *s) for x, y, s, t in zip(both.a, both.b, both.source, both.target)} == rows


def test_at_most_thins_every_pair_alike() -> None:
    a = np.repeat(np.array([0, 0, 1], np.int32), [50, 3, 20])
    b = np.repeat(np.array([1, 2, 2], np.int32), [50, 3, 20])
    thinned = Matches(a, b, np.zeros((73, 2)), np.zeros((73, 2))).at_most(10)
    pairs, counts = np.unique(np.stack([thinned.a, thinned.b], axis=1), axis=0, return_counts=True)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert counts.tolist() == [10, 3, 10]


def test_a_view_overlaps_itself_and_pairs_see_the_same() -> None:
    shares = overlaps(surface(), true_rig(), range(VIEWS))
    assert np.diag(shares).min() > 0.99
    assert shares.min() >= 0
    pairs = choose_pairs(shares)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert np.minimum(shares, shares.T)[pairs[:, 0], pairs[:, 1]].min() > 0.15
    assert set(pairs.ravel().tolist()) == set(range(VIEWS))
