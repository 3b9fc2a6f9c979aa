"""The figures of a parametrisation: what is perfect measures as perfect, what is wrong is counted, order is nothing."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraltexgen.errors import MeshError
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.measure import UnwrapFigures, measure
from neuraltexgen.unwrap.seams import find_cuts, merge_positions


def sheet(cells: int = 6, turn: float = 0.4) -> Mesh:
    """A flat square of 2 x 2 units, tilted in space, laid into the texture isometrically, not mirrored."""
    y, x = (a.ravel() for a in np.meshgrid(np.linspace(-1, 1, cells + 1), np.linspace(-1, 1, cells + 1), indexing="ij"))
    at = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    a, b, c, d = at[:-1, :-1].ravel(), at[:-1, 1:].ravel(), at[1:, :-1].ravel(), at[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)]).astype(np.int32)
    axes = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0]])
    # x to the right and y up, seen from where the faces are counter-clockwise; v points down.
    return Mesh(np.stack([x, y], 1) @ axes, faces, np.stack([0.5 + x / 4, 0.5 - y / 4], 1), faces.copy())


def wavy() -> Mesh:
    """A bumpy sheet whose uvs are bent, in two charts."""
    flat = sheet(8)
    assert flat.uvs is not None
    bumps = 0.3 * np.sin(3 * flat.vertices[:, :1]) * np.cos(2 * flat.vertices[:, 1:2])
    bent = np.stack([flat.uvs[:, 0] ** 1.3, flat.uvs[:, 1] + 0.1 * flat.uvs[:, 0] ** 2], 1) * 0.45
    left = flat.vertices[flat.faces][:, :, 0].mean(axis=1) < 0.1
    other = (flat.faces + np.where(left, 0, len(bent))[:, None]).astype(np.int32)
    uvs = np.vstack([bent, bent + np.array([0.5, 0])])
    return Mesh(flat.vertices + np.hstack([bumps * 0, bumps * 0, bumps]), flat.faces, uvs, other)


def shuffled(mesh: Mesh, seed: int) -> Mesh:
    """The same surface with its faces, the corners in each, and its vertices in another order."""
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    rng = np.random.default_rng(seed)
    faces, place = rng.permutation(len(mesh.faces)), rng.permutation(len(mesh.vertices))
    vertices = np.empty_like(mesh.vertices)
    vertices[place] = mesh.vertices
    turn = (np.arange(3) + rng.integers(0, 3, (len(faces), 1))) % 3
    solid = np.take_along_axis(place[mesh.faces[faces]], turn, axis=1).astype(np.int32)
    return Mesh(vertices, solid, mesh.uvs, np.take_along_axis(mesh.uv_faces[faces], turn, axis=1))


def close(a: UnwrapFigures, b: UnwrapFigures, but: tuple[str, ...] = ()) -> None:
    for name, value in asdict(a).items():
        if name not in but:
            np.testing.assert_allclose(getattr(b, name), value, rtol=1e-9, atol=1e-9, err_msg=name)


def test_an_isometric_sheet_is_perfect() -> None:
    figures = measure(sheet(), 64)
    assert (figures.charts, figures.flipped, figures.mirrored_charts, figures.degenerate) == (1, 0, 0, 0)
    assert (figures.overlap, figures.seam_length) == (0, 0)
    assert figures.utilisation == 0.25
    np.testing.assert_allclose([figures.stretch_l2, figures.stretch_max, figures.conformal], 1, rtol=1e-12)
    assert figures.angle_degrees == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(figures.density, 64 / 4)
    assert figures.border_length == pytest.approx(8 / np.sqrt(8))


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 1.0), st.floats(1e-3, 1e3), st.integers(0, 2**32))
def test_scale_and_order_change_nothing_but_the_density(in_texture: float, in_space: float, seed: int) -> None:
    mesh = wavy()
    assert mesh.uvs is not None
    scaled = replace(mesh, uvs=mesh.uvs * in_texture, vertices=mesh.vertices * in_space)
    before, after = measure(mesh, 64), measure(shuffled(scaled, seed), 64)
    close(before, after, but=("density", "utilisation", "page_utilisation", "overlap", "mip_level"))
    np.testing.assert_allclose(np.multiply(before.density, in_texture / in_space), after.density)


def test_order_alone_changes_nothing() -> None:
    close(measure(wavy(), 128), measure(shuffled(wavy(), 3), 128))


@pytest.mark.parametrize("squash", [1.5, 4.0])
def test_an_even_squash_has_the_figures_of_its_singular_values(squash: float) -> None:
    """u runs `squash` times as fast as v: singular values 1/squash and 1, times the root of squash to be normalised."""
    mesh = sheet()
    assert mesh.uvs is not None
    figures = measure(replace(mesh, uvs=mesh.uvs * (1, 1 / squash)), 64)
    assert figures.stretch_max == pytest.approx(squash * squash**-0.5)
    assert figures.stretch_l2 == pytest.approx(np.sqrt((1 + squash**2) / 2 / squash))
    assert figures.conformal == pytest.approx((squash + 1 / squash) / 2)
    # Of a right angle at the axes nothing is lost; the two others of an isosceles triangle lose alike.
    lost = 45 - np.rad2deg(np.arctan(1 / squash))
    assert figures.angle_degrees == pytest.approx(2 / 3 * lost)


def test_uneven_scale_is_seen_by_stretch_and_density_but_not_by_angles() -> None:
    mesh = wavy()
    assert mesh.uvs is not None
    uvs = mesh.uvs.copy()
    uvs[len(mesh.vertices) :] = (uvs[len(mesh.vertices) :] - (0.5, 0)) / 3 + (0.5, 0)
    before, after = measure(mesh, 64), measure(replace(mesh, uvs=uvs), 64)
    assert before.charts == 2
    close(
        before,
        after,
        but=("density", "utilisation", "page_utilisation", "overlap", "stretch_l2", "stretch_max", "mip_level"),
    )
    assert after.stretch_l2 > 1.2 * before.stretch_l2
    assert after.density[2] / after.density[0] > 2 * before.density[2] / before.density[0]


def test_a_mirrored_texture_is_mirrored_and_not_flipped() -> None:
    mesh = sheet()
    assert mesh.uvs is not None
    figures = measure(replace(mesh, uvs=mesh.uvs * (-1, 1) + (1, 0)), 64)
    assert (figures.flipped, figures.mirrored_charts) == (0, 1)


def test_a_folded_corner_is_flipped_and_overlaps() -> None:
    mesh = sheet(2)
    assert mesh.uvs is not None
    uvs = mesh.uvs.copy()
    uvs[2] = (0.45, 0.55)  # the corner that one face alone has, pulled to the middle's other side
    (alone,) = np.flatnonzero((mesh.faces == 2).any(axis=1))
    figures = measure(replace(mesh, uvs=uvs), 256)
    assert np.count_nonzero(mesh.faces == 2) == 1
    assert (figures.flipped, figures.mirrored_charts, figures.charts) == (1, 0, 1), alone
    assert figures.overlap > 0


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_faces_wound_at_random_lie_flat_all_the_same(seed: int) -> None:
    """Winding decides which side is the front, not whether the texture folds."""
    mesh, rng = wavy(), np.random.default_rng(seed)
    assert mesh.uv_faces is not None
    order = np.where(rng.random(len(mesh.faces))[:, None] < 0.3, [0, 2, 1], [0, 1, 2])
    faces, uv_faces = (np.take_along_axis(rows, order, axis=1) for rows in (mesh.faces, mesh.uv_faces))
    close(measure(mesh, 64), measure(replace(mesh, faces=faces, uv_faces=uv_faces), 64), but=("mirrored_charts",))


def test_a_known_overlap_is_counted() -> None:
    """Two squares of 32 texels a side that share a quarter."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    solid = np.vstack([np.hstack([corners, np.zeros((4, 1))]), np.hstack([corners, np.ones((4, 1))])])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=np.int32)
    figures = measure(Mesh(solid, faces, np.vstack([corners / 2, corners / 2 + 0.25]), faces.copy()), 64)
    # The pixels of the diagonals lie on two faces' edges, inside neither: they are no overlap for certain.
    assert figures.overlap == pytest.approx(16 * 16 / (2 * 32 * 32 - 16 * 16), abs=16 / 1792)
    assert figures.utilisation == pytest.approx((2 * 32 * 32 - 16 * 16) / 64**2)
    assert figures.charts == 2


def test_a_cut_is_as_long_as_its_edges() -> None:
    """The sheet cut along its middle row: 2 units, over a diagonal of the root of 8."""
    mesh = sheet(4)
    assert mesh.uvs is not None
    lower = (mesh.vertices[mesh.faces][:, :, 1] <= 1e-12).all(axis=1)
    uv_faces = (mesh.faces + np.where(lower, 0, len(mesh.uvs))[:, None]).astype(np.int32)
    cut = replace(mesh, uvs=np.vstack([mesh.uvs * 0.4, mesh.uvs * 0.4 + (0.5, 0)]), uv_faces=uv_faces)
    figures = measure(cut, 64)
    assert figures.charts == 2
    assert figures.seam_length == pytest.approx(2 / np.sqrt(8))
    assert figures.border_length == pytest.approx(8 / np.sqrt(8))


def test_vertices_doubled_at_seams_are_the_same_surface() -> None:
    mesh = wavy()
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    soup = np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3)
    doubled = Mesh(mesh.vertices[mesh.faces.ravel()], soup, mesh.uvs[mesh.uv_faces.ravel()], soup.copy())
    close(measure(mesh, 64), measure(doubled, 64))


def test_degenerate_faces_are_counted_and_left_out() -> None:
    mesh = sheet()
    assert mesh.uv_faces is not None
    on_surface = np.array([[0, 1, 1]], dtype=np.int32)
    in_texture = np.array([[0, 1, 8], [0, 1, 8]], dtype=np.int32)
    faces = np.vstack([mesh.faces, on_surface, [[0, 1, 8]]]).astype(np.int32)
    uv_faces = np.vstack([mesh.uv_faces, in_texture[:1], [[0, 0, 8]]]).astype(np.int32)
    figures = measure(replace(mesh, faces=faces, uv_faces=uv_faces), 64)
    assert (figures.faces, figures.degenerate) == (len(mesh.faces) + 2, 2)
    close(measure(mesh, 64), figures, but=("faces", "degenerate", "seam_length", "border_length", "overlap"))


def test_nothing_but_degenerate_faces_has_no_averages() -> None:
    faces = np.array([[0, 1, 1]], dtype=np.int32)
    figures = measure(Mesh(np.zeros((2, 3)), faces, np.zeros((2, 2)), faces.copy()), 16)
    assert figures.degenerate == figures.faces == 1
    assert np.isnan([figures.stretch_l2, figures.stretch_max, figures.conformal, *figures.density]).all()


def test_an_edge_of_three_faces_with_places_of_their_own_is_cut_twice() -> None:
    vertices = np.array([[0, 0, 0], [2, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1.0]])
    faces = np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]], dtype=np.int32)
    place = np.arange(9, dtype=np.int32).reshape(3, 3)
    uvs = (np.array([[0, 0], [0.2, 0], [0, 0.1]]) + np.array([[0.1], [0.4], [0.7]])[:, None]).reshape(-1, 2)
    assert find_cuts(Mesh(vertices, faces, uvs, place)).seam == pytest.approx(4)


def test_positions_merge_to_the_first() -> None:
    points = np.array([[1.0, 2, 3], [0, 0, 0], [1, 2, 3], [1, 2, 4], [0, 0, 0]])
    assert merge_positions(points).tolist() == [0, 1, 0, 3, 1]


def test_a_mesh_without_uvs_cannot_be_measured() -> None:
    with pytest.raises(MeshError, match="no uvs"):
        measure(replace(sheet(), uvs=None, uv_faces=None), 64)
