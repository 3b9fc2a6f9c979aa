"""Surfaces through points: a sphere comes back, a hole stays a hole, crumbs go, faces stay within their number."""

import numpy as np
import pytest

from neuraltexgen.errors import ReconstructError
from neuraltexgen.geometry import face_areas, invert_pose
from neuraltexgen.reconstruct.cloud import Cloud, cell_keys, pixel_footprint, thin, view_cloud
from neuraltexgen.reconstruct.consistency import DepthView
from neuraltexgen.reconstruct.poisson import near_points
from neuraltexgen.reconstruct.rectify import Pinhole
from neuraltexgen.reconstruct.surface import SurfaceSettings, make_surface, nearby_colours, without_crumbs
from neuraltexgen.scene import Mesh

CELL = 0.06


def sphere(count: int = 20_000, below: float = 1.0) -> Cloud:
    """Points of the unit sphere with z < `below`, red where x > 0, else blue."""
    steps = np.arange(count) + 0.5
    z, turn = 1 - 2 * steps / count, np.pi * (1 + 5**0.5) * steps
    points = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=1)
    points = points[points[:, 2] < below]
    colours = np.where(points[:, :1] > 0, [255, 0, 0], [0, 0, 255]).astype(np.uint8)
    return Cloud(points, points.copy(), colours)


@pytest.fixture(scope="module")
def ball() -> Mesh:
    return make_surface(sphere(), SurfaceSettings(100_000, CELL))


def test_a_sphere_comes_back_facing_outwards_in_its_colours(ball: Mesh) -> None:
    assert np.abs(np.linalg.norm(ball.vertices, axis=1) - 1).max() < 0.3 * CELL
    assert face_areas(ball.vertices, ball.faces).sum() == pytest.approx(4 * np.pi, rel=0.01)
    a, b, c = (ball.vertices[ball.faces[:, i]] for i in range(3))
    assert ((np.cross(b - a, c - a) * (a + b + c)).sum(axis=1) > 0).mean() > 0.999
    assert ball.colours is not None
    clear = np.abs(ball.vertices[:, 0]) > 4 * CELL
    assert (ball.colours[clear & (ball.vertices[:, 0] > 0)] > [0.9, -1, -1]).all()
    assert (ball.colours[clear & (ball.vertices[:, 0] < 0)] > [-1, -1, 0.9]).all()


def test_a_hole_stays_a_hole() -> None:
    mesh = make_surface(sphere(below=0.5), SurfaceSettings(100_000, CELL))
    assert mesh.vertices[:, 2].max() < 0.5 + 8 * CELL
    radius = np.linalg.norm(mesh.vertices, axis=1)
    assert face_areas(mesh.vertices, mesh.faces).sum() < 4 * np.pi * 0.75 * 1.15
    assert np.quantile(np.abs(radius - 1), 0.9) < 0.3 * CELL


def test_faces_stay_within_their_number_and_on_the_surface(ball: Mesh) -> None:
    few = make_surface(sphere(), SurfaceSettings(2000, CELL))
    assert 1000 < len(few.faces) <= 2000 < len(ball.faces)
    assert np.abs(np.linalg.norm(few.vertices, axis=1) - 1).max() < 0.5 * CELL
    assert few.colours is not None


def test_small_pieces_are_removed_and_the_largest_never(ball: Mesh) -> None:
    crumb = Mesh(ball.vertices * 0.02 + 3, ball.faces)
    both = Mesh(
        np.concatenate([ball.vertices, crumb.vertices]),
        np.concatenate([ball.faces, crumb.faces + len(ball.vertices)]).astype(np.int32),
    )
    assert len(without_crumbs(both).faces) == len(ball.faces)
    assert without_crumbs(both).vertices.max() < 2
    assert len(without_crumbs(both, 2.0).faces) == len(ball.faces)


def test_only_what_lies_near_points_is_kept(ball: Mesh) -> None:
    half = sphere()
    half = Cloud(
        half.points[half.points[:, 0] > 0], half.normals[half.points[:, 0] > 0], half.colours[half.points[:, 0] > 0]
    )
    kept = near_points(ball, half, CELL)
    assert kept.vertices[:, 0].min() > -2 * CELL
    assert (face_areas(kept.vertices, kept.faces).sum()) > 2 * np.pi * 0.98
    with pytest.raises(ReconstructError, match="none of it lies near"):
        near_points(ball, Cloud(half.points + 9, half.normals, half.colours), CELL)


def test_too_few_points_give_no_surface() -> None:
    with pytest.raises(ReconstructError, match="at least 100 points, there are 50"):
        make_surface(sphere(50), SurfaceSettings(1000, CELL))


def test_points_of_a_depth_map_lie_on_its_surface_and_face_the_camera() -> None:
    pose = invert_pose(np.block([[np.eye(3), np.array([[1.0], [2], [3]])], [np.zeros((1, 3)), np.ones((1, 1))]]))
    view = Pinhole(np.array([[50.0, 0, 19.5], [0, 50, 14.5], [0, 0, 1]]), (40, 30), pose)
    depth = np.full((30, 40), 2.0, np.float32)
    depth[:, 20:] = 4.0
    depth[0, 0] = np.nan
    cloud = view_cloud(DepthView(depth, view), np.full((30, 40, 3), 7, np.uint8))
    assert set(np.round(cloud.points[:, 2], 5)) == {5.0, 7.0}
    # The rim, the hole's neighbours, and the columns on both sides of the step have no normal.
    assert len(cloud.points) == 28 * 36
    assert np.allclose(cloud.normals, [0, 0, -1])
    assert pixel_footprint([DepthView(depth, view)]) == pytest.approx(3 / 50, rel=0.4)


def test_thinning_keeps_the_mean_and_both_sides_of_a_wall() -> None:
    cloud = sphere(5000)
    thinned = thin([cloud, cloud], 0.2)
    assert len(thinned.points) < 1500
    assert np.allclose(np.linalg.norm(thinned.normals, axis=1), 1)
    assert np.abs(np.linalg.norm(thinned.points, axis=1) - 1).max() < 0.03
    wall = np.full((1, 3), 0.05)
    sides = [Cloud(wall, np.array([[0, 0, s]]), np.zeros((1, 3), np.uint8)) for s in (1.0, -1.0)]
    assert sorted(thin(sides, 0.2).normals[:, 2]) == [-1, 1]


def test_cells_are_told_apart_and_negative_ones_too() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(-6, 6)] * 3), axis=-1).reshape(-1, 3) * 0.5
    assert len(np.unique(cell_keys(grid + 0.1, 0.5))) == len(grid)
    assert np.array_equal(cell_keys(grid + 0.1, 0.5), cell_keys(grid + 0.4, 0.5))


def test_vertices_without_a_point_are_grey() -> None:
    assert np.allclose(nearby_colours(np.full((1, 3), 50.0), sphere(200), 0.1), 128 / 255)
