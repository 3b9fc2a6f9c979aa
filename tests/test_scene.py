"""A scene's parts refuse what breaks their contract, and say what and how many."""

from pathlib import Path

import numpy as np
import pytest

import tiny
from neuraltexgen.errors import CameraError, MeshError, NeuralTexGenError, ReaderError
from neuraltexgen.scene import Camera, Mesh, View

TRIANGLE = np.eye(3)
FACE = np.array([[0, 1, 2]], np.int32)


def test_an_error_prints_its_fix_on_a_second_line() -> None:
    assert str(ReaderError("what", fix="do this")) == "what\nfix: do this"
    assert str(ReaderError("what")) == "what"
    assert issubclass(ReaderError, NeuralTexGenError)


def test_a_mesh_refuses_what_cannot_be_drawn() -> None:
    uvs = np.zeros((3, 2))
    assert Mesh(TRIANGLE, FACE, uvs, FACE).has_uvs
    assert not Mesh(TRIANGLE, FACE).has_uvs
    with pytest.raises(MeshError, match="empty"):
        Mesh(TRIANGLE, FACE[:0])
    with pytest.raises(MeshError, match="1 of 3 vertices are not finite"):
        Mesh(np.where(TRIANGLE[:, :1] == 1, np.nan, TRIANGLE), FACE)
    with pytest.raises(MeshError, match="1 of 1 faces point outside the 3 vertices"):
        Mesh(TRIANGLE, FACE + 1)
    with pytest.raises(MeshError, match="both"):
        Mesh(TRIANGLE, FACE, uvs)
    with pytest.raises(MeshError, match="uv_faces point outside"):
        Mesh(TRIANGLE, FACE, uvs[:2], FACE)


def test_a_camera_refuses_no_size_and_no_numbers() -> None:
    with pytest.raises(CameraError, match="0x4"):
        Camera("PINHOLE", 0, 4, (1.0, 1.0, 0.0, 0.0))
    with pytest.raises(CameraError, match="finite"):
        Camera("PINHOLE", 4, 4, (1.0, float("nan"), 0.0, 0.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (np.diag([np.nan, 1, 1, 1]), "NaN"),
        (np.diag([2.0, 2, 2, 1]), "scaled"),
        (np.diag([-1.0, 1, 1, 1]), "mirrors"),
        (np.diag([1.0, 1, 1, 2]), "last row"),
    ],
)
def test_a_view_refuses_poses_that_are_no_rigid_motion(change: np.ndarray, message: str) -> None:
    camera = Camera("PINHOLE", 4, 4, (1.0, 1.0, 2.0, 2.0))
    View("a", camera, tiny.look(0.2), Path("a.jpg"))
    with pytest.raises(CameraError, match=message):
        View("a", camera, change @ tiny.look(0.0), Path("a.jpg"))
