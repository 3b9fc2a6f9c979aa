"""Densities that the photos ask for: the lens's own figures, what hides and what is seen, laws, charts that follow."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

import neuraltexgen.observed as observed
from neuraltexgen.errors import ImageError, UnwrapError
from neuraltexgen.geometry import face_areas, invert_pose
from neuraltexgen.meshes.topology import components
from neuraltexgen.observed import EVEN, TOKEN, observed_density
from neuraltexgen.pipeline import unwrapped
from neuraltexgen.scene import Camera, Mesh, Scene, View
from neuraltexgen.unwrap import METHODS, UnwrapSettings, unwrap
from planes import pose

FOCAL = 50.0
PINHOLE = Camera("SIMPLE_PINHOLE", 64, 48, (FOCAL, 32.0, 24.0))
CELLS = 4


def sheet(depth: float, x: float = 0.0, y: float = 0.0, size: float = 0.4, cells: int = CELLS) -> Mesh:
    """A square of 2 cells² faces at z = depth around (x, y), its front towards the origin."""
    steps = np.linspace(-size / 2, size / 2, cells + 1)
    v, u = np.meshgrid(steps, steps, indexing="ij")
    vertices = np.stack([u + x, v + y, np.full_like(u, depth)], axis=-1).reshape(-1, 3)
    at = np.arange((cells + 1) ** 2, dtype=np.int32).reshape(cells + 1, -1)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]
    faces = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    return Mesh(vertices, faces)


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + np.int32(start) for mesh, start in zip(meshes, starts)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def view(at: Sequence[float] = (0, 0, 0), name: str = "a", camera: Camera = PINHOLE, mask: Path | None = None) -> View:
    """A photo taken from `at`, along +z."""
    cam_from_world = np.eye(4)
    cam_from_world[:3, 3] = -np.asarray(at, dtype=np.float64)
    return View(name, camera, cam_from_world, Path("photo.png"), mask)


def centroids(mesh: Mesh) -> np.ndarray:
    return mesh.vertices[mesh.faces].mean(axis=1)


@pytest.mark.parametrize("model", ["SIMPLE_PINHOLE", "OPENCV_FISHEYE", "EQUIRECTANGULAR"])
def test_the_density_is_that_of_the_lens(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels an area are pixels a solid angle, times the cosine, over the squared distance; each lens has a formula."""
    monkeypatch.setattr(observed, "EXTRA_POINTS", 0)  # centroids alone, for which the formulas are exact
    mesh = sheet(2.0, size=1.5, cells=10)
    points = centroids(mesh)
    distance = np.linalg.norm(points, axis=1)
    x, _, z = (points / distance[:, None]).T
    if model == "SIMPLE_PINHOLE":
        camera, per_angle = PINHOLE, FOCAL**2 / z**3
    elif model == "OPENCV_FISHEYE":
        camera = Camera(model, 64, 48, (FOCAL, FOCAL, 32.0, 24.0, 0.0, 0.0, 0.0, 0.0))
        per_angle = FOCAL**2 * np.arccos(z) / np.sin(np.arccos(z))
    else:
        camera = Camera(model, 800, 400, (800.0, 400.0))
        per_angle = (800 / (2 * np.pi)) * (400 / np.pi) / np.hypot(x, z)
    density = observed_density(mesh, [view(camera=camera)])
    assert density == pytest.approx(np.sqrt(per_angle * z) / distance, rel=1e-3)


def test_a_panorama_sees_over_its_closing_edge() -> None:
    """Behind an equirectangular camera the image's left and right edges meet, and the density has no seam there."""
    camera = Camera("EQUIRECTANGULAR", 800, 400, (800.0, 400.0))
    behind = sheet(2.0, size=0.02)
    turned = replace(behind, vertices=behind.vertices * (-1, 1, -1))
    ahead = observed_density(behind, [view(camera=camera)])
    assert observed_density(turned, [view(camera=camera)]) == pytest.approx(ahead, rel=1e-3)


def test_at_half_the_distance_the_density_is_twice_as_high() -> None:
    near, far = parts(joined(sheet(1.0, x=-0.3), sheet(2.0, x=0.5)), [view()])
    assert near == pytest.approx(FOCAL, rel=1e-3)
    assert far == pytest.approx(FOCAL / 2, rel=1e-3)


def test_a_slanted_face_gets_fewer_pixels() -> None:
    flat = sheet(2.0, size=0.02)
    turn = np.array([[0.5, 0, np.sqrt(0.75)], [0, 1, 0], [-np.sqrt(0.75), 0, 0.5]])  # 60 degrees: a cosine of 1/2
    slanted = replace(flat, vertices=(flat.vertices - (0, 0, 2)) @ turn.T + (0, 0, 2))
    assert observed_density(slanted, [view()]) == pytest.approx(FOCAL / 2 * np.sqrt(0.5), rel=2e-2)


def test_what_no_view_sees_gets_a_token() -> None:
    """Hidden behind another sheet, beside the image, behind the camera, or seen from its back."""
    front = sheet(1.0)
    back = sheet(1.0, x=-0.45)
    unseen = [sheet(1.5, size=0.3), sheet(1.0, x=5.0), sheet(-1.0), replace(back, faces=back.faces[:4, ::-1].copy())]
    seen, *hidden = parts(joined(front, *unseen), [view()])
    assert seen == pytest.approx(FOCAL, rel=1e-3)
    for density in hidden:
        assert density == pytest.approx(TOKEN * FOCAL, rel=1e-3)


def test_a_mesh_that_is_not_oriented_is_seen_from_both_sides() -> None:
    mesh = sheet(1.0)
    turned = replace(mesh, faces=mesh.faces[:, ::-1].copy())
    assert observed_density(turned, [view()]) == pytest.approx(observed_density(mesh, [view()]))


def test_a_large_face_is_seen_though_its_middle_is_hidden() -> None:
    wall, screen = sheet(2.0, size=1.6, cells=1), sheet(1.0, size=0.35)
    behind, _ = parts(joined(wall, screen), [view()])
    assert behind == pytest.approx(FOCAL / 2, rel=1e-3)


def test_a_mask_hides(tmp_path: Path) -> None:
    """The left half of the photo is masked, and with it the sheet there."""
    path = tmp_path / "mask.png"
    pixels = np.zeros((48, 64), np.uint8)
    pixels[:, 32:] = 255
    Pillow.fromarray(pixels).save(path)
    left, right = parts(joined(sheet(1.0, x=-0.3), sheet(1.0, x=0.3)), [view(mask=path)])
    assert right == pytest.approx(FOCAL, rel=1e-3)
    assert left == pytest.approx(TOKEN * FOCAL, rel=1e-3)
    Pillow.fromarray(pixels[:, :40]).save(path)
    with pytest.raises(ImageError, match="40x48, its photo 64x48"):
        observed_density(sheet(1.0), [view(mask=path)])


def test_one_close_up_of_many_views_is_not_what_counts() -> None:
    """Of ten views nine see it from the same distance: theirs is the 90th percentile; of nine, the close-up is."""
    ten = [view(name=str(i)) for i in range(9)] + [view((0, 0, 0.5), "close")]
    assert observed_density(sheet(1.0, size=0.1), ten) == pytest.approx(FOCAL, rel=1e-3)
    assert observed_density(sheet(1.0, size=0.1), ten[1:]) == pytest.approx(2 * FOCAL, rel=1e-3)


def test_densities_stay_near_their_median() -> None:
    """A patch seen from a tenth of the distance, and one from ten times as far, next to many at the usual one."""
    usual = [sheet(2.0, x=x) for x in (-0.8, -0.4, 0.0, 0.4, 0.8)]
    near, far = sheet(0.2, y=-0.08, size=0.01), sheet(20.0, y=7.0)
    *rest, close, away = parts(joined(*usual, near, far), [view()])
    assert np.concatenate(rest) == pytest.approx(FOCAL / 2, rel=1e-3)
    assert close == pytest.approx(EVEN[1] * FOCAL / 2, rel=1e-3)
    assert away == pytest.approx(EVEN[0] * FOCAL / 2, rel=1e-3)


ROOM = joined(sheet(1.0, x=-0.3), sheet(2.0, x=0.5), sheet(1.6, x=-0.2, size=0.8))
AROUND = [replace(view(name=str(i)), cam_from_world=pose(i, turn=0.1)) for i in range(5)]


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_the_views_changes_nothing(order: list[int]) -> None:
    assert np.array_equal(observed_density(ROOM, [AROUND[i] for i in order]), observed_density(ROOM, AROUND))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_another_frame_or_unit_changes_nothing_but_the_unit(seed: int, scale: float) -> None:
    motion = pose(seed, turn=1.0)
    moved = replace(ROOM, vertices=scale * (ROOM.vertices @ motion[:3, :3].T + motion[:3, 3]))
    views = []
    for old in AROUND:
        there = old.cam_from_world @ invert_pose(motion)
        there[:3, 3] *= scale
        views.append(replace(old, cam_from_world=there))
    # Places at outlines fall to one side or the other by rounding.
    close = np.isclose(observed_density(moved, views) * scale, observed_density(ROOM, AROUND), rtol=0.02)
    assert close.mean() > 0.95


def test_many_views_are_thinned_evenly_and_in_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "MOST_PAIRS", 1)
    monkeypatch.setattr(observed, "FEWEST_VIEWS", 3)
    looked: list[str] = []

    def watch(items: list[View], what: str, total: int) -> list[View]:
        looked.extend(item.name for item in items)
        assert total == 3
        return items

    many = [view((0.01 * i, 0, 0), f"{i}") for i in range(9)]
    first = observed_density(ROOM, many, watch)
    assert looked == ["0", "3", "6"]
    assert np.array_equal(observed_density(ROOM, many[::-1]), first)


@pytest.mark.parametrize("views", [[], [view((0, 0, 5))]])
def test_a_mesh_that_no_view_sees_is_an_error(views: list[View]) -> None:
    with pytest.raises(UnwrapError, match="views sees the mesh") as caught:
        observed_density(sheet(1.0), views)
    assert "--density uniform" in (caught.value.fix or "")


def test_charts_follow_the_photos(tmp_path: Path) -> None:
    """Of two sheets, the one at half the distance gets twice the texels a length; the hidden one a patch."""
    mesh = joined(sheet(1.0, x=-0.3), sheet(2.0, x=0.5), sheet(3.0, x=9.0))
    scene = Scene("two", "test", (view(),), mesh)
    made, method = unwrapped(scene, UnwrapSettings(resolution=256), tmp_path, density="observed")
    near, far, hidden = np.split(texels_per_length(made), 3)
    assert method == "fast"
    assert near == pytest.approx(2 * far.mean(), rel=1e-2)
    assert far == pytest.approx(far.mean(), rel=1e-2)
    assert 0 < hidden.mean() < 0.3 * far.mean()
    even = texels_per_length(unwrapped(scene, UnwrapSettings(resolution=256), tmp_path)[0])
    assert even == pytest.approx(even.mean(), rel=1e-2)


def test_kept_uvs_are_those_of_the_same_cameras(tmp_path: Path) -> None:
    scene = Scene("two", "test", (view(),), joined(sheet(1.0, x=-0.3), sheet(2.0, x=0.5)))

    def files_after(changed: Scene) -> int:
        unwrapped(changed, UnwrapSettings(resolution=64), tmp_path, density="observed")
        return len(list(tmp_path.iterdir()))

    assert files_after(scene) == files_after(scene) == 1
    assert files_after(replace(scene, views=(view((0, 0, 0.1)),))) == 2
    assert files_after(replace(scene, views=(view(camera=replace(PINHOLE, params=(40.0, 32.0, 24.0))),))) == 3


@pytest.mark.parametrize("method", [name for name in METHODS if name != "fast"])
def test_only_fast_takes_densities(method: str, tmp_path: Path) -> None:
    chosen = UnwrapSettings(method)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UnwrapError, match=f"unwrap {method}: .*density") as caught:
        unwrap(sheet(1.0), chosen, np.ones(2 * CELLS**2))
    assert caught.value.fix == "--unwrap fast, or --density uniform"
    with pytest.raises(UnwrapError, match=f"unwrap {method}: .*density"):
        unwrapped(Scene("one", "test", (view(),), sheet(1.0)), chosen, tmp_path, density="observed")


def test_uvs_of_the_meshs_own_are_not_scaled_unasked() -> None:
    """`auto` would keep them: it says so, instead of keeping or replacing them."""
    made, _ = unwrap(sheet(1.0), UnwrapSettings(resolution=64))
    with pytest.raises(UnwrapError, match="own uvs are kept"):
        unwrap(made, UnwrapSettings(), np.ones(2 * CELLS**2))


def parts(mesh: Mesh, views: list[View]) -> list[np.ndarray]:
    """The densities, by connected piece: pieces of `joined` share no vertices."""
    pieces = components(mesh.faces)
    density = observed_density(mesh, views)
    return [density[pieces == piece] for piece in dict.fromkeys(pieces.tolist())]


def texels_per_length(mesh: Mesh) -> np.ndarray:
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    return np.sqrt(np.abs(face_areas(mesh.uvs, mesh.uv_faces)) / face_areas(mesh.vertices, mesh.faces))
