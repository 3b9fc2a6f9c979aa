"""What `inspect` says of good captures, and its warnings about bad ones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny
from neuraltexgen.checks import CaptureInfo, inspect
from neuraltexgen.geometry import CV_FROM_GL, invert_pose, pixel_rays
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Camera, LeftOut, Mesh, Scene, View
from neuraltexgen.sight import field_of_view, seen_depths, surface_points

SCENES = Path(__file__).parents[2] / "shared" / "scenes"
needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures are not beside this repository")
OPENCV = Camera("OPENCV", tiny.WIDTH, tiny.HEIGHT, tiny.OPENCV)


def scene(change: np.ndarray | None = None, camera: Camera = OPENCV, mesh: Mesh | None = None) -> Scene:
    """The tiny scene; `change` is applied to every pose from the camera's side."""
    poses = [(np.eye(4) if change is None else change) @ pose for pose in tiny.tiny().poses.values()]
    views = tuple(View(str(i), camera, pose, Path(f"{i}.jpg")) for i, pose in enumerate(poses))
    return Scene("tiny", "made", views, mesh or tiny.tiny().mesh)


def warnings(given: Scene) -> str:
    return "\n".join(inspect(given).warnings)


def test_a_good_capture_has_figures_and_no_warnings() -> None:
    info = inspect(scene())
    assert info.warnings == ()
    assert (info.views, info.seeing) == (3, 1.0)
    assert info.median_distance == pytest.approx(3, abs=0.5)
    assert (info.cameras[0].model, info.cameras[0].count) == ("OPENCV", 3)
    assert info.mesh is not None
    assert (info.mesh.faces, info.mesh.uvs, info.mesh.components) == (8, 9, 1)
    assert (info.mesh.boundary_edges, info.mesh.non_manifold_edges) == (8, 0)
    assert info.mesh.low == (-1, -1, 0)
    json.dumps(info.to_json(), allow_nan=False)


def test_inverted_poses_are_suspected() -> None:
    """Cameras on a ring, looking at the mesh in the middle; their poses are given the wrong way round."""
    mesh = tiny.tiny().mesh
    views = []
    for angle in np.linspace(0, 5, 6):
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        world_from_cam = np.eye(4)
        world_from_cam[:3, :3] = turn
        world_from_cam[:3, 3] = turn @ (0, 0, -9) + (30, 5, 0)
        views.append(View(str(angle), OPENCV, invert_pose(world_from_cam), Path("a.jpg")))
    shifted = Mesh(mesh.vertices + np.array([30.0, 5, 0]), mesh.faces)
    good = Scene("ring", "made", tuple(views), shifted)
    assert warnings(good) == ""
    wrong = replace(good, views=tuple(replace(v, cam_from_world=invert_pose(v.cam_from_world)) for v in views))
    assert "would if world-to-camera was given as camera-to-world" in warnings(wrong)


def test_flipped_axes_are_suspected() -> None:
    said = warnings(scene(CV_FROM_GL))
    assert "no camera sees the mesh; it lies behind 3 of 3 cameras; 3 would if the camera axes were OpenGL's" in said


def test_a_mesh_in_another_frame_or_unit_is_noticed() -> None:
    mesh = tiny.tiny().mesh
    far = warnings(scene(mesh=Mesh(mesh.vertices + 1e4, mesh.faces)))
    assert "no camera sees the mesh" in far
    assert "away from the cameras" in far
    assert "tiny against" in warnings(scene(mesh=Mesh(mesh.vertices * 1e-3, mesh.faces)))
    assert "huge against" in warnings(scene(mesh=Mesh(mesh.vertices * 1e4, mesh.faces)))


def test_views_left_out_no_mesh_and_few_views_are_said() -> None:
    given = replace(scene(), mesh=None, left_out=(LeftOut("9", "no photo"), LeftOut("8", "the pose mirrors the scene")))
    said = warnings(given)
    assert "2 of 5 views are left out (the first, '9': no photo)" in said
    assert "1 poses mirror the scene" in said
    assert "no mesh was found" in said
    assert "only 1 views" in warnings(replace(scene(), views=scene().views[:1]))
    empty = inspect(replace(scene(), views=()))
    assert (empty.views, empty.seeing, empty.median_distance) == (0, None, None)


def test_cameras_at_one_place_are_noticed() -> None:
    given = scene()
    same = tuple(replace(view, cam_from_world=np.eye(4)) for view in given.views)
    assert "3 of 3 cameras stand at exactly one place" in warnings(replace(given, views=same))


def test_implausible_intrinsics_are_noticed() -> None:
    fx, fy, cx, cy = tiny.PINHOLE

    def with_pinhole(*params: float) -> str:
        return warnings(scene(camera=Camera("PINHOLE", tiny.WIDTH, tiny.HEIGHT, params)))

    assert with_pinhole(fx, fy, cx, cy) == ""
    assert "3 cameras have a principal point far from the centre" in with_pinhole(fx, fy, cx * 1.8, cy)
    assert "implausible field of view (1.8 degrees)" in with_pinhole(1000.0, 1000.0, cx, cy)
    assert "implausible field of view" in with_pinhole(0.03, 0.03, cx, cy)
    fisheye = Camera("OPENCV_FISHEYE", tiny.WIDTH, tiny.HEIGHT, (10.0, 10.0, cx, cy, 0.0, 0.0, 0.0, 0.0))
    assert "field of view" not in warnings(scene(camera=fisheye))
    around = Camera("EQUIRECTANGULAR", tiny.WIDTH, tiny.HEIGHT, (float(tiny.WIDTH), float(tiny.HEIGHT)))
    assert warnings(scene(camera=around)) == ""
    assert warnings(scene(CV_FROM_GL, camera=around)) == ""


def test_fields_of_view_are_those_of_the_lens() -> None:
    assert field_of_view(Camera("PINHOLE", 20, 10, (10.0, 5.0, 10.0, 5.0)), 0) == pytest.approx(90)
    assert field_of_view(Camera("PINHOLE", 20, 10, (10.0, 5.0, 10.0, 5.0)), 1) == pytest.approx(90)
    assert field_of_view(Camera("EQUIRECTANGULAR", 20, 10, (20.0, 10.0)), 1) == 180


def test_surface_points_spread_by_area() -> None:
    vertices = np.array([[0.0, 0, 0], [3, 0, 0], [0, 1, 0], [10, 0, 0], [11, 0, 0], [10, 1, 0]])
    points = surface_points(Mesh(vertices, np.array([[0, 1, 2], [3, 4, 5]], np.int32)), 4000)
    left = points[points[:, 0] < 5]
    assert len(left) == pytest.approx(3000, abs=2)
    assert np.allclose(left.mean(axis=0), (1, 1 / 3, 0), atol=0.02)


def test_points_that_distortion_folds_back_are_not_seen() -> None:
    camera = Camera("SIMPLE_RADIAL", 40, 40, (20.0, 20.0, 20.0, -0.2))
    rays, defined = pixel_rays(camera)
    view = View("a", camera, np.eye(4), Path("a.jpg"))
    inside = rays[defined].astype(float)
    assert seen_depths((view,), [view.cam_from_world], inside) == (pytest.approx(1),)
    folded = np.array([[np.sqrt(1 / 0.2), 0, 1.0]])
    assert seen_depths((view,), [view.cam_from_world], folded) == (None,)


@needs_scenes
@pytest.mark.parametrize("name", ["fox", "herzjesu", "sevenscenes", "sevenscenes_colmap", "neuraltexgen_room"])
def test_the_real_captures_are_sound(name: str) -> None:
    info: CaptureInfo = inspect(read_capture(SCENES / name))
    assert info.seeing == 1
    assert [w for w in info.warnings if "left out" not in w] == []
    assert bool(info.left_out) == (name == "fox")
