"""Merging faces keeps flat what is flat, holes as they are, colours where they were, and the budget."""

import numpy as np
import pytest

from neuraltexgen.geometry import face_areas
from neuraltexgen.meshes.through_open3d import decimate
from neuraltexgen.reconstruct.clean import face_budget
from neuraltexgen.reconstruct.settings import MeshSettings
from neuraltexgen.scene import Mesh

RADIUS = 0.3
WEIGHT = MeshSettings().boundary_weight


def ring(rings: int = 40, around: int = 160, bump: float = 0.0) -> Mesh:
    """A disc of radius 1 with a round hole in its middle; red grows with x. `bump` rolls it along y."""
    radius, angle = np.meshgrid(np.linspace(RADIUS, 1, rings), 2 * np.pi * np.arange(around) / around, indexing="ij")
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    vertices = np.stack([x, y, bump * np.sin(5 * y)], axis=2).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a, b = i * around + j, i * around + (j + 1) % around
    faces = np.concatenate([np.stack([a, a + around, b + around], 2), np.stack([a, b + around, b], 2)]).reshape(-1, 3)
    colours = np.stack([(vertices[:, 0] + 1) / 2, np.full(len(vertices), 0.25), np.zeros(len(vertices))], axis=1)
    return Mesh(vertices, faces.astype(np.int32), colours=colours.astype(np.float32))


def border_edges(mesh: Mesh) -> np.ndarray:
    ends = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    edges, uses = np.unique(ends, axis=0, return_counts=True)
    return edges[uses == 1]


def hole_error(mesh: Mesh) -> float:
    """How far the hole's outline leaves its circle: the border edges' middles and ends."""
    edges = mesh.vertices[border_edges(mesh)][..., :2]
    points = np.concatenate([edges[:, 0], edges[:, 1], edges.mean(axis=1)])
    radius = np.linalg.norm(points, axis=1)
    assert (radius < 0.6).any()
    return float(np.abs(radius[radius < 0.6] - RADIUS).max())


@pytest.mark.parametrize("bump", [0.0, 0.1])
def test_holes_keep_their_outlines(bump: float) -> None:
    mesh = ring(bump=bump)
    few = decimate(mesh, 600, WEIGHT)
    assert len(few.faces) <= 600 < len(mesh.faces) / 10
    assert hole_error(few) < 0.01
    assert face_areas(few.vertices, few.faces).sum() == pytest.approx(
        face_areas(mesh.vertices, mesh.faces).sum(), rel=0.01
    )


def test_the_weight_is_what_keeps_them() -> None:
    mesh = ring(bump=0.1)
    assert hole_error(decimate(mesh, 300, WEIGHT)) < 0.5 * hole_error(decimate(mesh, 300, 0.0))


def test_flat_stays_flat_and_colours_stay_in_place() -> None:
    few = decimate(ring(), 800, WEIGHT)
    assert np.abs(few.vertices[:, 2]).max() < 1e-9
    assert few.colours is not None
    assert np.abs(few.colours[:, 0] - (few.vertices[:, 0] + 1) / 2).max() < 0.1
    assert np.allclose(few.colours[:, 1], 0.25, atol=1e-6)


def test_a_mesh_within_its_budget_is_left_alone() -> None:
    mesh = ring()
    assert decimate(mesh, len(mesh.faces), WEIGHT) is mesh


def test_the_budget_follows_area_and_edge() -> None:
    mesh = ring()
    area = face_areas(mesh.vertices, mesh.faces).sum()
    assert face_budget(mesh, 0.05, 10**9) == int(area / (np.sqrt(3) / 4 * 0.05**2))
    assert face_budget(mesh, 0.05, 100) == 100
    assert face_budget(mesh, 99.0, 100) == 4
