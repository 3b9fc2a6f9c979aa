"""Features and alignment: a photo of a textured mesh tells where it was taken; one of something else does not."""

from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.images import write_png
from neuraltexgen.refine import Aligner, Rig, ThroughMesh
from neuraltexgen.refine.features import describe, nearest
from neuraltexgen.refine.matches import features_of
from neuraltexgen.scene import View
from neuraltexgen.types import no_progress
from painted import CAMERA, Painted, blobs, paint
from rigs import disturbed, errors


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return paint(tmp_path_factory.mktemp("align"), [(0.2, -0.1, 0.3)])


def test_a_shifted_image_has_shifted_features() -> None:
    image = blobs(300, seed=3)[..., 0]
    a, b = describe(image[:, 20:270].copy()), describe(image[10:, :250].copy())
    pairs = nearest(a, b)
    assert len(pairs) > 100
    shift = b.points[pairs[:, 1]] - a.points[pairs[:, 0]]
    np.testing.assert_allclose(np.median(shift, axis=0), (20, -10), atol=0.05)


def test_no_feature_lies_where_a_mask_is_black() -> None:
    image = blobs(200, seed=3)[..., 0]
    usable = np.zeros((200, 200), bool)
    usable[:, :80] = True
    found = describe(image, usable)
    assert 10 < len(found) < len(describe(image))
    assert (found.points[:, 0] < 80).all()
    assert len(nearest(found, describe(np.full((50, 50), 0.5, np.float32)))) == 0


def test_features_come_back_from_the_cache(painted: Painted, tmp_path: Path) -> None:
    [first] = features_of([painted.views[0]], tmp_path, no_progress)
    [second] = features_of([painted.views[0]], tmp_path, no_progress)
    assert np.array_equal(first.points, second.points)
    assert np.array_equal(first.descriptors, second.descriptors)
    [file] = tmp_path.iterdir()
    file.write_bytes(b"broken")
    [third] = features_of([painted.views[0]], tmp_path, no_progress)
    assert np.array_equal(first.points, third.points)


def test_a_view_is_aligned_to_the_texture(painted: Painted) -> None:
    rig = Rig((painted.views[0].cam_from_world,), (CAMERA,), (0,))
    wrong = disturbed(rig, 2.0, 0.05)
    view = View("photo", CAMERA, wrong.poses[0], painted.views[0].photo)
    found = Aligner(ThroughMesh(painted.mesh), painted.renderer, painted.texture).align(view)
    assert found.pose is not None
    (turn,), (shift,) = errors(Rig((found.pose,), (CAMERA,), (0,)), rig)
    assert turn < 0.05
    assert shift < 0.003
    assert found.moved > 2
    assert found.spread < 0.05


def test_a_photo_of_something_else_is_not_aligned(painted: Painted, tmp_path: Path) -> None:
    write_png(tmp_path / "other.png", blobs(256, seed=9)[:192])
    view = View("other", CAMERA, painted.views[0].cam_from_world, tmp_path / "other.png")
    found = Aligner(ThroughMesh(painted.mesh), painted.renderer, painted.texture).align(view)
    assert found.pose is None
