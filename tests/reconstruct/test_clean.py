"""Cleaning removes small pieces and broken faces, and nothing else."""

import numpy as np
import pytest

from neuraltexgen.meshes.topology import count_edges_by_faces
from neuraltexgen.reconstruct.clean import clean
from neuraltexgen.scene import Mesh


def sheet(cells: int, size: float, at: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.meshgrid(np.linspace(0, size, cells + 1), np.linspace(0, size, cells + 1), indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1) + at
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1, 1)
    lower = np.hstack([corner, corner + 1, corner + cells + 2])
    upper = np.hstack([corner, corner + cells + 2, corner + cells + 1])
    return vertices, np.concatenate([lower, upper])


def joined(*parts: tuple[np.ndarray, np.ndarray]) -> Mesh:
    vertices, faces, first = [], [], 0
    for points, triangles in parts:
        vertices.append(points)
        faces.append(triangles + first)
        first += len(points)
    points = np.concatenate(vertices)
    colours = np.random.default_rng(0).random((len(points), 3)).astype(np.float32)
    return Mesh(points, np.concatenate(faces).astype(np.int32), colours=colours)


BIG = sheet(20, 1.0, (0, 0, 0))
MIDDLE = sheet(4, 0.3, (3, 0, 0))
SMALL = sheet(3, 0.02, (0, 3, 0))
WHOLE = joined(SMALL, BIG, MIDDLE)


@pytest.mark.parametrize(
    ("size", "share", "pieces", "faces"),
    [
        (0.0, 0.0, 0, 850),
        (0.1, 0.0, 1, 832),
        (0.0, 0.001, 1, 832),
        (0.5, 0.0, 2, 800),
        (0.0, 0.2, 2, 800),
        (99.0, 1.0, 2, 800),
    ],
)
def test_small_pieces_go_by_size_and_by_share(size: float, share: float, pieces: int, faces: int) -> None:
    found = clean(WHOLE, size, share)
    assert (found.pieces, len(found.mesh.faces), found.broken_faces) == (pieces, faces, 0)
    assert found.piece_faces == 850 - faces
    assert len(found.mesh.vertices) == len(np.unique(found.mesh.faces))


def test_what_stays_keeps_its_places_and_colours() -> None:
    mesh = clean(WHOLE, 0.1, 0.0).mesh
    assert WHOLE.colours is not None
    assert mesh.colours is not None
    first = len(SMALL[0])
    assert np.array_equal(mesh.vertices, WHOLE.vertices[first:])
    assert np.array_equal(mesh.colours, WHOLE.colours[first:])
    assert np.array_equal(mesh.faces, WHOLE.faces[len(SMALL[1]) :] - first)
    again = clean(mesh, 0.1, 0.0)
    assert np.array_equal(again.mesh.faces, mesh.faces)


def test_doubled_and_flat_faces_go() -> None:
    faces = np.concatenate(
        [WHOLE.faces, WHOLE.faces[:3, [1, 2, 0]], WHOLE.faces[5:6, [0, 2, 1]], [[0, 1, 1]], [[0, 1, 2]]]
    )
    found = clean(Mesh(WHOLE.vertices, faces.astype(np.int32)), 0.0, 0.0)
    assert found.broken_faces == 6  # three points in a row have no area either
    assert np.array_equal(found.mesh.faces, WHOLE.faces)
    assert found.mesh.colours is None


def test_no_edge_has_more_than_two_faces_after() -> None:
    vertices, faces = BIG
    fin = np.array([[0.5, 0.5, 0.01]])
    edge = faces[300, :2]
    mesh = Mesh(np.concatenate([vertices, fin]), np.concatenate([faces, [[*edge, len(vertices)]]]).astype(np.int32))
    assert 3 in count_edges_by_faces(mesh.faces)
    found = clean(mesh, 0.0, 0.0)
    assert max(count_edges_by_faces(found.mesh.faces)) == 2
    assert 1 <= found.broken_faces <= 2
