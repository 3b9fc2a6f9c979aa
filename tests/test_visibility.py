"""Confidence: depth steps, grazing angles and borders lower it, and nothing else does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from neuraltexgen.errors import ConfigError
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.raycast import RayCaster
from neuraltexgen.visibility import BACK_SHARE, ConfidenceSettings, confidence, depth_edges, dilate
from planes import CAMERAS, HEIGHT, WIDTH, Plane

LENSES = [*CAMERAS.values(), Camera("PINHOLE", WIDTH, HEIGHT, (400.0, 400.0, 20.0, 15.0))]
PINHOLE = CAMERAS["PINHOLE"]
OFF = ConfidenceSettings(edge_radius=0, grazing=(0.0, 1e-6), border=0)
"""Everything switched off but what sees no front at all."""
STRICT = ConfidenceSettings(edge_radius=2, edge_confidence=0.0, border=0)
"""Near a depth edge nothing counts, so that exactly those pixels are 0."""


def wall(tilt: float = 0.0, distance: float = 3.0) -> Plane:
    """A wall that fills any photo taken from the origin along z, turned by `tilt` radians about the y axis."""
    across, middle = np.array([np.cos(tilt), 0.0, np.sin(tilt)]), np.array([0.0, 0.0, distance])
    return Plane(middle - 500 * across + (0, 500, 0), 1000 * across, np.array([0.0, -1000.0, 0.0]))


def seen(mesh: Mesh, camera: Camera = PINHOLE, samples: int = 2) -> UVMap:
    return RayCaster(mesh).uv_map(camera, np.eye(4), samples)


def made_map(distance: np.ndarray, cosine: float = 1.0, samples: int = 1) -> UVMap:
    """A UV map with that distance per pixel; infinity where nothing is seen."""
    big = np.kron(distance, np.ones((samples, samples))).astype(np.float32)
    hit = np.isfinite(big)
    return UVMap(
        samples=samples,
        uv=np.zeros((*big.shape, 2), np.float32),
        face_ids=np.where(hit, 0, -1).astype(np.int32),
        distance=np.where(hit, big, 0).astype(np.float32),
        cosine=np.where(hit, cosine, 0).astype(np.float32),
        footprint=np.where(hit, 0.01, 0).astype(np.float32),
    )


def test_a_wall_seen_straight_on_has_full_confidence_inside() -> None:
    narrow = Camera("PINHOLE", WIDTH, HEIGHT, (400.0, 400.0, 20.0, 15.0))
    for border in (0, 1, 4):
        found = confidence(seen(wall().mesh(), narrow), ConfidenceSettings(border=border))
        expected = np.zeros((HEIGHT, WIDTH), np.float32)
        expected[border : HEIGHT - border, border : WIDTH - border] = 1
        np.testing.assert_array_equal(found, expected)


def test_a_border_wider_than_the_photo_leaves_nothing() -> None:
    assert not confidence(made_map(np.ones((7, 9))), ConfidenceSettings(border=4)).any()


@pytest.mark.parametrize("step", [1.1, 0.9, 3.0])
@pytest.mark.parametrize("radius", [1, 2, 5])
def test_a_step_in_depth_is_flagged_within_the_radius_and_nowhere_else(step: float, radius: int) -> None:
    columns = np.arange(WIDTH)
    distance = np.where(columns < 18, 2.0, 2.0 * step) * np.ones((WIDTH, 1))
    near = (columns >= 18 - 1 - radius) & (columns <= 18 + radius)
    strict = replace(STRICT, edge_radius=radius)
    expected = np.broadcast_to(~near, distance.shape)
    np.testing.assert_array_equal(confidence(made_map(distance), strict), expected)
    np.testing.assert_array_equal(confidence(made_map(distance.T), strict), expected.T)


def test_near_an_edge_a_pixel_keeps_the_confidence_that_is_set() -> None:
    distance = np.where(np.arange(WIDTH) < 18, 2.0, 3.0) * np.ones((HEIGHT, 1))
    found = confidence(made_map(distance), ConfidenceSettings(edge_radius=2, edge_confidence=0.25, border=0))
    strict = confidence(made_map(distance), STRICT)
    np.testing.assert_array_equal(found, np.where(strict == 0, 0.25, 1.0))


def test_a_step_below_the_bend_is_no_edge() -> None:
    distance = np.where(np.arange(WIDTH) < 18, 2.0, 2.0 * 1.015) * np.ones((HEIGHT, 1))
    assert not depth_edges(made_map(distance), 0.02).any()
    assert depth_edges(made_map(distance), 0.01).any()


def test_a_hole_is_an_edge_and_has_no_confidence() -> None:
    distance = np.full((21, 21), 2.0)
    distance[10, 10] = np.inf
    found = confidence(made_map(distance), STRICT)
    expected = np.ones((21, 21))
    expected[7:14, 7:14] = 0
    # The edge is a cross, not a square: its corners, diagonal neighbours of the hole, are 3 away in both axes.
    for row, col in ((7, 7), (7, 13), (13, 7), (13, 13)):
        assert found[row, col] == 1
        expected[row, col] = 1
    np.testing.assert_array_equal(found, expected)


def test_a_pixel_half_on_the_mesh_has_no_confidence() -> None:
    whole = made_map(np.full((9, 9), 2.0), samples=2)
    whole.face_ids[8, 8] = -1  # one of the four samples of pixel (4, 4)
    found = confidence(whole, OFF)
    assert found[4, 4] == 0
    assert found.sum() == 80


@pytest.mark.parametrize("tilt", [0.0, 0.7, 1.2, 1.35])
@pytest.mark.parametrize("camera", LENSES, ids=lambda camera: f"{camera.model} {camera.params[0]:g}")
def test_a_steep_plane_is_no_depth_edge(camera: Camera, tilt: float) -> None:
    uv_map = seen(wall(tilt).mesh(), camera)
    whole = uv_map.by_pixel(uv_map.valid).all(axis=2)
    inner = ~dilate(~whole, 2)
    assert inner.mean() > 0.3
    assert not (depth_edges(uv_map, 0.02) & inner).any()


def test_the_silhouette_of_a_box_before_a_wall_is_flagged_all_around() -> None:
    box = Plane(np.array([-0.4, 0.3, 2.0]), np.array([0.8, 0.0, 0.0]), np.array([0.0, -0.6, 0.0])).mesh()
    back = wall().mesh()
    assert box.uvs is not None
    assert back.uvs is not None
    both = Mesh(
        np.concatenate([box.vertices, back.vertices]),
        np.concatenate([box.faces, back.faces + 4]).astype(np.int32),
        np.concatenate([box.uvs, back.uvs]),
        np.concatenate([box.faces, back.faces + 4]).astype(np.int32),
    )
    uv_map = seen(both)
    on_box = uv_map.by_pixel(uv_map.face_ids < 2).any(axis=2)
    silhouette = dilate(on_box, 1) & dilate(~on_box, 1)
    found = confidence(uv_map, replace(STRICT, edge_radius=1))
    assert (found[silhouette] == 0).all()
    assert (found[~dilate(silhouette, 2)] > 0.5).all()


@pytest.mark.parametrize(
    ("cosine", "expected"),
    [(1.0, 1.0), (0.35, 1.0), (0.2, 0.5), (0.125, 0.15625), (0.05, 0.0), (0.0, 0.0), (-0.5, 0.0), (-1.0, 0.0)],
)
def test_confidence_rises_smoothly_between_the_two_grazing_cosines(cosine: float, expected: float) -> None:
    uv_map = made_map(np.ones((5, 5)), cosine)
    # The rest of the photo sees the front, so the mesh is oriented.
    uv_map.cosine[:, 1:] = 1.0
    found = confidence(uv_map, ConfidenceSettings(border=0, grazing=(0.05, 0.35)))
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)
    assert (found[:, 1:] == 1).all()


@pytest.mark.parametrize("cosine", [0.1, 0.2, 0.9])
def test_both_sides_count_where_much_is_seen_from_behind(cosine: float) -> None:
    front, mixed = made_map(np.ones((6, 6)), cosine), made_map(np.ones((6, 6)), cosine)
    mixed.cosine[:3] *= -1
    expected = confidence(front, ConfidenceSettings(border=0))
    np.testing.assert_array_equal(confidence(mixed, ConfidenceSettings(border=0)), expected)


def test_the_most_grazing_sample_decides() -> None:
    uv_map = made_map(np.ones((5, 5)), samples=2)
    uv_map.cosine[4, 5] = 0.2
    found = confidence(uv_map, ConfidenceSettings(border=0, grazing=(0.05, 0.35)))
    assert found[2, 2] == pytest.approx(0.5, abs=1e-6)
    assert (np.delete(found.ravel(), 12) == 1).all()


@pytest.mark.parametrize("grazing", [(0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (0.1, 1.5)])
def test_grazing_cosines_must_rise(grazing: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="grazing"):
        ConfidenceSettings(grazing=grazing)


@settings(max_examples=60, deadline=None)
@given(nps.arrays(bool, nps.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(0, 10))
def test_dilate_is_the_maximum_over_a_square(mask: np.ndarray, radius: int) -> None:
    before = mask.copy()
    found = dilate(mask, radius)
    expected = np.zeros_like(mask)
    for row, col in np.argwhere(mask):
        expected[max(row - radius, 0) : row + radius + 1, max(col - radius, 0) : col + radius + 1] = True
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(mask, before)


@settings(max_examples=30, deadline=None)
@given(nps.arrays(np.float64, (6, 7), elements=st.sampled_from([1.0, 1.01, 2.0, np.inf])), st.integers(1, 3))
def test_confidence_lies_in_the_unit_interval_and_falls_with_every_part(distance: np.ndarray, samples: int) -> None:
    uv_map = made_map(distance, 0.3, samples)
    alone, all_parts = confidence(uv_map, OFF), confidence(uv_map, ConfidenceSettings(border=1))
    assert alone.dtype == np.float32
    np.testing.assert_array_equal(alone, np.isfinite(distance))
    assert ((all_parts >= 0) & (all_parts <= alone)).all()


@settings(max_examples=30, deadline=None)
@given(nps.arrays(np.float32, (5, 6), elements=st.sampled_from([-1.0, -0.3, 0.1, 0.2, 1.0])), st.integers(1, 3))
def test_confidence_is_its_formula(cosines: np.ndarray, samples: int) -> None:
    """Of the samples of each pixel the most grazing one decides, and depths count by their inverses' mean."""
    uv_map = made_map(np.linspace(1, 5, 30).reshape(5, 6) ** 2, samples=samples)
    uv_map.cosine[:] = np.kron(cosines, np.ones((samples, samples)))
    uv_map.cosine[::2] *= np.float32(0.9)
    uv_map.distance[:, ::2] *= np.float32(1.2)
    by_pixel = uv_map.by_pixel(uv_map.cosine)
    by_pixel = np.abs(by_pixel) if (by_pixel < 0).mean() > BACK_SHARE else by_pixel
    ramp = np.clip(by_pixel.min(axis=2) / np.float32(0.25), 0, 1)
    edges = dilate(depth_edges(uv_map, 0.02), 1)
    expected = ramp * ramp * (3 - 2 * ramp) * np.where(edges, 0.5, 1.0)
    np.testing.assert_allclose(confidence(uv_map, ConfidenceSettings(border=0)), expected, rtol=1e-5, atol=1e-7)
    middle = (1 / uv_map.by_pixel(uv_map.distance)).mean(axis=2)
    second = np.abs(middle[2:] - 2 * middle[1:-1] + middle[:-2])
    bent = second > 0.02 * np.maximum(middle[1:-1], np.maximum(middle[2:], middle[:-2]))
    assert depth_edges(uv_map, 0.02)[1:-1][bent].all()
