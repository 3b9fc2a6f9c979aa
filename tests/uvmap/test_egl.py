"""The EGL renderer sees what the ray caster sees; and says what is missing where it can't be had."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from egl_here import needs_egl
from neuraltexgen.errors import RenderError, UnwrapError
from neuraltexgen.geometry import pinhole
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.uvmap import egl
from neuraltexgen.uvmap.egl import EglRenderer, face_neighbours, open_context
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.raycast import RayCaster
from planes import CAMERAS, HEIGHT, WIDTH, pose
from renderings import FINE, PLANE, agree, box, sheet, together

PINHOLE = CAMERAS["PINHOLE"]


def both(mesh: Mesh, camera: Camera, cam_from_world: np.ndarray, samples: int = 1) -> tuple[UVMap, UVMap]:
    return tuple(renderer(mesh).uv_map(camera, cam_from_world, samples) for renderer in (RayCaster, EglRenderer))


@needs_egl
@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_a_bumpy_sheet_is_seen_as_by_rays(seed: int, samples: int) -> None:
    expected, found = both(sheet(seed=seed), FINE, pose(seed), samples)
    agree(expected, found)
    assert 0.2 < found.valid.mean() < 0.95


@needs_egl
@pytest.mark.parametrize("x", [0.0, 0.25, 0.5])
def test_pixel_centres_are_where_the_ray_caster_has_them(x: float) -> None:
    camera = Camera("PINHOLE", WIDTH, HEIGHT, (38.0, 37.0, 21.0 + x, 14.5 - x))
    expected, found = both(PLANE.mesh(), camera, pose())
    np.testing.assert_array_equal(found.face_ids, expected.face_ids)
    np.testing.assert_allclose(found.uv, expected.uv, atol=1e-6)


@needs_egl
def test_faces_smaller_than_a_sample_are_told_apart() -> None:
    # 80,000 faces over 20,000 samples: snapped vertices alone would misname about one sample in a hundred.
    expected, found = both(sheet(201, rough=0.0005), Camera("PINHOLE", 160, 120, (152.0, 148.0, 84.0, 58.0)), pose())
    agree(expected, found)


@needs_egl
def test_the_walk_to_the_neighbour_is_what_makes_them_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = sheet(201, rough=0.0005)
    camera = Camera("PINHOLE", 160, 120, (152.0, 148.0, 84.0, 58.0))
    monkeypatch.setattr(egl, "face_neighbours", lambda faces: np.full(faces.shape, -1, np.int32))
    expected, found = both(mesh, camera, pose())
    assert (expected.face_ids == found.face_ids).mean() < 0.999


@needs_egl
def test_the_nearer_surface_hides_the_farther_one_whatever_their_order() -> None:
    near, far = box(-0.4, 0.4), box(-30.0, 30.0)
    cam_from_world = pose()
    cam_from_world[2, 3] += 3.0
    for mesh in (together(near, far), together(far, near)):
        expected, found = both(mesh, FINE, cam_from_world, 2)
        agree(expected, found)
        assert found.valid.all()
        assert 0.05 < (found.distance < 5).mean() < 0.5


@needs_egl
def test_surfaces_a_hundred_thousandth_apart_are_told_apart() -> None:
    shift = 1e-5 * np.array([0.0, 0.0, 100.0])
    back = PLANE.mesh()
    assert back.uvs is not None
    front = Mesh(back.vertices - shift, back.faces, back.uvs[:, ::-1].copy(), back.uv_faces)
    beyond = Mesh(10 * back.vertices + [0.0, 0.0, 60.0], back.faces, back.uvs, back.uv_faces)
    expected, found = both(together(back, front, beyond), FINE, np.eye(4))
    agree(expected, found)


@needs_egl
def test_a_face_through_the_camera_is_clipped_and_not_lost() -> None:
    # A floor and a wall, two faces each, that reach from far behind the camera to far in front of it.
    floor = np.array([[-50.0, 1.0, -50.0], [50.0, 1.0, -50.0], [50.0, 1.0, 50.0], [-50.0, 1.0, 50.0]])
    wall = floor[:, [1, 0, 2]] * 0.5
    uvs = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    mesh = together(*(Mesh(corners, faces, uvs, faces.copy()) for corners in (floor, wall)))
    expected, found = both(mesh, FINE, pose(turn=0.3), 2)
    agree(expected, found)
    assert np.isin([0, 1], found.face_ids).any()
    assert np.isin([2, 3], found.face_ids).any()
    assert 0.2 < found.valid.mean() < 0.9


@needs_egl
@pytest.mark.parametrize("turn", range(4))
def test_from_inside_a_box_every_sample_meets_it(turn: int) -> None:
    angle = 0.3 + turn * np.pi / 2
    cam_from_world = np.eye(4)
    cam_from_world[[0, 0, 2, 2], [0, 2, 0, 2]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    expected, found = both(box(-1.0, 1.5), Camera("PINHOLE", 90, 70, (40.0, 40.0, 45.0, 35.0)), cam_from_world, 2)
    agree(expected, found)
    assert found.valid.all()


@needs_egl
def test_a_camera_that_looks_away_sees_nothing_and_holds_zeros() -> None:
    away = np.diag([-1.0, 1.0, -1.0, 1.0]) @ pose()
    found = EglRenderer(PLANE.mesh()).uv_map(PINHOLE, away, 2)
    assert (found.face_ids == -1).all()
    for field in (found.uv, found.distance, found.cosine, found.footprint):
        assert not field.any()


@needs_egl
def test_the_back_of_a_face_is_seen_with_a_negative_cosine() -> None:
    mesh = sheet()
    assert mesh.uv_faces is not None
    turned = Mesh(mesh.vertices, mesh.faces[:, ::-1].copy(), mesh.uvs, mesh.uv_faces[:, ::-1].copy())
    expected, found = both(turned, FINE, pose())
    agree(expected, found)
    assert (found.cosine[found.valid] < 0).mean() > 0.9


@needs_egl
@pytest.mark.parametrize("tile", [7, 64, 100])
def test_tiles_change_nothing(tile: int) -> None:
    mesh, camera = sheet(), Camera("PINHOLE", 83, 61, (79.0, 75.0, 42.0, 30.0))
    whole = EglRenderer(mesh).uv_map(camera, pose(), 2)
    tiled = EglRenderer(mesh, tile=tile).uv_map(camera, pose(), 2)
    # Snapping is relative to the tile's corner, so a sample on a silhouette may fall to its other side.
    agree(whole, tiled, 0.9995)


@needs_egl
def test_a_photo_larger_than_a_tile() -> None:
    camera = Camera("PINHOLE", 2600, 40, (2000.0, 2000.0, 1300.0, 20.0))
    expected, found = both(sheet(), camera, pose())
    assert camera.width > egl.TILE
    agree(expected, found)


@needs_egl
def test_photos_of_many_sizes_take_turns() -> None:
    renderer, caster = EglRenderer(sheet()), RayCaster(sheet())
    for width, height in ((40, 30), (30, 60), (80, 20), (40, 30)):
        camera = Camera("PINHOLE", width, height, (38.0, 37.0, 21.0, 14.5))
        for samples in (2, 1):
            found = renderer.uv_map(camera, pose(), samples)
            agree(caster.uv_map(camera, pose(), samples), found, 0.998)  # of 1200 samples, two


class Refusing:
    """A context that offers less than the mesh needs."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.info = {**context.info, "GL_MAX_SHADER_STORAGE_BLOCK_SIZE": 1 << 10}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


@needs_egl
def test_a_mesh_beyond_the_devices_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egl, "open_context", lambda device: Refusing(open_context(device)))
    with pytest.raises(RenderError, match="1,152 faces need a buffer") as caught:
        EglRenderer(sheet())
    assert caught.value.fix == "--renderer raster"


@needs_egl
def test_a_fit_can_follow_in_the_same_process() -> None:
    """Mesa's LLVM once crashed Triton's, which PyTorch's optimisers import."""
    program = "from neuraltexgen.uvmap.egl import open_context; open_context(); import torch._dynamo; print('alive')"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout) == (0, "alive\n"), run.stderr


@needs_egl
def test_two_runs_and_two_renderers_agree_to_the_bit() -> None:
    first, second = EglRenderer(sheet()), EglRenderer(sheet())
    maps = [first.uv_map(FINE, pose(), 2), second.uv_map(FINE, pose(1)), first.uv_map(FINE, pose(), 2)]
    maps.append(second.uv_map(FINE, pose(), 2))
    for again in maps[2:]:
        for name in ("uv", "face_ids", "distance", "cosine", "footprint"):
            np.testing.assert_array_equal(getattr(again, name), getattr(maps[0], name))


@needs_egl
@pytest.mark.parametrize("size", [1e-3, 1e4])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_where_the_scene_lies_and_its_size_change_nothing(size: float, offset: float) -> None:
    mesh, cam_from_world, shift = sheet(), pose(), offset * np.array([1.0, -0.7, 0.4])
    moved = Mesh(mesh.vertices * size + shift, mesh.faces, mesh.uvs, mesh.uv_faces)
    moved_pose = cam_from_world.copy()
    moved_pose[:3, 3] = size * cam_from_world[:3, 3] - cam_from_world[:3, :3] @ shift
    seen, there = EglRenderer(mesh).uv_map(FINE, cam_from_world), EglRenderer(moved).uv_map(FINE, moved_pose)
    same = seen.face_ids == there.face_ids
    tolerance = 1e-6 + 10 * 2e-10 * (offset > 0) / size  # doubles at 1e6 are 1e-10 apart
    assert same.mean() > 0.999
    np.testing.assert_allclose(there.uv[same], seen.uv[same], atol=tolerance)
    np.testing.assert_allclose(there.distance[same], size * seen.distance[same], rtol=tolerance)


@needs_egl
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_photos_one_pixel_thin(size: tuple[int, int]) -> None:
    camera = Camera("PINHOLE", *size, (5.0, 5.0, size[0] / 2, size[1] / 2))
    expected, found = both(PLANE.mesh(), camera, pose(), 2)
    agree(expected, found)


@needs_egl
def test_points_and_needles_are_no_trouble() -> None:
    mesh = sheet()
    assert mesh.uv_faces is not None
    flat = np.array([[0, 0, 0], [1, 1, 2], [3, 4, 3]], np.int32)
    faces, uv_faces = np.concatenate([flat, mesh.faces]), np.concatenate([flat, mesh.uv_faces])
    expected, found = both(Mesh(mesh.vertices, faces, mesh.uvs, uv_faces), FINE, pose())
    agree(expected, found)


@needs_egl
def test_a_lens_with_distortion_is_refused() -> None:
    with pytest.raises(RenderError, match="distortion") as caught:
        EglRenderer(PLANE.mesh()).uv_map(CAMERAS["OPENCV"], pose())
    assert caught.value.fix == "--renderer raster"


@needs_egl
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
@pytest.mark.parametrize("samples", [1, 2])
def test_tensors_on_the_card_hold_the_same_map(samples: int) -> None:
    renderer = EglRenderer(sheet())
    for seed in range(3):
        expected = renderer.uv_map(FINE, pose(seed), samples)
        with renderer.uv_map_on_cuda(FINE, pose(seed), samples) as found:
            for name in ("uv", "face_ids", "distance", "cosine", "footprint"):
                np.testing.assert_array_equal(getattr(found, name).cpu(), getattr(expected, name))


@needs_egl
def test_without_cuda_the_renderer_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    renderer = EglRenderer(sheet())
    with pytest.raises(RenderError, match="CUDA"), renderer.uv_map_on_cuda(FINE, pose()):
        pass
    assert renderer.uv_map(FINE, pose()).valid.any()


@needs_egl
def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(RenderError, match="EGL device 99"):
        EglRenderer(PLANE.mesh(), device=99)


def test_a_mesh_without_uvs_has_no_uv_map() -> None:
    mesh = PLANE.mesh()
    with pytest.raises(UnwrapError, match="no uvs"):
        EglRenderer(Mesh(mesh.vertices, mesh.faces))


def test_without_moderngl_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(RenderError, match="moderngl") as caught:
        EglRenderer(PLANE.mesh())
    assert caught.value.fix is not None
    assert "neuraltexgen[gl]" in caught.value.fix
    assert "--renderer raster" in caught.value.fix


def test_without_an_egl_device_the_error_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    moderngl = pytest.importorskip("moderngl")

    def fails(**_: object) -> None:
        raise Exception("libEGL.so not loaded")

    monkeypatch.setattr(moderngl, "create_context", fails)
    with pytest.raises(RenderError, match="libEGL") as caught:
        EglRenderer(PLANE.mesh())
    assert caught.value.fix is not None
    assert "apt-get install libegl1" in caught.value.fix
    assert "--renderer raster" in caught.value.fix


def test_pinholes_are_the_lenses_without_distortion() -> None:
    assert pinhole(PINHOLE) == (38.0, 37.0, 21.0, 14.5)
    assert pinhole(Camera("SIMPLE_PINHOLE", 4, 3, (5.0, 2.0, 1.5))) == (5.0, 5.0, 2.0, 1.5)
    assert pinhole(Camera("OPENCV", 4, 3, (5.0, 6.0, 2.0, 1.5, 0.0, 0.0, 0.0, 0.0))) == (5.0, 6.0, 2.0, 1.5)
    assert pinhole(Camera("SIMPLE_RADIAL", 4, 3, (5.0, 2.0, 1.5, 1e-9))) is None
    assert pinhole(CAMERAS["OPENCV_FISHEYE"]) is None
    assert pinhole(Camera("OPENCV_FISHEYE", 4, 3, (5.0, 6.0, 2.0, 1.5, 0.0, 0.0, 0.0, 0.0))) is None


def test_neighbours_share_the_edge_opposite_to_the_corner() -> None:
    mesh = sheet(6)
    neighbours = face_neighbours(mesh.faces)
    for face, across in enumerate(neighbours):
        for corner, other in enumerate(across):
            edge = {int(v) for v in np.delete(mesh.faces[face], corner)}
            holders = [f for f in range(len(mesh.faces)) if f != face and edge <= set(mesh.faces[f].tolist())]
            assert [int(other)] == (holders or [-1])
