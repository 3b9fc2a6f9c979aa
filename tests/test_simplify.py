"""Fewer faces on the same surface: the border stays, colours are kept, what can't be simplified is told."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from neuraltexgen.errors import MeshError
from neuraltexgen.geometry import face_areas
from neuraltexgen.meshes.simplify import simplify
from neuraltexgen.meshes.topology import count_components, count_edges_by_faces
from neuraltexgen.scene import Mesh
from surfaces import ball, soup, two

open3d = pytest.importorskip("open3d", reason="open3d is not installed")


def sheet(cells: int = 24) -> Mesh:
    """A gentle relief over [0, 1]² with straight borders, red where x is 0 and green where it is 1."""
    y, x = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, cells + 1), np.linspace(0, 1, cells + 1), indexing="ij"))
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1, 1)
    a, b, c, d = corner, corner + 1, corner + cells + 1, corner + cells + 2
    faces = np.concatenate([np.hstack([a, b, d]), np.hstack([a, d, c])]).astype(np.int32)
    inside = x * (1 - x) * y * (1 - y)
    colours = np.stack([1 - x, x, 0 * x], axis=1).astype(np.float32)
    return Mesh(np.stack([x, y, 0.5 * np.sin(7 * x) * inside], axis=1), faces, colours=colours)


def border(mesh: Mesh) -> np.ndarray:
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    kept, count = np.unique(edges, axis=0, return_counts=True)
    return mesh.vertices[kept[count == 1]]


def test_a_sheet_keeps_its_border_its_area_and_its_colours() -> None:
    mesh, said = simplify(sheet(), 200)
    assert 100 < len(mesh.faces) <= 200
    assert said == f"simplified from 1,152 to {len(mesh.faces)} faces"
    ends = border(mesh)
    assert np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).sum() == pytest.approx(4, rel=1e-3)
    assert np.abs(ends[..., None] - (0.0, 1.0))[:, :, :2].min(axis=3).min(axis=2).max() < 1e-3
    before = face_areas(sheet().vertices, sheet().faces).sum()
    assert face_areas(mesh.vertices, mesh.faces).sum() == pytest.approx(before, rel=1e-3)
    assert mesh.colours is not None
    np.testing.assert_allclose(mesh.colours[:, 1], mesh.vertices[:, 0], atol=0.1)
    assert np.abs(mesh.colours[:, 1] - mesh.vertices[:, 0]).mean() < 0.03


def test_a_closed_surface_stays_closed_and_in_its_place() -> None:
    mesh, _ = simplify(two(ball()), 200)
    assert set(count_edges_by_faces(mesh.faces)) == {2}
    assert count_components(mesh.faces) == 2
    np.testing.assert_allclose(mesh.vertices.min(axis=0), two(ball()).vertices.min(axis=0), atol=0.1)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), two(ball()).vertices.max(axis=0), atol=0.1)


def test_doubled_vertices_are_no_border() -> None:
    mesh, _ = simplify(soup(ball()), 100)
    assert len(mesh.faces) <= 100
    assert set(count_edges_by_faces(mesh.faces)) == {2}


def test_a_mesh_that_is_small_enough_stays_as_it_is() -> None:
    mesh = ball()
    assert simplify(mesh, len(mesh.faces)) == (mesh, "")


def test_uvs_are_dropped_with_a_word() -> None:
    flat = sheet()
    mesh, said = simplify(replace(flat, uvs=flat.vertices[:, :2].copy(), uv_faces=flat.faces), 100)
    assert not mesh.has_uvs
    assert "uvs" in said


def test_the_same_mesh_gives_the_same_faces() -> None:
    first, second = (simplify(ball(), 100)[0] for _ in range(2))
    assert np.array_equal(first.vertices, second.vertices)
    assert np.array_equal(first.faces, second.faces)


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MeshError, match="3 faces"):
        simplify(ball(), 3)
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(MeshError, match="Open3D is not installed") as caught:
        simplify(ball(), 100)
    assert "pip install 'neuraltexgen[open3d]'" in (caught.value.fix or "")
