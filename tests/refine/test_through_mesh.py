"""Matches seen through a mesh: derivatives against finite differences, and what is not told."""

from dataclasses import replace

import numpy as np
import pytest

from neuraltexgen.refine.matches import Matches
from neuraltexgen.refine.motion import moved
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.scene import Camera, Mesh

LENSES = {
    "OPENCV": Camera("OPENCV", 640, 480, (520.0, 525.0, 322.0, 238.0, -0.05, 0.03, 0.001, -0.002)),
    "SIMPLE_RADIAL": Camera("SIMPLE_RADIAL", 640, 480, (500.0, 320.0, 240.0, 0.02)),
    "OPENCV_FISHEYE": Camera("OPENCV_FISHEYE", 640, 480, (300.0, 301.0, 318.0, 243.0, 0.01, -0.02, 0.003, 0.001)),
}


def corner() -> Mesh:
    """Three walls that meet, 2 units a side, seen from inside."""
    vertices = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (2.0, 4.0)])
    quads = [(1, 3, 7, 5), (0, 1, 3, 2), (2, 3, 7, 6)]
    return Mesh(vertices, np.array([f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))], np.int32))


def rig_of(*cameras: Camera) -> Rig:
    poses = (
        moved(np.eye(4), np.array([0.02, 0.1, 0.03, 0.1, -0.1, 0.2])),
        moved(np.eye(4), np.array([0, -0.2, 0, 0.5, 0, 0.1])),
    )
    return Rig(poses, cameras, (0, len(cameras) - 1))


def some_matches(count: int = 40) -> Matches:
    generator = np.random.default_rng(1)
    source = generator.uniform((200, 140), (440, 340), (count, 2))
    return Matches(np.zeros(count, np.int32), np.ones(count, np.int32), source, source + 3.0)


@pytest.mark.parametrize("second", ["OPENCV", "SIMPLE_RADIAL", "OPENCV_FISHEYE"])
def test_derivatives_are_finite_differences(second: str) -> None:
    surface, matches, rig = ThroughMesh(corner()), some_matches(), rig_of(LENSES["OPENCV"], LENSES[second])
    start, hits, places = surface.residuals(rig, matches)
    assert np.isfinite(start).all()
    by = surface.derivatives(rig, matches, hits, places)
    h = 1e-6
    for k in range(6):
        for view, claimed in ((0, by.source), (1, by.target)):
            found = []
            for sign in (1, -1):
                poses = list(rig.poses)
                poses[view] = moved(poses[view], sign * h * np.eye(6)[k])
                found.append(surface.residuals(replace(rig, poses=tuple(poses)), matches)[0])
            np.testing.assert_allclose((found[0] - found[1]) / (2 * h), claimed[:, :, k], rtol=1e-3, atol=2e-2)
    for lens, claimed in ((0, by.source_lens), (1, by.target_lens)):
        for k in range(len(rig.cameras[lens].params)):
            found = []
            for sign in (1, -1):
                params = np.array(rig.cameras[lens].params)
                params[k] += sign * h
                cameras = list(rig.cameras)
                cameras[lens] = replace(cameras[lens], params=tuple(params.tolist()))
                found.append(surface.residuals(replace(rig, cameras=tuple(cameras)), matches)[0])
            np.testing.assert_allclose((found[0] - found[1]) / (2 * h), claimed[:, :, k], rtol=1e-3, atol=2e-2)
