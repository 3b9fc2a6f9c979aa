"""The ray caster: a plane seen exactly, occlusion, edges, lenses, and meshes that are hard on single precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraltexgen.errors import UnwrapError
from neuraltexgen.geometry import pixel_rays
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.uvmap import surface
from neuraltexgen.uvmap.maps import UVMap, seen_normals
from neuraltexgen.uvmap.raycast import RayCaster
from planes import CAMERAS, HEIGHT, WIDTH, Plane, pose, world_rays

# Seen from `pose()`, the plane's front fills the middle of the photo, tilted in both axes.
PLANE = Plane(np.array([-1.6, 1.2, 4.5]), np.array([3.0, 0.2, -0.5]), np.array([0.1, -2.2, 0.7]))
PINHOLE = CAMERAS["PINHOLE"]


def cast(mesh: Mesh, camera: Camera = PINHOLE, samples: int = 1, cam_from_world: np.ndarray | None = None) -> UVMap:
    return RayCaster(mesh).uv_map(camera, pose() if cam_from_world is None else cam_from_world, samples)


def joined(*meshes: Mesh) -> Mesh:
    """One mesh of several; the face ids of the later ones follow those of the earlier ones."""
    faces, uv_faces, points, texels = [], [], 0, 0
    for mesh in meshes:
        assert mesh.uvs is not None
        assert mesh.uv_faces is not None
        faces.append(mesh.faces + points)
        uv_faces.append(mesh.uv_faces + texels)
        points, texels = points + len(mesh.vertices), texels + len(mesh.uvs)
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(faces).astype(np.int32),
        np.concatenate([mesh.uvs for mesh in meshes if mesh.uvs is not None]),
        np.concatenate(uv_faces).astype(np.int32),
    )


def uvs_in_faces(mesh: Mesh, seen: UVMap) -> np.ndarray:
    """Barycentric weights (n 3) of each valid sample's uv in the uv triangle of its own face."""
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    a, b, c = np.moveaxis(mesh.uvs[mesh.uv_faces[seen.face_ids[seen.valid]]], 1, 0)
    axes, offset = np.stack([b - a, c - a], axis=-1), seen.uv[seen.valid] - a
    weights = np.linalg.solve(axes, offset[..., None])[..., 0]
    return np.column_stack([1 - weights.sum(axis=1), weights])


@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize("model", CAMERAS)
def test_a_plane_is_seen_where_the_lenss_rays_meet_it(model: str, samples: int) -> None:
    seen = cast(PLANE.mesh(), CAMERAS[model], samples)
    uv, distance, cosine = PLANE.meet(*world_rays(CAMERAS[model], pose(), samples))
    margin = np.minimum(uv, 1 - uv).min(axis=1)
    valid = seen.valid.reshape(-1)
    assert seen.size == (HEIGHT, WIDTH)
    assert valid[margin > 1e-5].all()
    assert not valid[margin < -1e-5].any()
    assert 0.2 < valid.mean() < 0.9  # some of the photo sees the plane, some passes it by
    assert np.abs(seen.uv.reshape(-1, 2) - uv)[valid].max() < 1e-6
    assert np.abs(seen.distance.reshape(-1) / distance - 1)[valid].max() < 1e-6
    assert np.abs(seen.cosine.reshape(-1) - cosine)[valid].max() < 1e-6
    assert (seen.cosine[seen.valid] > 0).all()


@pytest.mark.parametrize(("x", "y"), [(0.5, 0.0), (0.0, 0.5)])
def test_half_a_pixel_off_would_be_noticed(x: float, y: float) -> None:
    seen = cast(PLANE.mesh(), Camera("PINHOLE", WIDTH, HEIGHT, (38.0, 37.0, 21.0 + x, 14.5 + y)))
    uv, _, _ = PLANE.meet(*world_rays(PINHOLE, pose(), 1))
    assert np.abs(seen.uv.reshape(-1, 2) - uv).max(axis=1)[seen.valid.reshape(-1)].min() > 5e-3


def test_what_sees_nothing_holds_zeros() -> None:
    seen = cast(PLANE.mesh())
    nothing = ~seen.valid
    assert nothing.any()
    assert (seen.face_ids[nothing] == -1).all()
    for field in (seen.uv, seen.distance, seen.cosine, seen.footprint):
        assert (field[nothing] == 0).all()


def test_from_behind_only_the_cosine_changes_its_sign() -> None:
    mesh = PLANE.mesh()
    assert mesh.uv_faces is not None
    turned = Mesh(mesh.vertices, mesh.faces[:, [0, 2, 1]], mesh.uvs, mesh.uv_faces[:, [0, 2, 1]])
    front, back = cast(mesh), cast(turned)
    np.testing.assert_array_equal(front.face_ids, back.face_ids)
    np.testing.assert_allclose(back.cosine, -front.cosine, atol=1e-6)
    np.testing.assert_allclose(back.uv, front.uv, atol=1e-6)
    np.testing.assert_allclose(back.distance, front.distance, rtol=1e-6)
    np.testing.assert_allclose(back.footprint, front.footprint, rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("model", CAMERAS)
def test_footprint_squared_is_the_uv_area_between_neighbouring_pixels(model: str, samples: int) -> None:
    seen = cast(PLANE.mesh(), CAMERAS[model], samples)
    step = 2 * samples  # central differences over two samples, in pixels
    across = (seen.uv[1:-1, 2:] - seen.uv[1:-1, :-2]).astype(np.float64) * samples / 2
    down = (seen.uv[2:, 1:-1] - seen.uv[:-2, 1:-1]).astype(np.float64) * samples / 2
    area = np.abs(across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0])
    valid = seen.valid
    inner = valid[1:-1, 2:] & valid[1:-1, :-2] & valid[2:, 1:-1] & valid[:-2, 1:-1]
    # At the photo's rim the solid angle comes from one-sided differences.
    inner[:step], inner[-step:], inner[:, :step], inner[:, -step:] = False, False, False, False
    assert inner.sum() > 100
    ratio = seen.footprint[1:-1, 1:-1][inner] ** 2 / area[inner]
    np.testing.assert_allclose(ratio, 1, atol=0.02)


@pytest.mark.parametrize("turned", [False, True])
def test_the_cosine_is_that_of_the_ray_and_the_seen_normal(turned: bool) -> None:
    mesh = PLANE.mesh()
    if turned:
        assert mesh.uv_faces is not None
        mesh = Mesh(mesh.vertices, mesh.faces[:, ::-1].copy(), mesh.uvs, mesh.uv_faces[:, ::-1].copy())
    seen = cast(mesh, samples=2)
    normals = seen_normals(seen, mesh)
    rays = pixel_rays(PINHOLE, 2)[0] @ pose()[:3, :3].astype(np.float32)
    np.testing.assert_allclose(-(rays * normals).sum(axis=2)[seen.valid], seen.cosine[seen.valid], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), seen.valid, atol=1e-6)


def test_footprint_in_texels_scales_with_the_texture() -> None:
    seen = cast(PLANE.mesh())
    np.testing.assert_allclose(seen.footprint_texels((512, 512)), 512 * seen.footprint, rtol=1e-6)
    np.testing.assert_allclose(seen.footprint_texels((256, 1024)), 512 * seen.footprint, rtol=1e-6)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_the_samples_of_a_pixel_lie_side_by_side(samples: int) -> None:
    seen = cast(PLANE.mesh(), samples=samples)
    by_pixel = seen.by_pixel(seen.uv)
    assert by_pixel.shape == (HEIGHT, WIDTH, samples**2, 2)
    for row, col in ((0, 0), (7, 20), (HEIGHT - 1, WIDTH - 1)):
        block = seen.uv[row * samples : (row + 1) * samples, col * samples : (col + 1) * samples]
        np.testing.assert_array_equal(by_pixel[row, col], block.reshape(-1, 2))


def two_charts() -> Mesh:
    """The plane's two faces, far apart in the texture: the uv jumps at the diagonal."""
    mesh = PLANE.mesh()
    uvs = np.array([[0.05, 0.05], [0.3, 0.05], [0.3, 0.4], [0.95, 0.9], [0.6, 0.95], [0.65, 0.55]])
    return Mesh(mesh.vertices, mesh.faces, uvs, np.arange(6, dtype=np.int32).reshape(2, 3))


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_no_sample_blends_uvs_across_an_edge(samples: int) -> None:
    mesh = two_charts()
    seen = cast(mesh, samples=samples)
    assert set(np.unique(seen.face_ids)) == {-1, 0, 1}
    assert uvs_in_faces(mesh, seen).min() > -1e-6
    # Though their pixels straddle both charts: a blend would lie in neither.
    both = seen.by_pixel(seen.face_ids)
    assert samples == 1 or ((both == 0).any(axis=2) & (both == 1).any(axis=2)).any()


def test_the_nearer_surface_hides_the_farther_one() -> None:
    near = Plane(PLANE.corner + np.array([0.8, -0.5, -1.0]), PLANE.along_u / 3, PLANE.along_v / 3)
    origin, directions = world_rays(PINHOLE, pose(), 2)
    uv, distance, _ = near.meet(origin, directions)
    behind = cast(PLANE.mesh(), samples=2)
    margin = np.minimum(uv, 1 - uv).min(axis=1).reshape(behind.valid.shape)
    for order, (first, last) in enumerate(((near, PLANE), (PLANE, near))):
        seen = cast(joined(first.mesh(), last.mesh()), samples=2)
        hit_near = (seen.face_ids >= 0) & ((seen.face_ids < 2) == (order == 0))
        assert hit_near[margin > 1e-5].all()
        assert not hit_near[margin < -1e-5].any()
        np.testing.assert_allclose(seen.distance[hit_near], distance.reshape(hit_near.shape)[hit_near], rtol=1e-6)
        np.testing.assert_allclose(seen.uv[~hit_near], behind.uv[~hit_near], atol=2e-6)
        assert 20 < hit_near.sum() < (~hit_near & seen.valid).sum()


def test_what_lies_behind_the_camera_is_not_seen() -> None:
    away = np.diag([-1.0, 1.0, -1.0, 1.0]) @ pose()
    assert cast(PLANE.mesh()).valid.any()
    assert not cast(PLANE.mesh(), cam_from_world=away).valid.any()


def test_doubling_the_samples_changes_the_mean_over_a_pixels_area_little() -> None:
    means = []
    for samples in (2, 4):
        seen = cast(PLANE.mesh(), CAMERAS["OPENCV"], samples)
        means.append(seen.by_pixel(seen.uv).mean(axis=2))
        whole = seen.by_pixel(seen.valid).all(axis=2)
    footprint = float(seen.footprint[seen.valid].max())
    assert np.abs(means[0] - means[1])[whole].max() < 0.01 * footprint


def bumpy(count: int = 12, seed: int = 0) -> Mesh:
    """A bumpy sheet of many faces, one chart, in front of `pose()`."""
    rng = np.random.default_rng(seed)
    v, u = np.meshgrid(np.linspace(0, 1, count), np.linspace(0, 1, count), indexing="ij")
    uvs = np.column_stack([u.ravel(), v.ravel()])
    vertices = PLANE.corner + uvs @ np.stack([PLANE.along_u, PLANE.along_v])
    vertices[:, 2] += 0.15 * rng.standard_normal(len(vertices))
    corner = (np.arange(count - 1)[:, None] * count + np.arange(count - 1)).reshape(-1, 1)
    a, b, c, d = corner, corner + 1, corner + count + 1, corner + count
    faces = np.concatenate([np.hstack([a, b, c]), np.hstack([a, c, d])]).astype(np.int32)
    return Mesh(vertices, faces, uvs, faces.copy())


def test_the_order_of_faces_changes_face_ids_only() -> None:
    mesh = bumpy()
    assert mesh.uv_faces is not None
    order = np.random.default_rng(1).permutation(len(mesh.faces))
    seen = cast(mesh, samples=2)
    shuffled = cast(Mesh(mesh.vertices, mesh.faces[order], mesh.uvs, mesh.uv_faces[order]), samples=2)
    np.testing.assert_array_equal(seen.valid, shuffled.valid)
    renamed = np.where(shuffled.valid, order[shuffled.face_ids], -1)
    # A ray through a shared edge may name either face: same place, same colour.
    assert (renamed == seen.face_ids).mean() > 0.999
    same = renamed == seen.face_ids
    np.testing.assert_allclose(shuffled.uv, seen.uv, atol=1e-6)
    np.testing.assert_allclose(shuffled.distance, seen.distance, rtol=1e-6)
    np.testing.assert_array_equal(shuffled.cosine[same], seen.cosine[same])
    np.testing.assert_array_equal(shuffled.footprint[same], seen.footprint[same])


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e4])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_where_the_scene_lies_and_its_size_change_nothing(size: float, offset: float) -> None:
    mesh, cam_from_world = bumpy(), pose()
    shift = offset * np.array([1.0, -0.7, 0.4])
    moved = Mesh(mesh.vertices * size + shift, mesh.faces, mesh.uvs, mesh.uv_faces)
    moved_pose = cam_from_world.copy()
    moved_pose[:3, 3] = size * cam_from_world[:3, 3] - cam_from_world[:3, :3] @ shift
    seen, there = cast(mesh, samples=2), cast(moved, samples=2, cam_from_world=moved_pose)
    # Doubles at 1e6 are 1e-10 apart: that share of the scene's size is what moves.
    tolerance = 1e-6 + 10 * 2e-10 * (offset > 0) / size
    assert (seen.valid == there.valid).mean() > 0.999
    both = seen.valid & there.valid & (seen.face_ids == there.face_ids)
    assert both.sum() > 0.99 * seen.valid.sum()
    np.testing.assert_allclose(there.uv[both], seen.uv[both], atol=tolerance)
    np.testing.assert_allclose(there.distance[both], size * seen.distance[both], rtol=tolerance)
    np.testing.assert_allclose(there.cosine[both], seen.cosine[both], atol=20 * tolerance)
    np.testing.assert_allclose(there.footprint[both], seen.footprint[both], rtol=20 * tolerance)


def test_a_mesh_without_uvs_has_no_uv_map() -> None:
    mesh = PLANE.mesh()
    with pytest.raises(UnwrapError, match="no uvs") as caught:
        RayCaster(Mesh(mesh.vertices, mesh.faces))
    assert caught.value.fix is not None


@pytest.mark.parametrize(
    "camera",
    [
        Camera("SIMPLE_RADIAL", WIDTH, HEIGHT, (20.0, 20.0, 15.0, -0.3)),
        Camera("OPENCV_FISHEYE", WIDTH, HEIGHT, (8.0, 8.0, 20.0, 15.0, 0.0, 0.0, 0.0, 0.0)),
    ],
    ids=lambda camera: camera.model,
)
def test_pixels_past_the_lenss_own_limit_see_nothing(camera: Camera) -> None:
    # A box around the camera: every ray that there is hits it.
    corners = np.array([[x, y, z] for x in (-3.0, 3.0) for y in (-3.0, 3.0) for z in (-3.0, 3.0)])
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = np.array([[q[i] for i in half] for q in quads for half in ((0, 1, 2), (0, 2, 3))], dtype=np.int32)
    uvs = (corners[:, :2] + 3) / 6
    _, defined = pixel_rays(camera, 2)
    seen = cast(Mesh(corners, faces, uvs, faces.copy()), camera, 2)
    assert 0.2 < defined.mean() < 0.8
    np.testing.assert_array_equal(seen.valid, defined)
    assert np.isfinite(seen.footprint).all()


@st.composite
def hard_meshes(draw: st.DrawFn) -> Mesh:
    """A few faces on a coarse grid: points, needles, doubles, shared planes, faces through the camera."""
    grid = st.integers(-2, 2)
    vertices = np.array(draw(st.lists(st.tuples(grid, grid, st.integers(-1, 3)), min_size=3, max_size=6)), np.float64)
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    vertices[:, 0] *= draw(st.sampled_from([1.0, 1e-4, 1e-9]))
    vertices += draw(st.sampled_from([0.0, 1e-3, 1e-7])) * rng.standard_normal(vertices.shape)
    corner = st.integers(0, len(vertices) - 1)
    faces = np.array(draw(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=8)), np.int32)
    uvs = rng.random((len(vertices), 2))
    return Mesh(vertices, faces, uvs, faces.copy())


@settings(max_examples=60, deadline=None)
@given(hard_meshes(), st.sampled_from([0.0, 0.15]))
def test_degenerate_faces_give_a_sound_map(mesh: Mesh, turn: float) -> None:
    small = Camera("PINHOLE", 9, 7, (5.0, 5.0, 4.5, 3.5))
    cam_from_world = pose(turn=turn)
    seen = cast(mesh, small, 2, cam_from_world)
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    valid = seen.valid
    for field in (seen.uv, seen.distance, seen.cosine, seen.footprint):
        assert np.isfinite(field).all()
    assert (seen.distance[valid] >= 0).all()
    assert (np.abs(seen.cosine) <= 1 + 1e-6).all()
    assert (seen.footprint >= 0).all()
    corners = mesh.uvs[mesh.uv_faces[seen.face_ids[valid]]]
    assert (seen.uv[valid] >= corners.min(axis=1) - 1e-6).all()
    assert (seen.uv[valid] <= corners.max(axis=1) + 1e-6).all()
    # The distance is that of a point of the mesh, whatever single precision took for a hit.
    centre = -cam_from_world[:3, :3].T @ cam_from_world[:3, 3]
    assert (seen.distance[valid] <= np.linalg.norm(mesh.vertices - centre, axis=1).max() * (1 + 1e-5)).all()


def test_a_needle_is_no_farther_away_than_its_ends() -> None:
    """The search, in single precision, may name a needle that the ray just misses; its plane is hit far behind it."""
    needle = np.array([[-1.0, 0.0, 5.0], [1.0, 0.0, 5.0], [0.3, 1e-13, 5.0 + 1e-7]])
    # The ray (0, 9e-7, 1) meets the needle's plane at z = 50.
    uvs, face = np.array([[0.0, 0.0], [1.0, 0.0], [0.65, 0.0]]), np.array([[0, 1, 2]], np.int32)
    mesh = surface.make_surface(Mesh(needle, face, uvs, face.copy()))
    found = surface.empty_map(Camera("PINHOLE", 1, 1, (1.0, 1.0, 0.5, 0.5 - 9e-7)), 1)
    found.face_ids[:] = 0
    surface.meet_faces(mesh, Camera("PINHOLE", 1, 1, (1.0, 1.0, 0.5, 0.5 - 9e-7)), np.eye(4), found, (0, 1))
    assert found.distance[0, 0] == pytest.approx(5.0, rel=1e-5)
    assert 0 <= found.uv[0, 0, 0] <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_photos_one_pixel_thin(size: tuple[int, int]) -> None:
    camera = Camera("PINHOLE", *size, (5.0, 5.0, size[0] / 2, size[1] / 2))
    seen = cast(PLANE.mesh(), camera, 2)
    assert seen.valid.any()
    assert np.isfinite(seen.footprint).all()
