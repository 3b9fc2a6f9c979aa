"""Any mesh becomes a manifold that winds one way; uvs given to it come back to the mesh's own corners."""

import numpy as np
import pytest

from neuraltexgen.errors import UnwrapError
from neuraltexgen.meshes.topology import count_components, count_edges_by_faces
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.manifold import Manifold, make_manifold, weld, with_corner_uvs
from surfaces import SURFACES, ball, moebius, turned, with_flat_faces


def directed(faces: np.ndarray) -> np.ndarray:
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def fans(faces: np.ndarray) -> int:
    """How many fans of faces there are around all vertices: pieces of the corners, joined across edges."""
    corners = np.arange(faces.size).reshape(-1, 3)
    ends: dict[tuple[int, int], tuple[int, int]] = {}
    links = []
    for face, places in zip(faces.tolist(), corners.tolist()):
        for k in range(3):
            a, b = face[k], face[(k + 1) % 3]
            ends[a, b] = places[k], places[(k + 1) % 3]
    for (a, b), (at_a, at_b) in ends.items():
        if (b, a) in ends:
            links += [[at_a, ends[b, a][1]], [at_b, ends[b, a][0]]]
    alone = [[c, c] for c in corners.ravel().tolist()]
    return count_components(np.array([[a, b, b] for a, b in links + alone]))


@pytest.mark.parametrize("name", SURFACES)
def test_it_is_a_manifold_that_winds_one_way(name: str) -> None:
    manifold = make_manifold(SURFACES[name])
    assert max(count_edges_by_faces(manifold.faces)) <= 2
    edges = directed(manifold.faces)
    assert len(np.unique(edges, axis=0)) == len(edges)  # no edge is passed twice in one direction
    assert fans(manifold.faces) == len(manifold.vertices) == len(np.unique(manifold.faces))


@pytest.mark.parametrize("name", SURFACES)
def test_its_faces_are_the_meshs_own(name: str) -> None:
    mesh, manifold = SURFACES[name], make_manifold(SURFACES[name])
    order = np.where(manifold.turned[:, None], [0, 2, 1], [0, 1, 2])
    corners = np.take_along_axis(manifold.faces, order, axis=1)
    moved = mesh.vertices[mesh.faces[manifold.kept]] - manifold.vertices[corners] * np.ptp(mesh.vertices, axis=0).max()
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0, 0], moved.shape), atol=1e-9)


def test_it_is_cut_no_more_than_needed() -> None:
    assert count_components(make_manifold(SURFACES["soup"]).faces.astype(np.int64)) == 1
    assert len(make_manifold(SURFACES["turned"]).vertices) == len(SURFACES["torus"].vertices)
    assert count_components(make_manifold(moebius()).faces.astype(np.int64)) == 1
    assert count_components(make_manifold(SURFACES["book"]).faces.astype(np.int64)) == 4


def flat_uvs(manifold: Manifold) -> np.ndarray:
    """uvs by position, v up, so that every corner's is known."""
    return (manifold.vertices[:, :2] + 0.5)[manifold.faces]


@pytest.mark.parametrize("name", SURFACES)
def test_uvs_come_back_to_their_corners_with_v_down(name: str) -> None:
    mesh, manifold = SURFACES[name], make_manifold(SURFACES[name])
    result = with_corner_uvs(mesh, manifold, flat_uvs(manifold))
    assert result.vertices is mesh.vertices
    assert result.faces is mesh.faces
    assert result.uvs is not None
    assert result.uv_faces is not None
    low, high = mesh.vertices[mesh.faces.ravel()].min(axis=0), mesh.vertices[mesh.faces.ravel()].max(axis=0)
    expected = ((mesh.vertices - (low + high) / 2) / (high - low).max())[:, :2] * (1, -1) + 0.5
    kept = manifold.kept
    np.testing.assert_allclose(result.uvs[result.uv_faces][kept], expected[mesh.faces][kept], atol=1e-12)


def test_faces_without_area_lie_in_one_point_of_their_own_vertices() -> None:
    mesh = with_flat_faces(ball())
    manifold = make_manifold(mesh)
    assert np.flatnonzero(~manifold.kept).tolist() == [len(mesh.faces) - 3 + k for k in range(3)]
    result = with_corner_uvs(mesh, manifold, flat_uvs(manifold))
    assert result.uvs is not None
    assert result.uv_faces is not None
    places = result.uvs[result.uv_faces]
    assert (places[-3:] == places[-3:, :1]).all()
    assert (places[-3:, 0, None] == places[:-3].reshape(1, -1, 2)).all(axis=2).any(axis=1).all()


def test_equal_corners_share_a_uv_and_vertices_do_not() -> None:
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    corners = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [1, 0]]], dtype=np.float64)
    welded = weld(Mesh(np.eye(4)[:, :3], faces), corners)
    assert welded.uvs is not None
    assert welded.uv_faces is not None
    assert np.array_equal(welded.uvs[welded.uv_faces], corners)
    assert len(welded.uvs) == 4  # vertices 1 and 3 lie on one place and keep a uv each
    assert np.array_equal(welded.uv_faces[0, [0, 2]], welded.uv_faces[1, :2])


def test_a_mesh_without_area_is_refused() -> None:
    with pytest.raises(UnwrapError, match="none of the 1 faces"):
        make_manifold(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]], dtype=np.int32)))


def test_winding_is_that_of_the_first_face() -> None:
    assert not make_manifold(ball()).turned.any()
    assert make_manifold(turned(ball())).turned.any()
