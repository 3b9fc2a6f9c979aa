"""The doctor's parts: turned pixels, hypotheses and their opposites, offsets of patches, standard errors."""

import numpy as np
import pytest

from faults import opposite
from neuraltexgen.doctor.candidate import Candidate, stored_pixels, turned_pixels
from neuraltexgen.doctor.evidence import RADIUS, SIDE, choose_views
from neuraltexgen.doctor.fix import moved_mesh
from neuraltexgen.doctor.matching import align, correlate
from neuraltexgen.doctor.search import applied, standard_errors
from neuraltexgen.doctor.table import HYPOTHESES, LENS
from neuraltexgen.geometry import face_areas
from neuraltexgen.images import turn_pixels
from neuraltexgen.scene import Camera
from tiny import look, tiny


@pytest.mark.parametrize("turn", range(1, 9))
def test_points_turn_as_pixels_do(turn: int) -> None:
    width, height = 7, 4
    image = np.arange(width * height).reshape(height, width)
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(width), np.arange(height)))
    points = np.stack([x, y], axis=1) + 0.5
    turned = turned_pixels(points, (width, height), turn)
    there = turn_pixels(image, turn)
    assert np.array_equal(there[turned[:, 1].astype(int), turned[:, 0].astype(int)], image[y, x])
    assert np.array_equal(stored_pixels(turned, (width, height), turn), points)


@pytest.mark.parametrize("name", [name for name, row in HYPOTHESES.items() if row.group not in ("principal point",)])
def test_a_hypothesis_and_its_opposite_leave_everything_as_it_was(name: str) -> None:
    if name == "distortion:none":
        return  # what was there is gone
    camera = Camera("OPENCV", 32, 24, (30.0, 31.0, 16.5, 11.5, 0.05, -0.01, 0.002, -0.001))
    poses = np.array([look(0.4), look(-0.7), look(1.1)])
    before = Candidate((camera,) * 3, poses, np.eye(4))
    there = applied(before, [HYPOTHESES[opposite(name)]])
    assert there is not None
    if HYPOTHESES[name].group == "photos":
        assert turned_pixels(np.array([[1.0, 2.0]]), (32, 24), there.turn).shape == (1, 2)
        return
    back = applied(there, [HYPOTHESES[name]])
    assert back is not None
    assert np.allclose(back.poses, before.poses, atol=1e-12)
    assert np.allclose(back.world_from_mesh, before.world_from_mesh, atol=1e-12)
    assert np.allclose(back.cameras[0].params, camera.params, atol=1e-12)
    rotations = there.poses[:, :3, :3]
    assert np.allclose(rotations @ rotations.swapaxes(1, 2), np.eye(3), atol=1e-9)
    assert (np.linalg.det(rotations) > 0).all()


def test_hypotheses_that_change_nothing_are_none() -> None:
    plain = Camera("PINHOLE", 32, 24, (30.0, 30.0, 16.0, 12.0))
    before = Candidate((plain,), look(0.4)[None], np.eye(4))
    kept = {row.name for row in LENS if row.apply(before) is not None}
    assert not any(name.startswith("distortion") for name in kept)
    assert not kept & {"focal-length:swapped", "principal-point:centre", "principal-point:from-below"}


def test_a_shifted_patch_is_found_where_it_lies() -> None:
    y, x = np.mgrid[0:40, 0:40] + 0.5
    waves = sum(np.sin(0.5 * np.cos(a) * x + 0.5 * np.sin(a) * y + 3 * a) for a in (0.1, 0.9, 1.7, 2.6))
    image = (0.5 + 0.1 * waves).astype(np.float32)
    side = np.arange(-RADIUS, RADIUS + 1)
    steps = np.stack([grid.ravel() for grid in np.meshgrid(side, side)], axis=1)
    values = image[20 + steps[:, 1], 20 + steps[:, 0]].astype(np.float64)
    values = (values - values.mean()) / np.linalg.norm(values - values.mean())
    brighter = (0.7 * image + 0.2)[None].astype(np.float32)
    arguments = brighter, np.ones(brighter.shape, bool), values[None].astype(np.float32), np.zeros(1, np.int64)
    sizes = np.array([[40, 40]])
    for shift in ((0.0, 0.0), (0.8, -0.5), (-1.2, 0.3)):
        pixels = (steps + 20.5 - np.array(shift))[None].astype(np.float32)
        found, likeness = np.full((1, 2), np.nan), np.full(1, np.nan)
        align(*arguments, np.zeros(1, np.int64), sizes, pixels, found)
        correlate(*arguments, np.zeros(1, np.int64), sizes, pixels, likeness)
        assert np.allclose(found[0], shift, atol=0.03)
        assert (likeness[0] > 0.99) == (shift == (0.0, 0.0))
    outside = (steps + 1.0)[None].astype(np.float32)
    correlate(*arguments, np.zeros(1, np.int64), sizes, outside, likeness)
    assert np.isnan(likeness[0])
    assert len(steps) == SIDE**2


def test_standard_errors_count_blocks_not_patches() -> None:
    rng = np.random.default_rng(0)
    gains, block = rng.standard_normal(400) + 0.3, np.arange(400) // 10
    one = standard_errors(gains, block)
    assert one > 3
    assert standard_errors(np.repeat(gains, 5), np.repeat(block, 5)) == pytest.approx(one)
    assert standard_errors(-gains, block) == pytest.approx(-one)
    assert standard_errors(np.zeros(0), np.zeros(0, np.int64)) == 0


def test_long_captures_are_sampled_in_groups() -> None:
    assert choose_views(5, 16) == (0, 1, 2, 3, 4)
    assert len(choose_views(60, 16)) == 16
    chosen = choose_views(1000, 16)
    assert len(chosen) == 16
    assert chosen[:4] == (0, 3, 6, 9)
    assert max(chosen) == 999


def test_a_mirrored_mesh_keeps_its_fronts() -> None:
    mesh = tiny().mesh
    mirrored = moved_mesh(mesh, np.diag([-1.0, 1.0, 1.0, 1.0]))
    before, after = (face_areas(m.vertices[:, :2], m.faces) for m in (mesh, mirrored))
    assert np.allclose(before, after)
    assert mirrored.uvs is not None
    assert mirrored.uv_faces is not None
    assert np.array_equal(mirrored.uv_faces[:, ::-1], mesh.uv_faces)
