"""The rasteriser on the processor: the ray caster's maps along any lens's rays, watertight, the same on any machine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraltexgen.errors import UnwrapError
from neuraltexgen.geometry import pixel_rays
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.raster.lens import FORWARD, lens_bounds
from neuraltexgen.uvmap.raster.rasteriser import Rasteriser
from neuraltexgen.uvmap.raycast import RayCaster
from planes import CAMERAS, HEIGHT, WIDTH, pose
from renderings import FINE, PLANE, agree, box, sheet, together

LENSES = {
    "PINHOLE": FINE,
    "SIMPLE_RADIAL": Camera("SIMPLE_RADIAL", 320, 240, (300.0, 160.0, 120.0, -0.15)),
    "OPENCV": Camera("OPENCV", 320, 240, (304.0, 296.0, 168.0, 116.0, 0.2, -0.1, 0.01, -0.02)),
    "OPENCV_FISHEYE": Camera("OPENCV_FISHEYE", 320, 240, (240.0, 248.0, 168.0, 116.0, 0.03, -0.02, 0.004, 0.001)),
}
ROUND = Camera("OPENCV_FISHEYE", 120, 120, (38.0, 38.0, 60.0, 60.0, 0.0, 0.0, 0.0, 0.0))
"""Sees 90 degrees to all sides and a little more; in its corners it is not defined."""


def raster(mesh: Mesh, camera: Camera, cam_from_world: np.ndarray, samples: int = 1) -> UVMap:
    return Rasteriser(mesh).uv_map(camera, cam_from_world, samples)


def both(mesh: Mesh, camera: Camera, cam_from_world: np.ndarray, samples: int = 1) -> tuple[UVMap, UVMap]:
    return RayCaster(mesh).uv_map(camera, cam_from_world, samples), raster(mesh, camera, cam_from_world, samples)


def equal(a: UVMap, b: UVMap) -> None:
    for name in ("uv", "face_ids", "distance", "cosine", "footprint"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize("model", LENSES)
def test_a_bumpy_sheet_is_seen_as_by_rays_through_every_lens(model: str, samples: int) -> None:
    for seed in range(2):
        expected, found = both(sheet(seed=seed), LENSES[model], pose(seed), samples)
        agree(expected, found, 0.9998)
        assert 0.1 < found.valid.mean() < 0.95


def test_faces_smaller_than_a_sample_are_told_apart() -> None:
    camera = Camera("OPENCV", 160, 120, (152.0, 148.0, 84.0, 58.0, 0.1, -0.05, 0.01, -0.01))
    expected, found = both(sheet(201, rough=0.0005), camera, pose())
    agree(expected, found)


@pytest.mark.parametrize("model", LENSES)
def test_two_faces_over_the_whole_photo(model: str) -> None:
    """Large faces, drawn tile by tile."""
    expected, found = both(box(-3.0, 3.0), LENSES[model], pose(turn=0.6), 2)
    agree(expected, found, 0.9999)
    assert found.valid.all()


def test_long_slivers_across_the_photo() -> None:
    rng = np.random.default_rng(0)
    ends = rng.uniform(-4, 4, (300, 2, 3)) * (1, 1, 0.2) + (0, 0, 4)
    corners = np.concatenate([ends, ends[:, 1:] + 0.01 * rng.standard_normal((300, 1, 3))], axis=1).reshape(-1, 3)
    faces = np.arange(900, dtype=np.int32).reshape(-1, 3)
    mesh = Mesh(corners, faces, rng.random((900, 2)), faces.copy())
    expected, found = both(mesh, LENSES["OPENCV"], np.eye(4))
    agree(expected, found)
    assert len(np.unique(found.face_ids)) > 150


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("camera", [*LENSES.values(), ROUND], ids=lambda c: f"{c.model} {c.width}")
def test_a_closed_surface_has_no_holes_from_inside(camera: Camera, samples: int) -> None:
    """Whatever lies between two faces belongs to one of them; faces reach past the camera on all sides."""
    rough = box(-2.0, 2.0)
    rng = np.random.default_rng(1)
    points, faces = rough.vertices, rough.faces
    for _ in range(4):  # each face in three, about a point beside its middle
        middle = points[faces].mean(axis=1) * rng.uniform(0.8, 1.2, (len(faces), 1))
        at = np.arange(len(faces), dtype=np.int32)[:, None] + len(points)
        faces = np.concatenate([np.hstack([faces[:, [k, (k + 1) % 3]], at]) for k in range(3)])
        points = np.concatenate([points, middle])
    mesh = Mesh(points, faces, points[:, :2] / 5 + 0.5, faces.copy())
    _, defined = pixel_rays(camera, samples)
    expected, found = both(mesh, camera, pose(3, 0.5), samples)
    np.testing.assert_array_equal(found.valid, defined)
    agree(expected, found)


def test_rays_far_off_the_axis_are_cast() -> None:
    lens = lens_bounds(ROUND, 2)
    rays, defined = pixel_rays(ROUND, 2)
    np.testing.assert_array_equal(
        lens.beyond, np.flatnonzero(defined.reshape(-1) & (rays[..., 2].reshape(-1) <= FORWARD))
    )
    assert 0.2 < len(lens.beyond) / defined.size < 0.8
    expected, found = both(together(sheet(), box(-2.0, 2.0)), ROUND, pose(), 2)
    agree(expected, found)
    beyond = found.face_ids.reshape(-1)[lens.beyond]
    np.testing.assert_array_equal(beyond, expected.face_ids.reshape(-1)[lens.beyond])


def test_what_lies_behind_the_camera_is_not_seen() -> None:
    away = np.diag([-1.0, 1.0, -1.0, 1.0]) @ pose()
    assert raster(PLANE.mesh(), FINE, pose()).valid.any()
    found = raster(PLANE.mesh(), FINE, away)
    assert not found.valid.any()
    for field in (found.uv, found.distance, found.cosine, found.footprint):
        assert not field.any()


def test_of_two_equal_faces_the_first_is_seen_and_turning_them_changes_nothing() -> None:
    mesh = sheet()
    assert mesh.uv_faces is not None
    count = len(mesh.faces)
    twice = Mesh(
        mesh.vertices, np.concatenate([mesh.faces] * 2), mesh.uvs, np.concatenate([mesh.uv_faces] * 2)
    )  # fmt: skip
    once, found = raster(mesh, FINE, pose(), 2), raster(twice, FINE, pose(), 2)
    assert found.face_ids.max() < count
    equal(once, found)
    turned = Mesh(mesh.vertices, mesh.faces[:, ::-1].copy(), mesh.uvs, mesh.uv_faces[:, ::-1].copy())
    np.testing.assert_array_equal(raster(turned, FINE, pose(), 2).face_ids, once.face_ids)


def test_the_order_of_faces_changes_face_ids_only() -> None:
    mesh = sheet()
    assert mesh.uv_faces is not None
    order = np.random.default_rng(1).permutation(len(mesh.faces))
    seen = raster(mesh, FINE, pose(), 2)
    shuffled = raster(Mesh(mesh.vertices, mesh.faces[order], mesh.uvs, mesh.uv_faces[order]), FINE, pose(), 2)
    np.testing.assert_array_equal(seen.valid, shuffled.valid)
    renamed = np.where(shuffled.valid, order[shuffled.face_ids], -1)
    assert (renamed == seen.face_ids).mean() > 0.9999
    np.testing.assert_allclose(shuffled.uv, seen.uv, atol=1e-6)


def test_the_number_of_threads_changes_nothing() -> None:
    maps = [Rasteriser(sheet(), count).uv_map(LENSES["OPENCV"], pose(), 2) for count in (1, 2, 5)]
    equal(maps[0], maps[1])
    equal(maps[0], maps[2])


def test_photos_of_many_sizes_take_turns() -> None:
    renderer, caster = Rasteriser(sheet()), RayCaster(sheet())
    for width, height in ((40, 30), (30, 60), (80, 20), (40, 30), (1, 1), (1, 5), (5, 1)):
        camera = Camera("OPENCV", width, height, (38.0, 37.0, width / 2, height / 2, 0.05, -0.01, 0.002, 0.001))
        for samples in (2, 1):
            found = renderer.uv_map(camera, pose(), samples)
            agree(caster.uv_map(camera, pose(), samples), found, 0.998)
            assert found.valid.any()


@pytest.mark.parametrize("size", [1e-3, 1e4])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_where_the_scene_lies_and_its_size_change_nothing(size: float, offset: float) -> None:
    mesh, cam_from_world, shift = sheet(), pose(), offset * np.array([1.0, -0.7, 0.4])
    moved = Mesh(mesh.vertices * size + shift, mesh.faces, mesh.uvs, mesh.uv_faces)
    moved_pose = cam_from_world.copy()
    moved_pose[:3, 3] = size * cam_from_world[:3, 3] - cam_from_world[:3, :3] @ shift
    seen, there = raster(mesh, FINE, cam_from_world), raster(moved, FINE, moved_pose)
    same = seen.face_ids == there.face_ids
    tolerance = 1e-6 + 10 * 2e-10 * (offset > 0) / size  # doubles at 1e6 are 1e-10 apart
    assert same.mean() > 0.999
    np.testing.assert_allclose(there.uv[same], seen.uv[same], atol=tolerance)
    np.testing.assert_allclose(there.distance[same], size * seen.distance[same], rtol=tolerance)


def drawn_by_the_definition(mesh: Mesh, camera: Camera, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Per sample, the nearest face and 1 / z there, by every face's edge functions at every sample; a camera at 0."""
    rays, _ = pixel_rays(camera, samples)
    x, y, z = np.moveaxis(rays.astype(np.float64), 2, 0)
    x, y = x / z, y / z
    best, face_ids = np.zeros(x.shape), np.full(x.shape, -1)
    for face, (a, b, c) in enumerate(mesh.vertices[mesh.faces]):
        edges = np.cross([b, c, a], [c, a, b])
        volume = edges[0] @ a
        if volume != 0:
            inside = [np.sign(volume) * (edge[0] * x + edge[1] * y + edge[2]) for edge in edges]
            near = sum(inside) / abs(volume)
            wins = np.all([values >= 0 for values in inside], axis=0) & (near > best)
            best[wins], face_ids[wins] = near[wins], face
    return face_ids, best


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.5, 5.0]), st.sampled_from(["PINHOLE", "OPENCV"]))
def test_no_sample_of_any_face_is_lost(seed: int, size: float, model: str) -> None:
    """Boxes, bands, tiles and bounds of the lens leave out nothing; faces reach behind the camera too."""
    rng = np.random.default_rng(seed)
    middles = rng.uniform((-2, -1.5, -1), (2, 1.5, 5), (60, 1, 3))
    corners = (middles + size * rng.standard_normal((60, 3, 3))).reshape(-1, 3)
    faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    mesh = Mesh(corners, faces, rng.random((len(corners), 2)), faces.copy())
    found = raster(mesh, CAMERAS[model], np.eye(4), 2)
    expected, _ = drawn_by_the_definition(mesh, CAMERAS[model], 2)
    # The renderer works about the mesh's middle, in other units: a sample on an edge may fall to its other side.
    assert (found.face_ids != expected).sum() <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 1e-4, 1e-9]), st.sampled_from([0.0, 1e-3, 1e-7]))
def test_degenerate_faces_give_a_sound_map(seed: int, flat: float, noise: float) -> None:
    """Points, needles, doubles, shared planes, faces through the camera."""
    rng = np.random.default_rng(seed)
    vertices = rng.integers((-2, -2, -1), (3, 3, 4), (6, 3)) * (flat, 1.0, 1.0) + noise * rng.standard_normal((6, 3))
    faces = rng.integers(0, 6, (8, 3)).astype(np.int32)
    mesh = Mesh(vertices, faces, rng.random((6, 2)), faces.copy())
    camera = Camera("PINHOLE", 9, 7, (5.0, 5.0, 4.5, 3.5))
    seen = raster(mesh, camera, pose(turn=0.15 * (seed % 2)), 2)
    valid = seen.valid
    for field in (seen.uv, seen.distance, seen.cosine, seen.footprint):
        assert np.isfinite(field).all()
    assert (seen.distance[valid] >= 0).all()
    assert (np.abs(seen.cosine) <= 1 + 1e-6).all()
    assert mesh.uvs is not None
    corners = mesh.uvs[faces[seen.face_ids[valid]]]
    assert (seen.uv[valid] >= corners.min(axis=1) - 1e-6).all()
    assert (seen.uv[valid] <= corners.max(axis=1) + 1e-6).all()


def test_a_lens_that_bends_far_keeps_within_its_bounds() -> None:
    """What the bounds promise: a sample lies between the least and the most of the cell that its direction is in."""
    for camera in (*LENSES.values(), ROUND):
        lens, (rays, _) = lens_bounds(camera, 2), pixel_rays(camera, 2)
        rows, cols = np.nonzero(rays[..., 2] > FORWARD)
        x, y, z = rays[rows, cols].astype(np.float64).T
        column, row = (x / z - lens.linear[0]) * lens.linear[1], (y / z - lens.linear[2]) * lens.linear[3]
        for grid, cell in ((lens.cells, 8), (lens.coarse, 128)):
            at = grid[(row / cell).astype(int), (column / cell).astype(int)]
            assert (at[:, 0] <= cols - column).all()
            assert (cols - column <= at[:, 1]).all()
            assert (at[:, 2] <= rows - row).all()
            assert (rows - row <= at[:, 3]).all()


def test_a_mesh_without_uvs_has_no_uv_map() -> None:
    mesh = PLANE.mesh()
    with pytest.raises(UnwrapError, match="no uvs"):
        Rasteriser(Mesh(mesh.vertices, mesh.faces))


def test_its_maps_are_not_taken_for_the_ray_casters() -> None:
    for camera in (*CAMERAS.values(), Camera("PINHOLE", WIDTH, HEIGHT, (9.0, 9.0, 5.0, 5.0))):
        assert Rasteriser(PLANE.mesh()).result_key(camera) != RayCaster(PLANE.mesh()).result_key(camera)
