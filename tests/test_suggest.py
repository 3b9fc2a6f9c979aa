"""Where further photos would help: what is known of a surface, what a suggestion promises and keeps, laws."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import camera_centre, transform
from neuraltexgen.meshes import read_mesh
from neuraltexgen.scene import Camera, Mesh, View
from neuraltexgen.suggest import suggest, survey
from neuraltexgen.suggest.known import Survey
from neuraltexgen.suggest.stands import look_at
from warm import run_warm

CAMERA = Camera("SIMPLE_PINHOLE", 64, 48, (50.0, 32.0, 24.0))
DOWN = np.array((0.0, 1.0, 0.0))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall is known from fewer places than a room, and fewer standpoints do."""
    monkeypatch.setattr("neuraltexgen.suggest.known.PLACES", 5000)
    monkeypatch.setattr("neuraltexgen.suggest.stands.TARGETS", 20)


def wall(width: float = 4.0, height: float = 1.0, depth: float = 2.0, cells: int = 16) -> Mesh:
    """A wall at z = depth, from x = 0 to its width, its front towards the origin."""
    u, v = np.meshgrid(np.linspace(0, width, cells + 1), np.linspace(-height / 2, height / 2, cells + 1))
    vertices = np.stack([u, v, np.full_like(u, depth)], axis=-1).reshape(-1, 3)
    at = np.arange((cells + 1) ** 2, dtype=np.int32).reshape(cells + 1, -1)
    a, b, c, d = (part.ravel() for part in (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]))
    return Mesh(vertices, np.concatenate([np.stack([a, c, b], -1), np.stack([a, d, c], -1)]))


def photo(x: float, name: str) -> View:
    """A photo of the wall from in front of x."""
    centre = np.array((x, 0.0, 0.0))
    return View(name, CAMERA, look_at(centre, centre + np.array((0.0, 0.0, 1.0)), -DOWN), Path("photo.png"))


@pytest.fixture(scope="module")
def left_half() -> tuple[Mesh, tuple[View, ...]]:
    """Three photos that show the wall up to about x = 2.2."""
    return wall(), (photo(0.3, "a"), photo(0.6, "b"), photo(0.9, "c"))


def variance(known: Survey) -> float:
    return float((1 / (1 + known.information)).mean())


def test_what_is_seen_is_what_the_cameras_have_in_front_of_them(left_half: tuple[Mesh, tuple[View, ...]]) -> None:
    mesh, views = left_half
    known = survey(mesh, views)
    x = known.places.points[:, 0]
    edges = [(centre - 2 * 32 / 50, centre + 2 * 32 / 50) for centre in (0.3, 0.6, 0.9)]
    expected = sum(((x > low) & (x < high)).astype(int) for low, high in edges)
    assert (known.looks == expected).mean() > 0.99
    assert known.unseen == pytest.approx((4 - 0.9 - 1.28) / 4, abs=0.01)
    assert known.distance == pytest.approx(2.1, abs=0.15)
    assert known.area * len(known.looks) == pytest.approx(4.0)


def test_a_suggested_photo_shows_what_no_other_does_and_keeps_its_promise(
    left_half: tuple[Mesh, tuple[View, ...]],
) -> None:
    """Once it is taken, the variance left has fallen by what was promised."""
    mesh, views = left_half
    known = survey(mesh, views)
    first = suggest(known, views, count=1)[0]
    assert first.unseen > 0.5
    taken = View("new", first.camera, first.cam_from_world, Path("new.png"))
    after = survey(mesh, (*views, taken))
    fine_before = replace(after, fine=known.fine)
    assert known.unseen - after.unseen == pytest.approx(first.unseen / 4.0, abs=0.01)
    assert after.fine == pytest.approx(fine_before.fine, rel=0.1)
    assert variance(after) == pytest.approx((1 - first.fall) * variance(known), rel=0.05)


def test_suggestions_are_ranked_differ_and_stand_where_one_can(left_half: tuple[Mesh, tuple[View, ...]]) -> None:
    mesh, views = left_half
    found = suggest(survey(mesh, views), views, count=5)
    assert len(found) == 5
    falls = [s.fall for s in found]
    assert falls == sorted(falls, reverse=True)
    assert len({tuple(s.cam_from_world.ravel()) for s in found}) == 5
    for s in found:
        assert s.centre[2] < 2.0  # before the wall
        assert abs(s.centre[1]) < 0.25  # as high as the photos were taken from
        assert s.cam_from_world[1, 1] > 0.7  # upright
        assert np.linalg.det(s.cam_from_world[:3, :3]) == pytest.approx(1.0)


def test_the_way_from_the_nearest_photo_leads_there(left_half: tuple[Mesh, tuple[View, ...]]) -> None:
    mesh, views = left_half
    by_name = {view.name: view for view in views}
    for s in suggest(survey(mesh, views), views, count=3):
        near = by_name[s.near]
        moved = transform(near.cam_from_world, s.centre[None])[0]
        assert moved == pytest.approx(s.moved, abs=0.02 * 2.1)
        right, up = np.radians(s.turned)
        local = np.array((np.sin(right) * np.cos(up), -np.sin(up), np.cos(right) * np.cos(up)))
        assert near.cam_from_world[:3, :3].T @ local == pytest.approx(s.forward, abs=1e-9)


def test_what_is_known_well_asks_for_nothing(left_half: tuple[Mesh, tuple[View, ...]]) -> None:
    views = tuple(photo(x, f"{x:.2f}") for x in np.linspace(0, 4, 200))
    assert suggest(survey(left_half[0], views), views) == ()


def test_the_order_of_the_photos_changes_nothing(left_half: tuple[Mesh, tuple[View, ...]]) -> None:
    mesh, views = left_half
    one, other = (suggest(survey(mesh, order), order, count=2) for order in (views, views[::-1]))
    assert [s.near for s in one] == [s.near for s in other]
    for a, b in zip(one, other, strict=True):
        assert a.cam_from_world == pytest.approx(b.cam_from_world)


def test_a_wall_behind_another_is_not_reached_through_it() -> None:
    """A closed box around the cameras: every standpoint lies inside."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([f for a, b, c, d in quads for f in ((a, c, b), (a, d, c))], np.int32)
    views = (View("a", CAMERA, look_at(np.zeros(3), np.array((0.0, 0, 1)), -DOWN), Path("a.png")),)
    found = suggest(survey(Mesh(corners, faces), views), views, count=6)
    assert len(found) == 6
    assert all(np.abs(s.centre).max() < 1 for s in found)


def test_straight_up_and_down_have_a_pose() -> None:
    for target in (DOWN, -DOWN):
        pose = look_at(np.zeros(3), target, -DOWN)
        assert pose[2, :3] == pytest.approx(target)
        assert camera_centre(pose) == pytest.approx(np.zeros(3))


def test_cameras_that_see_nothing_are_an_error() -> None:
    away = View("a", CAMERA, look_at(np.zeros(3), np.array((0.0, 0, -1)), -DOWN), Path("a.png"))
    with pytest.raises(ReaderError, match="none of 1 views sees the mesh"):
        survey(wall(), (away,))


def test_the_command_writes_poses_and_a_coloured_mesh(room_capture: Path, tmp_path: Path) -> None:
    done = run_warm(["suggest", str(room_capture), "--count", "2", "-o", str(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert "photo 1" in done.stdout
    figures = json.loads((tmp_path / "out" / "suggestions.json").read_text())
    assert len(figures["photos"]) == 2
    assert 0 <= figures["surface"]["unseen"] < 1
    colours = read_mesh(tmp_path / "out" / "known.ply").mesh.colours
    assert colours is not None
    assert np.ptp(colours, axis=0).max() > 0.2  # not one colour all over
    refused = run_warm(["suggest", str(room_capture), "--count", "0"])
    assert refused.returncode == 2
    assert "--count 0" in refused.stderr
