"""The atlas rasteriser: expected areas, barycentrics that lead back to the texel's centre, overlaps, rims, charts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraltexgen.errors import MeshError
from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap import atlas as atlas_module
from neuraltexgen.uvmap.atlas import Atlas, coverage, rasterise_atlas, texel_positions
from neuraltexgen.uvmap.charts import face_charts, unique_corners


def flat_mesh(uvs: list[list[float]], faces: list[list[int]]) -> Mesh:
    """A mesh in the plane z = 1 that is its own atlas: world (x, y) = (2 u, 3 v)."""
    corners = np.array(uvs, dtype=np.float64)
    vertices = np.column_stack([2 * corners[:, 0], 3 * corners[:, 1], np.ones(len(corners))])
    index = np.array(faces, dtype=np.int32)
    return Mesh(vertices, index, corners, index)


def centres(size: tuple[int, int]) -> np.ndarray:
    rows, cols = np.mgrid[: size[0], : size[1]]
    return np.stack([(cols + 0.5) / size[1], (rows + 0.5) / size[0]], axis=-1)


def looked_up(mesh: Mesh, atlas: Atlas) -> np.ndarray:
    """The uv that each texel's face and barycentrics stand for."""
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    corners = mesh.uvs[mesh.uv_faces[atlas.face_ids]]
    return (corners * atlas.barycentrics[..., None].astype(np.float64)).sum(axis=2)


SQUARE = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]


def test_a_square_covers_exactly_its_area_and_its_diagonal_is_no_overlap() -> None:
    atlas = rasterise_atlas(flat_mesh(SQUARE, [[0, 1, 2], [0, 2, 3]]), (64, 32))
    expected = np.zeros((64, 32), dtype=bool)
    expected[16:48, 8:24] = True
    assert np.array_equal(atlas.covered, expected)
    assert np.array_equal(atlas.face_ids >= 0, expected)
    assert atlas.overlapped == 0
    assert set(np.unique(atlas.face_ids)) == {-1, 0, 1}


def test_a_texel_centre_on_an_edge_between_two_faces_is_covered() -> None:
    # The edge u = 0.5 of a 5 texel wide image runs through the centres of its middle column.
    mesh = flat_mesh([[0, 0], [0.5, 0], [1, 0], [1, 1], [0.5, 1], [0, 1]], [[0, 1, 4], [0, 4, 5], [1, 2, 3], [1, 3, 4]])
    atlas = rasterise_atlas(mesh, (5, 5))
    assert atlas.covered.all()
    assert atlas.overlapped == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 70), st.integers(1, 70))
def test_barycentrics_lead_back_to_the_centre_of_the_texel(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    uvs = rng.uniform(-0.2, 1.2, (12, 2))
    mesh = flat_mesh(uvs.tolist(), rng.integers(0, 12, (9, 3)).tolist())
    atlas = rasterise_atlas(mesh, (height, width))
    error = np.abs(looked_up(mesh, atlas) - centres((height, width)))[atlas.covered]
    assert error.max(initial=0) < 1e-6
    weights = atlas.barycentrics[atlas.covered]
    assert weights.min(initial=0) >= 0
    assert np.abs(weights.sum(axis=1) - 1).max(initial=0) < 1e-6
    positions = texel_positions(mesh, atlas)
    expected = np.column_stack([centres((height, width))[atlas.covered] * (2, 3), np.ones(len(positions))])
    assert np.abs(positions - expected).max(initial=0) < 1e-5


def test_covered_area_is_the_triangles_area() -> None:
    triangle = [[0.1, 0.2], [0.9, 0.35], [0.3, 0.8]]
    (ax, ay), (bx, by), (cx, cy) = triangle
    area = abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) / 2
    assert rasterise_atlas(flat_mesh(triangle, [[0, 1, 2]]), (512, 768)).covered.mean() == pytest.approx(area, rel=5e-3)


def test_mirrored_faces_count_degenerate_ones_are_skipped_and_the_lowest_id_wins() -> None:
    mesh = flat_mesh(SQUARE, [[0, 0, 2], [0, 2, 1], [0, 1, 2], [0, 2, 3]])
    atlas = rasterise_atlas(mesh, (40, 40))
    assert set(np.unique(atlas.face_ids)) == {-1, 1, 3}
    # Faces 1 and 2 are the same triangle; of its 210 centres 20 lie on the diagonal, where only an edge is shared.
    assert atlas.overlapped == 190


def test_far_uvs_neither_wrap_nor_crash() -> None:
    mesh = flat_mesh([[1.2, 0.1], [1e30, 0.1], [1.2, 0.9], [-1e30, -5], [-3, -1e12], [-2, 3]], [[0, 1, 2], [3, 4, 5]])
    assert not (rasterise_atlas(mesh, (16, 16), rim=True).face_ids >= 0).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_the_rim_holds_every_texel_that_a_bilinear_lookup_reads_and_no_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    triangle = rng.uniform(0.1, 0.9, (3, 2))
    size = (23, 31)
    mesh = flat_mesh(triangle.tolist(), [[0, 1, 2]])
    atlas = rasterise_atlas(mesh, size, rim=True)
    assert np.array_equal(atlas.covered, rasterise_atlas(mesh, size).covered)
    weights = rng.dirichlet((0.4, 0.4, 0.4), 20000)
    x, y = (weights @ triangle * (size[1], size[0]) - 0.5).T
    read = np.zeros(size, dtype=bool)
    for i, j in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        read[np.clip(np.floor(y).astype(int) + i, 0, 22), np.clip(np.floor(x).astype(int) + j, 0, 30)] = True
    has_face = atlas.face_ids >= 0
    assert not (read & ~has_face).any()
    # A sample hits a reached texel's square sooner or later; a sliver of it may be missed.
    assert np.count_nonzero(has_face & ~read) <= 6
    nearest = looked_up(mesh, atlas)[has_face] * (size[1], size[0]) - 0.5
    own = np.argwhere(has_face)[:, ::-1]
    assert np.abs(nearest - own).max() < 1.5


def test_a_face_thinner_than_a_texel_covers_nothing_but_has_a_rim() -> None:
    mesh = flat_mesh([[0.2, 0.5], [0.8, 0.5], [0.5, 0.501]], [[0, 1, 2]])
    assert not rasterise_atlas(mesh, (16, 16)).covered.any()
    rim = rasterise_atlas(mesh, (16, 16), rim=True)
    assert not rim.covered.any()
    assert np.array_equal(np.unique(np.nonzero(rim.face_ids >= 0)[0]), [7, 8])


def test_two_runs_agree_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    mesh = flat_mesh(rng.random((200, 2)).tolist(), rng.integers(0, 200, (300, 3)).tolist())
    one, two = (rasterise_atlas(mesh, (200, 100), rim=True) for _ in range(2))
    assert np.array_equal(one.face_ids, two.face_ids)
    assert np.array_equal(one.barycentrics, two.barycentrics)
    assert one.overlapped == two.overlapped > 0


def test_charts_hang_together_by_equal_uvs_however_they_are_indexed() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0]], dtype=np.float64)
    faces = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 2]], dtype=np.int32)
    # Every corner has its own uv; the first two faces agree along their edge, the third has a seam to them.
    uvs = np.array([[0, 0], [0.4, 0], [0.4, 0.4], [0, 0], [0.4, 0.4], [0, 0.4], [0.6, 0], [1, 0], [0.6, 0.4]])
    mesh = Mesh(vertices, faces, uvs, np.arange(9, dtype=np.int32).reshape(3, 3))
    assert face_charts(mesh).tolist() == [0, 0, 1]
    corners = unique_corners(mesh)
    assert len(corners.vertices) == 7
    assert np.array_equal(corners.vertices[corners.faces], faces)
    assert np.array_equal(corners.uvs[corners.faces], uvs.reshape(3, 3, 2))


def test_without_uvs_or_texels_there_is_an_error() -> None:
    mesh = flat_mesh(SQUARE, [[0, 1, 2]])
    with pytest.raises(MeshError, match="no uvs"):
        rasterise_atlas(Mesh(mesh.vertices, mesh.faces), (4, 4))
    with pytest.raises(MeshError, match="0x4"):
        rasterise_atlas(mesh, (0, 4))


def test_coverage_is_counted_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pages of two overlapping charts each, looked at 32 rows at a time."""
    corners = np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.2, 0.3], [0.8, 0.3], [0.2, 0.9]])
    uvs = np.concatenate([corners, corners + np.array([0, 1])]) / (1, 2)
    faces = np.arange(12, dtype=np.int32).reshape(4, 3)
    mesh = Mesh(np.random.default_rng(0).random((12, 3)), faces, uvs, faces, pages=2)
    whole = rasterise_atlas(mesh, (200, 100))
    monkeypatch.setattr(atlas_module, "AT_ONCE", 3200)
    found = coverage(mesh, (200, 100))
    assert found.pages == (int(whole.covered[:100].sum()), int(whole.covered[100:].sum()))
    assert (found.covered, found.overlapped) == (int(whole.covered.sum()), whole.overlapped)
    assert found.overlapped > 0
    with pytest.raises(MeshError, match="2 pages"):
        coverage(mesh, (201, 100))
