"""Warps are found where photos are warped, and are next to nothing where they are not."""

from dataclasses import replace

import numpy as np
import pytest

from neuraltexgen.refine import ThroughMesh, rig_of
from neuraltexgen.refine.pyramids import make_pyramid, photo_pyramids, sampled
from neuraltexgen.refine.through_mesh import Rig
from neuraltexgen.refine.warps import Warp, found_warps, mean_warps, warp_size, with_warp
from neuraltexgen.scene import WarpedCamera
from neuraltexgen.warp import as_warp, warped_by
from painted import Painted, paint

PLACES = [(-0.6, -0.2, 0.2), (0.5, 0.3, 0.0), (0.1, -0.4, 0.4), (-0.3, 0.4, -0.2), (0.7, -0.3, 0.3), (0.0, 0.0, 0.0)]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return paint(tmp_path_factory.mktemp("warps"), PLACES)


def test_one_warped_photo_is_found_and_the_others_stay(painted: Painted) -> None:
    """The photo shows at a pixel what it had beside it, by a warp: its camera is to be told that very warp."""
    pyramids, rig = photo_pyramids(painted.views, 3), rig_of(painted.views)
    y, x = np.mgrid[:6, :8]
    planted = np.stack((1.5 * np.sin(x / 2.0), 1.2 * np.cos(y + 0.5 * x)), axis=-1)
    at = np.stack(np.meshgrid(np.arange(256) + 0.5, np.arange(192) + 0.5), axis=-1).reshape(-1, 2)
    moved = sampled(pyramids[2].levels[0], at + warped_by(at, (256, 192), planted))[:, 0]
    pyramids[2] = make_pyramid(moved.reshape(192, 256).astype(np.float32), 3)
    warps, figures = found_warps(ThroughMesh(painted.mesh), pyramids, rig)
    assert figures.worth
    inner = at[(np.abs(at - (128, 96)) < (90, 65)).all(axis=1)]
    left = [
        np.sqrt(np.mean((warped_by(inner, (256, 192), np.array(warp)) - truth) ** 2))
        for warp, truth in zip(warps, [0 * inner] * 2 + [warped_by(inner, (256, 192), planted)] + [0 * inner] * 3)
    ]
    size = np.sqrt(np.mean(warped_by(inner, (256, 192), planted) ** 2))
    assert left[2] < 0.35 * size
    assert max(left[:2] + left[3:]) < 0.25 * size


def test_photos_that_agree_are_hardly_warped(painted: Painted) -> None:
    pyramids = photo_pyramids(painted.views, 3)
    warps, figures = found_warps(ThroughMesh(painted.mesh), pyramids, rig_of(painted.views))
    assert figures.looks > 100
    assert not figures.worth
    size = warp_size(warps)
    assert size is not None
    assert size < 0.1


def test_what_warps_have_in_common_is_their_lenss(painted: Painted) -> None:
    lens = painted.views[0].camera
    other = replace(lens, params=(231.0, 231.0, 128.0, 96.0))
    rig = Rig(tuple(view.cam_from_world for view in painted.views[:3]), (lens, other), (0, 1, 0))
    warps: tuple[Warp, ...] = tuple(as_warp(np.full((6, 8, 2), value)) for value in (1.0, 5.0, 2.0))
    common = mean_warps(rig, warps)
    np.testing.assert_allclose(common[lens], 1.5)
    np.testing.assert_allclose(common[other], 5.0)
    assert mean_warps(rig, ()) == {}
    assert warp_size(()) is None


def test_a_camera_without_warp_stays_itself(painted: Painted) -> None:
    lens = painted.views[0].camera
    assert with_warp(lens, None) is lens
    warped = with_warp(lens, as_warp(np.ones((6, 8, 2))))
    assert isinstance(warped, WarpedCamera)
    assert warped.lens() == lens
