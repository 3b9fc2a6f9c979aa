"""The made-up room: the same for a seed, its geometry and photos agree with the known texture, faults as planted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.errors import ConfigError
from neuraltexgen.geometry import camera_centre, project, rays_through, transform
from neuraltexgen.images import read_photo
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic import (
    Planted,
    Surfaces,
    SyntheticScene,
    SyntheticSettings,
    make_scene,
    photo_name,
    photograph,
    render,
    render_view,
    write_capture,
)
from neuraltexgen.synthetic.cast import nearest
from neuraltexgen.synthetic.layout import ROOM, Rectangle, furnished_room
from neuraltexgen.synthetic.settings import make_camera
from neuraltexgen.synthetic.surfaces import corner_points, join_surfaces, mean_colours

TINY = SyntheticSettings(views=6, width=80, height=60, supersampling=3, detail=100.0)
FAULTY = replace(
    TINY,
    detail=40.0,
    supersampling=1,
    lens="OPENCV",
    distortion=(0.06, -0.02, 0.001, -0.002),
    planted=Planted(pose=(0.3, 10.0), focal=1.05, exposure=0.1, noise=0.02),
)


@pytest.fixture(scope="module")
def room() -> SyntheticScene:
    return make_scene(TINY)


@pytest.fixture(scope="module")
def faulty() -> SyntheticScene:
    return make_scene(FAULTY)


def look_along(direction: tuple[float, float, float], centre: tuple[float, float, float]) -> np.ndarray:
    """cam_from_world of an upright camera."""
    forward = np.array(direction) / np.linalg.norm(direction)
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = right, np.cross(forward, right), forward
    pose[:3, 3] = -pose[:3, :3] @ centre
    return pose


def primary_hits(scene: SyntheticScene, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Rectangle index and point of the ray through every pixel's centre."""
    rows, cols = np.mgrid[: scene.camera.height, : scene.camera.width] + 0.5
    rays = rays_through(scene.camera, np.stack([cols.ravel(), rows.ravel()], axis=1))
    centre = camera_centre(scene.poses[index])
    found = [nearest(scene.surfaces.planes, *centre, *ray) for ray in rays @ scene.poses[index][:3, :3]]
    distance = np.array([hit[1] for hit in found])[:, None]
    return np.array([hit[0] for hit in found]), centre + distance * (rays @ scene.poses[index][:3, :3])


def test_one_seed_gives_one_scene_and_another_seed_another(room: SyntheticScene) -> None:
    again, other = make_scene(TINY), make_scene(replace(TINY, seed=1))
    assert np.array_equal(room.surfaces.pixels, again.surfaces.pixels)
    assert np.array_equal(room.poses, again.poses)
    assert np.array_equal(render_view(room, 2), render_view(again, 2))
    assert not np.array_equal(room.surfaces.pixels, other.surfaces.pixels)
    assert not np.array_equal(room.poses, other.poses)


def test_faces_lie_on_their_rectangle_and_cover_it_facing_the_viewer(room: SyntheticScene) -> None:
    corners = room.mesh.vertices[room.mesh.faces]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert room.mesh.uvs is None
    assert 8000 <= len(room.mesh.faces) <= 15000
    for index, rectangle in enumerate(room.surfaces.rectangles):
        mine = room.face_surfaces == index
        offset = corners[mine].reshape(-1, 3) - rectangle.origin
        assert np.abs(offset @ rectangle.normal).max() < 1e-6
        for side in (rectangle.right, rectangle.down):
            assert np.all(np.abs(offset @ side / (side @ side) - 0.5) < 0.5 + 1e-5)
        areas = crosses[mine] @ rectangle.normal / 2
        assert np.all(areas > 0)
        assert areas.sum() == pytest.approx(np.prod(rectangle.size), rel=1e-5)


def test_things_are_closed_so_no_ray_from_a_camera_leaves_the_room(room: SyntheticScene) -> None:
    for index in range(TINY.views):
        assert np.all(primary_hits(room, index)[0] >= 0)


def test_the_nearer_box_hides_what_is_behind_it(room: SyntheticScene) -> None:
    things = [rectangle.thing for rectangle in room.surfaces.rectangles]
    tea = corner_points(room.surfaces.rectangles[things.index("tea")]).mean(axis=0)
    centre = tea + 1.5 * room.surfaces.rectangles[things.index("tea")].normal + (0, 0, 0.3)
    towards = tea - centre
    index, distance, a, b = nearest(room.surfaces.planes, *centre, *towards)
    assert (things[index], index) == ("tea", things.index("tea"))
    assert (distance, a, b) == pytest.approx((1.0, 0.5, 0.5))
    without = np.array([plane for plane, thing in zip(room.surfaces.planes, things) if thing != "tea"])
    assert nearest(without, *centre, *towards)[1] > 1.01
    image = render(room.surfaces, Camera("PINHOLE", 1, 1, (500.0, 500.0, 0.5, 0.5)), look_along(towards, centre), 3)
    face = np.flatnonzero(room.face_surfaces == index)[:1].astype(np.int32)
    assert image[0, 0] == pytest.approx(room.known_colour(face, tea[None], 0.003)[0], abs=0.05)


def test_photographers_stand_clear_of_walls_and_things_and_see_every_large_surface() -> None:
    scene = make_scene(replace(TINY, detail=20.0, views=48))
    centres = np.array([camera_centre(pose) for pose in scene.poses])
    assert np.all(centres > 0.3)
    assert np.all(centres < np.array(ROOM) - 0.3)
    seen = np.zeros(len(scene.surfaces.rectangles), int)
    for index in range(48):
        hits, counts = np.unique(primary_hits(scene, index)[0], return_counts=True)
        seen[hits[counts > 5]] += 1
    large = np.array([min(r.size) > 0.13 and r.side != "bottom" for r in scene.surfaces.rectangles])
    assert np.mean(seen[large] > 0) > 0.85  # some sides stand against a wall
    assert np.median(seen[large]) >= 5


def test_more_rays_change_little(room: SyntheticScene) -> None:
    coarse, fine, finest = (render(room.surfaces, room.camera, room.poses[0], samples) for samples in (2, 5, 9))
    assert np.sqrt(np.mean((fine - finest) ** 2)) < 0.006
    assert np.abs(fine - finest).max() < 0.12
    assert np.sqrt(np.mean((coarse - finest) ** 2)) > np.sqrt(np.mean((fine - finest) ** 2))


def test_the_known_colour_at_a_pixels_point_is_what_the_pixel_shows(room: SyntheticScene) -> None:
    index = 1
    hits, points = primary_hits(room, index)
    first_face = np.array([np.argmax(room.face_surfaces == q) for q in range(len(room.surfaces.rectangles))], np.int32)
    sharp = render(room.surfaces, room.camera, room.poses[index], 1).reshape(-1, 3)
    assert np.allclose(sharp, room.known_colour(first_face[hits], points), atol=2e-3)
    # Where the surface is viewed nearly head-on the pixel's area is a square on it.
    smooth = render(room.surfaces, room.camera, room.poses[index], 9).reshape(-1, 3)
    ray = points - camera_centre(room.poses[index])
    distance = np.linalg.norm(ray, axis=1)
    cosine = -(room.surfaces.planes[hits, 3:6] * ray).sum(axis=1) / distance
    grid = hits.reshape(TINY.height, TINY.width)
    inner = np.zeros(grid.shape, bool)
    inner[1:-1, 1:-1] = np.all(
        [grid[1:-1, 1:-1] == np.roll(grid, shift, axis)[1:-1, 1:-1] for axis in (0, 1) for shift in (-1, 1)], axis=0
    )
    flat = inner.ravel() & (cosine > 0.9)
    assert flat.sum() > 200
    footprint = float(np.median(distance[flat])) / room.camera.params[0]
    known = room.known_colour(first_face[hits], points, footprint)
    assert np.sqrt(np.mean((known - smooth)[flat] ** 2)) < 0.02
    assert np.sqrt(np.mean((sharp - smooth)[flat] ** 2)) > 2 * np.sqrt(np.mean((known - smooth)[flat] ** 2))


def test_known_colour_averages_over_the_square_and_stays_on_its_rectangle() -> None:
    ramp = np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], 50, axis=0).repeat(3, axis=2)
    surfaces = one_rectangle(ramp)
    here = np.zeros(3, np.int32)
    points = np.array([[0.5, 0, 0.25], [0.25, 0, 0.4], [0.0, 0, 0.25]])
    narrow, wide = (mean_colours(surfaces, here, points, footprint)[:, 0] * 255 for footprint in (0.0, 0.2))
    assert narrow == pytest.approx([99, 49, 0], abs=1e-3)
    assert wide == pytest.approx([99, 49, 9], abs=0.15)  # a linear ramp keeps its mean; at the edge only half is there


def one_rectangle(image: np.ndarray) -> Surfaces:
    """A wall at y = 0 from x = 0 to 1, z from 0.5 down to 0, seen from the south."""
    corner, right, down = (np.array(v) for v in ((0.0, 0.0, 0.5), (1.0, 0.0, 0.0), (0.0, 0.0, -0.5)))
    return join_surfaces([Rectangle("wall", "front", "none", corner, right, down)], [image])


@pytest.mark.parametrize("lens", ["PINHOLE", "OPENCV"])
def test_a_straight_edge_appears_where_the_lens_projects_it(lens: str) -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 170:] = 255  # the edge is at x = 0.85
    distortion = (0.3, -0.05, 0.002, 0.001) if lens == "OPENCV" else ()
    camera = make_camera(SyntheticSettings(width=120, height=90, lens=lens, distortion=distortion))
    pose = look_along((0.0, 1.0, 0.0), (0.5, -0.7, 0.25))
    photo = render(one_rectangle(image), camera, pose, 4)[..., 0]
    heights = np.linspace(0.05, 0.45, 9)
    edge = project(camera, transform(pose, np.column_stack([np.full(9, 0.85), np.zeros(9), heights])))
    for x, y in edge:
        row = photo[int(y), int(x) - 4 : int(x) + 5]
        crossing = int(x) + 5 - row.sum()  # black to white: the white share tells where, to a fraction of a pixel
        assert crossing == pytest.approx(x, abs=0.35)
    bend = np.ptp(edge[:, 0])
    assert bend > 0.5 if lens == "OPENCV" else bend < 1e-6


def test_planted_exposure_is_applied_exactly_and_changes_no_mean(faulty: SyntheticScene) -> None:
    clean = replace(faulty, settings=replace(faulty.settings, planted=Planted(exposure=0.1)))
    expected = np.clip(render_view(clean, 3) * faulty.gains[3] + faulty.offsets[3], 0, 1)
    assert np.array_equal(photograph(clean, 3), expected)
    assert np.log(faulty.gains).mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    assert faulty.offsets.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    assert np.log(faulty.gains).std() == pytest.approx(0.1, rel=0.6)
    noise = (photograph(faulty, 3) - expected)[(expected > 0.1) & (expected < 0.9)]
    assert noise.std() == pytest.approx(0.02, rel=0.1)
    assert np.array_equal(photograph(faulty, 3), photograph(faulty, 3))


def test_without_faults_the_photo_is_the_render(room: SyntheticScene) -> None:
    assert np.array_equal(photograph(room, 0), render_view(room, 0))
    assert np.array_equal(room.poses, room.stated_poses)


def test_a_capture_comes_back_from_disk(faulty: SyntheticScene, tmp_path: Path) -> None:
    assert write_capture(faulty, tmp_path) == tmp_path
    capture = read_capture(tmp_path)
    assert capture.format == "transforms"
    assert capture.left_out == ()
    assert [view.name for view in capture.views] == [photo_name(i) for i in range(TINY.views)]
    for view, pose in zip(capture.views, faulty.stated_poses):
        assert view.camera == faulty.stated_camera
        assert np.abs(view.cam_from_world - pose).max() < 1e-9
    assert capture.mesh is not None
    assert np.array_equal(capture.mesh.vertices, faulty.mesh.vertices)
    assert np.array_equal(capture.mesh.faces, faulty.mesh.faces)
    stored = read_photo(capture.views[2].photo).pixels
    assert np.array_equal(stored, np.rint(photograph(faulty, 2).astype(np.float64) * 255).astype(np.uint8))
    albedo = read_photo(next((tmp_path / "truth" / "albedo").glob("04_*"))).pixels
    assert np.array_equal(albedo, faulty.surfaces.albedo(4))


@pytest.mark.parametrize(
    "wrong", [{"views": 0}, {"detail": 1.0}, {"lens": "BROWN"}, {"lens": "OPENCV", "distortion": (0.1,)}, {"seed": -1}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        SyntheticSettings(**wrong)


def test_rectangles_of_a_room_are_rectangles() -> None:
    for rectangle in furnished_room():
        assert rectangle.right @ rectangle.down == pytest.approx(0, abs=1e-12)
