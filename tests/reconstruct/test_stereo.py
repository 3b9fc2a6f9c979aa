"""Rectification and matching on a plane whose depth is known; merging and filtering by what was planted."""

import numpy as np
import pytest

from neuraltexgen.geometry import invert_pose
from neuraltexgen.reconstruct.consistency import Agreement, DepthView, keep_agreed, world_points
from neuraltexgen.reconstruct.pictures import Picture
from neuraltexgen.reconstruct.rectify import Pinhole, rectify
from neuraltexgen.reconstruct.stereo import PairDepth, merge_pairs, pair_depth, remove_speckles
from neuraltexgen.scene import Camera

SIZE, FOCAL = (200, 150), 180.0
NORMAL, OFFSET = np.array([0.25, -0.1, 1.0]), 3.0
"""The plane: NORMAL . x = OFFSET."""


def pinhole(place: tuple[float, float, float], roll: float = 0.0, yaw: float = 0.0) -> Pinhole:
    c, s = np.cos(roll), np.sin(roll)
    cy, sy = np.cos(yaw), np.sin(yaw)
    pose = np.eye(4)
    pose[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pose[:3, 3] = place
    matrix = np.array([[FOCAL, 0, SIZE[0] / 2 - 0.5], [0, FOCAL, SIZE[1] / 2 - 0.5], [0, 0, 1]])
    return Pinhole(matrix, SIZE, invert_pose(pose))


def plane_depth(view: Pinhole) -> np.ndarray:
    cols, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    rays = np.stack([cols, rows, np.ones_like(cols)], axis=-1) @ np.linalg.inv(view.matrix).T
    world = invert_pose(view.cam_from_world)
    return ((OFFSET - NORMAL @ world[:3, 3]) / (rays @ world[:3, :3].T @ NORMAL)).astype(np.float32)


def picture(view: Pinhole) -> Picture:
    """The plane, painted with waves of many directions and lengths, which no two places share."""
    points, (rows, cols) = world_points(DepthView(plane_depth(view), view))
    generator = np.random.default_rng(3)
    grey = np.zeros(SIZE[::-1])
    waves = generator.normal(size=(60, 2)) * generator.uniform(3, 40, size=(60, 1))
    grey[rows, cols] = np.cos(points[:, :2] @ waves.T + generator.uniform(0, 6, 60)).sum(axis=1)
    pixels = np.clip(128 + 12 * grey, 0, 255).astype(np.uint8)
    camera = Camera("PINHOLE", *SIZE, (FOCAL, FOCAL, SIZE[0] / 2, SIZE[1] / 2))
    return Picture(pixels, np.repeat(pixels[..., None], 3, 2), np.ones(SIZE[::-1], bool), camera, view)


def plane_points() -> np.ndarray:
    view = pinhole((0, 0, 0))
    return world_points(DepthView(plane_depth(view), view))[0][::37]


PLACES = [
    pinhole((0.3, 0.02, 0.05), yaw=-0.08),
    pinhole((-0.25, 0.1, 0.0), roll=0.3),
    pinhole((0.03, 0.35, -0.05), roll=1.4),
]


@pytest.mark.parametrize("second", PLACES)
def test_rectified_points_lie_on_one_row_at_the_disparity_of_their_depth(second: Pinhole) -> None:
    first, points = pinhole((0, 0, 0)), plane_points()
    pair = rectify(first, second, points, 384)
    assert pair is not None

    def image(view: Pinhole, matrix: np.ndarray) -> np.ndarray:
        cam = points @ view.cam_from_world[:3, :3].T + view.cam_from_world[:3, 3]
        pixels = cam @ view.matrix.T @ matrix.T
        return pixels[:, :2] / pixels[:, 2:]

    left, right = image(first, pair.from_first), image(second, pair.from_second)
    depth = (points @ first.cam_from_world[:3, :3].T + first.cam_from_world[:3, 3]) @ pair.rotation[2]
    assert np.allclose(left[:, 1], right[:, 1], atol=1e-6)
    assert np.allclose(left[:, 0] - right[:, 0], pair.bridge / depth - pair.shift, atol=1e-6)
    searched = left[:, 0] - right[:, 0]
    assert (searched >= 0).all()
    assert (searched < pair.disparities).all()
    assert pair.disparities % 16 == 0


def test_cameras_behind_each_other_or_at_one_place_make_no_pair() -> None:
    first, points = pinhole((0, 0, 0)), plane_points()
    assert rectify(first, pinhole((0, 0, 0.4)), points, 384) is None
    assert rectify(first, pinhole((0, 0, 0), yaw=0.1), points, 384) is None
    assert rectify(first, pinhole((0.3, 0, 0), yaw=2.8), points, 384) is None


def test_what_needs_too_many_disparities_is_matched_smaller() -> None:
    first, second, points = pinhole((0, 0, 0)), PLACES[0], plane_points()
    points = np.concatenate([points, points * 0.25])
    full, small = rectify(first, second, points, 384), rectify(first, second, points, 64)
    assert full is not None
    assert small is not None
    assert full.disparities > 64 >= small.disparities
    assert small.bridge < full.bridge


@pytest.mark.parametrize("second", PLACES)
def test_the_depth_of_a_plane_comes_back(second: Pinhole) -> None:
    first = pinhole((0, 0, 0))
    found = pair_depth(picture(first), picture(second), plane_points())
    assert found is not None
    known = np.isfinite(found.depth)
    assert known.mean() > 0.5
    off = np.abs(1 / found.depth[known] - 1 / plane_depth(first)[known]) / found.inverse_per_pixel
    assert np.median(off) < 0.2  # pixels of disparity
    assert np.quantile(off, 0.9) < 1.0


def test_masked_pixels_get_no_depth() -> None:
    masked = picture(pinhole((0, 0, 0)))
    masked.valid[:, :90] = False
    found = pair_depth(masked, picture(PLACES[0]), plane_points())
    assert found is not None
    assert np.isnan(found.depth[:, :90]).all()
    assert np.isfinite(found.depth[:, 90:]).mean() > 0.5


def test_merging_takes_the_depth_that_most_pairs_tell() -> None:
    truth = np.full((4, 6), 2.0, np.float32)
    wrong, unknown = truth.copy(), truth.copy()
    wrong[0], unknown[1] = 3.0, np.nan
    pairs = [PairDepth(wrong, 0.001), PairDepth(truth * 1.001, 0.004), PairDepth(truth * 0.999, 0.004)]
    merged = merge_pairs([*pairs, PairDepth(unknown, 0.001)])
    assert np.allclose(merged.depth, 2, rtol=2e-3)
    assert merged.agreeing[0].tolist() == [3] * 6
    assert merged.agreeing[1].tolist() == [3] * 6
    nothing = merge_pairs([PairDepth(np.full((2, 2), np.nan, np.float32), 0.001)])
    assert np.isnan(nothing.depth).all()
    assert (nothing.agreeing == 0).all()


def test_small_islands_are_removed_and_slopes_are_not() -> None:
    depth = np.tile(np.linspace(1, 3, 200, dtype=np.float32), (100, 1))
    island = depth.copy()
    island[40:45, 60:65] = 9
    island[:, 150] = np.nan
    cleaned = remove_speckles(island, 100)
    assert np.isnan(cleaned[40:45, 60:65]).all()
    rest = np.isfinite(island)
    rest[40:45, 60:65] = False
    assert np.array_equal(cleaned[rest], island[rest])
    assert np.isnan(remove_speckles(np.full((5, 5), np.nan, np.float32))).all()


def test_only_what_enough_views_confirm_is_kept() -> None:
    views = [DepthView(plane_depth(place), place) for place in (pinhole((0, 0, 0)), *PLACES)]
    planted = views[0].depth.copy()
    planted[60:80, 90:110] *= 1.1
    kept = keep_agreed(DepthView(planted, views[0].pinhole), views[1:])
    assert np.isnan(kept[60:80, 90:110]).all()
    middle = np.isfinite(kept[40:110, 60:140])
    middle[20:40, 30:50] = True
    assert middle.mean() > 0.95
    known = np.isfinite(kept)
    assert np.allclose(kept[known], views[0].depth[known], rtol=2e-3)
    assert np.isnan(keep_agreed(views[0], views[1:2])).all()
    alone = keep_agreed(views[0], [], Agreement(views=0))
    assert np.allclose(alone, views[0].depth)
