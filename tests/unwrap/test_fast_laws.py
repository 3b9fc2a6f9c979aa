"""`fast` on any triangles: a place for every corner, nothing folded, nothing twice, gutters that hold, one result."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.fast import unwrap_fast
from neuraltexgen.uvmap.atlas import rasterise_atlas
from neuraltexgen.uvmap.charts import face_charts

SIZE = 256
GUTTER = 3


def mesh_of(points: object, faces: object) -> Mesh:
    return Mesh(np.array(points, dtype=np.float64), np.array(faces, dtype=np.int32))


def grid(rows: int, columns: int, height: np.ndarray | float = 0.0) -> Mesh:
    """A sheet of rows x columns quads, `height` (rows + 1, columns + 1) above the plane."""
    y, x = np.meshgrid(np.arange(rows + 1.0), np.arange(columns + 1.0), indexing="ij")
    at = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, -1)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    points = np.stack([x, y, np.broadcast_to(height, x.shape)], -1).reshape(-1, 3)
    return mesh_of(points, faces)


def torus(around: int = 24, along: int = 12, twist: bool = False) -> Mesh:
    u, v = np.meshgrid(np.arange(around), np.arange(along), indexing="ij")
    a, b = u * 2 * np.pi / around, v * 2 * np.pi / along
    points = np.stack([(3 + np.cos(b)) * np.cos(a), (3 + np.cos(b)) * np.sin(a), np.sin(b)], -1).reshape(-1, 3)
    at = u * along + v
    right, up = np.roll(at, -1, axis=0), np.roll(at, -1, axis=1)
    both = np.roll(right, -1, axis=1)
    faces = np.concatenate(
        [np.stack([at, right, both], -1).reshape(-1, 3), np.stack([at, both, up], -1).reshape(-1, 3)]
    )
    return mesh_of(points, faces)


def moebius(around: int = 30) -> Mesh:
    turn = np.arange(around) * 2 * np.pi / around
    points = []
    for side in (-0.5, 0.5):
        r = 2 + side * np.cos(turn / 2)
        points.append(np.stack([r * np.cos(turn), r * np.sin(turn), side * np.sin(turn / 2)], -1))
    low, high = np.arange(around), np.arange(around) + around
    # The strip closes with its sides exchanged.
    low_next, high_next = np.append(low[1:], high[0]), np.append(high[1:], low[0])
    faces = np.concatenate([np.stack([low, low_next, high_next], -1), np.stack([low, high_next, high], -1)])
    return mesh_of(np.concatenate(points), faces)


def noisy() -> Mesh:
    """A bumpy sheet with noise as a scan has it, some of its faces folded over by it."""
    random = np.random.default_rng(3)
    y, x = np.meshgrid(np.arange(41.0), np.arange(41.0), indexing="ij")
    mesh = grid(40, 40, 4 * np.sin(x / 5) * np.cos(y / 7) + random.normal(0, 0.3, x.shape))
    return replace(mesh, vertices=mesh.vertices + random.normal(0, 0.25, mesh.vertices.shape))


def cube() -> list[list[int]]:
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return [[q[0], q[i], q[i + 1]] for q in quads for i in (1, 2)]


CORNERS = [[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]

SHEET = grid(6, 6)

MESHES: dict[str, Mesh] = {
    "single triangle": mesh_of([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]),
    "tetrahedron": mesh_of([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
    "cube": mesh_of(CORNERS, cube()),
    "torus": torus(),
    "moebius strip": moebius(),
    "noisy sheet": noisy(),
    "fan on one edge": mesh_of(
        [[0, 0, 0], [0, 0, 1], *[[np.cos(a), np.sin(a), 0.5] for a in range(5)]], [[0, 1, n] for n in range(2, 7)]
    ),
    "duplicated faces": replace(SHEET, faces=np.concatenate([SHEET.faces, SHEET.faces[:20]])),
    "inverted faces": replace(
        SHEET, faces=np.where(np.arange(72)[:, None] % 5 == 0, SHEET.faces[:, ::-1], SHEET.faces)
    ),
    "triangle soup": mesh_of(noisy().vertices[noisy().faces[:400]].reshape(-1, 3), np.arange(1200).reshape(-1, 3)),
    "bow tie": mesh_of([[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 0]], [[0, 1, 2], [0, 3, 4]]),
    "t-junctions": mesh_of(
        [[0, 0, 0], [2, 0, 0], [1, 1, 0], [1, 0, 0], [0.5, -1, 0], [1.5, -1, 0]],
        [[0, 1, 2], [3, 0, 4], [1, 3, 5], [0, 3, 1]],
    ),
    "needles": mesh_of([[0, 0, 0], *[[1, 1e-7 * n, 0] for n in range(30)]], [[0, n, n + 1] for n in range(1, 30)]),
    "faces without area": mesh_of([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0]], [[0, 1, 2], [0, 1, 3], [0, 0, 1]]),
    "all without area": mesh_of([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]]),
    "only points": mesh_of([[0, 0, 0], [1, 0, 0]], [[0, 0, 1], [1, 1, 1]]),
    "two sizes": mesh_of(
        np.concatenate([SHEET.vertices, 1e-4 * SHEET.vertices + 9]), np.concatenate([SHEET.faces, SHEET.faces + 49])
    ),
    "vertices without faces": replace(SHEET, vertices=np.concatenate([SHEET.vertices, [[1e9, 0, 0]]])),
}


def corners(mesh: Mesh) -> np.ndarray:
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    return mesh.uvs[mesh.uv_faces]


def solid_areas(mesh: Mesh) -> np.ndarray:
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def front_areas(mesh: Mesh) -> np.ndarray:
    """Areas in the texture, in texels, positive where a face is seen from its front (v points down)."""
    (a, b, c) = np.moveaxis(corners(mesh), 1, 0)
    return -((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2 * SIZE**2


def check_laws(bare: Mesh, resolution: int = SIZE, gutter: int = GUTTER) -> Mesh:
    mesh = unwrap_fast(bare, resolution, gutter)
    assert mesh.vertices is bare.vertices
    assert mesh.faces is bare.faces
    places = corners(mesh)
    assert places.shape == (len(bare.faces), 3, 2)
    assert places.min() >= 0
    assert places.max() <= 1
    areas = solid_areas(bare)
    assert (front_areas(mesh) > -1e-9).all()
    assert (front_areas(mesh)[areas > 1e-9 * max(areas.max(), 1e-300)] > 0).all()
    assert rasterise_atlas(mesh, (4 * resolution, 4 * resolution)).overlapped == 0
    atlas = rasterise_atlas(mesh, (resolution, resolution))
    chart = np.where(atlas.covered, face_charts(mesh)[atlas.face_ids], -1)
    for down in range(gutter + 1):
        for across in range(-gutter, gutter + 1):
            a = chart[: resolution - down, max(0, -across) : resolution - max(0, across)]
            b = chart[down:, max(0, across) : resolution + min(0, across)]
            assert not ((a >= 0) & (b >= 0) & (a != b)).any(), (down, across)
    return mesh


@pytest.mark.parametrize("name", MESHES)
def test_any_mesh_gets_flat_charts_apart_from_each_other(name: str) -> None:
    check_laws(MESHES[name])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(1, 40), st.booleans())
def test_soups_of_triangles_get_flat_charts(seed: int, points: int, faces: int, lattice: bool) -> None:
    random = np.random.default_rng(seed)
    at = random.integers(0, 3, (points, 3)) if lattice else random.normal(size=(points, 3))
    check_laws(mesh_of(at, random.integers(0, points, (faces, 3))))


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_scaling_the_mesh_by_a_power_of_two_changes_nothing(scale: float) -> None:
    mesh = noisy()
    here, there = (unwrap_fast(m, SIZE, GUTTER) for m in (mesh, replace(mesh, vertices=mesh.vertices * scale)))
    assert np.array_equal(corners(here), corners(there))


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 0.0), (1.0, 1000.0)])
def test_size_and_place_of_the_mesh_change_little(scale: float, shift: float) -> None:
    mesh = noisy()
    here, there = unwrap_fast(mesh, SIZE, GUTTER), check_laws(replace(mesh, vertices=mesh.vertices * scale + shift))
    assert face_charts(there).max() == pytest.approx(face_charts(here).max(), rel=0.3)
    assert front_areas(there).sum() == pytest.approx(front_areas(here).sum(), rel=0.2)


def test_the_order_of_faces_changes_little() -> None:
    mesh = noisy()
    order = np.random.default_rng(0).permutation(len(mesh.faces))
    here, there = unwrap_fast(mesh, SIZE, GUTTER), check_laws(replace(mesh, faces=mesh.faces[order]))
    assert front_areas(there).sum() == pytest.approx(front_areas(here).sum(), rel=0.2)


def test_the_same_mesh_gives_the_same_uvs_with_any_number_of_threads() -> None:
    import numba

    first = unwrap_fast(noisy(), SIZE, GUTTER)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        second = unwrap_fast(noisy(), SIZE, GUTTER)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(corners(first), corners(second))


def test_what_is_flat_stays_one_chart_without_stretch() -> None:
    mesh = check_laws(grid(12, 9))
    assert len(np.unique(face_charts(mesh))) == 1
    areas = front_areas(mesh)
    assert areas.max() / areas.min() == pytest.approx(1, abs=1e-3)


def test_welded_or_not_is_the_same_surface() -> None:
    sheet = grid(12, 9)
    soup = mesh_of(sheet.vertices[sheet.faces].reshape(-1, 3), np.arange(3 * len(sheet.faces)).reshape(-1, 3))
    assert np.allclose(corners(unwrap_fast(soup, SIZE, GUTTER)), corners(unwrap_fast(sheet, SIZE, GUTTER)))


def test_scans_are_hardly_stretched_and_fill_the_texture() -> None:
    mesh = check_laws(noisy())
    solid = solid_areas(mesh)
    ratio = front_areas(mesh) / solid / (front_areas(mesh).sum() / solid.sum())
    assert np.average(np.abs(np.log(ratio)), weights=solid) < 0.25
    assert rasterise_atlas(mesh, (SIZE, SIZE)).covered.mean() > 0.4


def test_density_scales_charts() -> None:
    """Two sheets apart, one asked for at twice the density: it has twice the length, four times the area."""
    sheet = grid(6, 6)
    both = mesh_of(
        np.concatenate([sheet.vertices, sheet.vertices + np.array([50.0, 0, 0])]),
        np.concatenate([sheet.faces, sheet.faces + 49]),
    )
    density = np.repeat([2.0, 1.0], len(sheet.faces))
    areas = front_areas(unwrap_fast(both, SIZE, GUTTER, face_density=density))
    assert areas[:72].sum() / areas[72:].sum() == pytest.approx(4, rel=1e-3)


@pytest.mark.parametrize("density", [np.ones(3), np.zeros(72), np.full(72, np.nan)])
def test_densities_that_cannot_be_are_errors(density: np.ndarray) -> None:
    with pytest.raises(UnwrapError, match="densities"):
        unwrap_fast(SHEET, SIZE, GUTTER, face_density=density)


def test_more_charts_than_gutters_leave_room_for_are_an_error() -> None:
    with pytest.raises(UnwrapError, match="don't fit") as caught:
        unwrap_fast(MESHES["triangle soup"], 16, 7)
    assert caught.value.fix is not None
