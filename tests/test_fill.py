"""Filling: seen texels stay, constants stay, ramps stay monotone, colours cross seams and not charts, gutters hide."""

from itertools import pairwise

import numpy as np
import pytest

from lookups import bilinear, surface_uvs
from neuraltexgen.errors import FitError, MeshError
from neuraltexgen.fill import fill_texture, stripes
from neuraltexgen.fill.diffuse import diffuse_colours
from neuraltexgen.fill.gutters import spread_nearest
from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap.atlas import rasterise_atlas

MAGENTA = (1.0, 0.0, 1.0)


def strip_grid(columns: int, rows: int, cuts: tuple[int, ...] = (), gap: float = 0.08) -> Mesh:
    """A flat sheet of columns x rows squares, cut into charts after the columns in `cuts`; charts lie side by side."""
    vertices = np.array([[x, y, 0.0] for y in range(rows + 1) for x in range(columns + 1)])
    uvs: list[list[float]] = []
    faces, uv_faces = [], []
    edges = [0, *cuts, columns]
    unit = (1 - gap * (len(edges) - 1)) / columns
    for chart, (first, last) in enumerate(pairwise(edges)):
        base = len(uvs)
        left = gap / 2 + first * unit + chart * gap
        uvs += [
            [left + (x - first) * unit, 0.1 + 0.8 * y / rows] for y in range(rows + 1) for x in range(first, last + 1)
        ]
        wide = last - first + 1
        for y in range(rows):
            for x in range(first, last):
                a, u = y * (columns + 1) + x, base + y * wide + x - first
                faces += [[a, a + 1, a + columns + 2], [a, a + columns + 2, a + columns + 1]]
                uv_faces += [[u, u + 1, u + wide + 1], [u, u + wide + 1, u + wide]]
    return Mesh(vertices, np.array(faces, dtype=np.int32), np.array(uvs), np.array(uv_faces, dtype=np.int32))


def world_x(mesh: Mesh, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Along-the-sheet coordinate of each texel in [0, 1], and which texels are covered."""
    atlas = rasterise_atlas(mesh, size, rim=True)
    x = mesh.vertices[mesh.faces[atlas.face_ids]][..., 0]
    return (x * atlas.barycentrics).sum(axis=2) / mesh.vertices[:, 0].max(), atlas.covered


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_seen_texels_stay_to_the_bit_on_and_off_the_surface(channels: int) -> None:
    mesh = strip_grid(8, 4, cuts=(3,))
    rng = np.random.default_rng(0)
    image = rng.random((60, 90, channels), dtype=np.float32)
    seen = rng.random((60, 90)) < 0.3
    filled = fill_texture(image, seen, mesh)
    assert np.array_equal(filled.image[seen], image[seen])
    covered = rasterise_atlas(mesh, (60, 90)).covered
    assert filled.filled_surface == np.count_nonzero(covered & ~seen)
    assert filled.gutter_texels == np.count_nonzero(~covered & ~seen)
    assert filled.image.min() >= image[seen].min() - 0.3
    assert filled.image.max() <= image[seen].max() + 0.3


def test_a_constant_colour_stays_constant_whatever_the_holes_held() -> None:
    mesh = strip_grid(8, 4, cuts=(3, 5))
    seen = np.random.default_rng(1).random((64, 96)) < 0.1
    image = np.full((64, 96, 3), np.nan, dtype=np.float32)
    image[seen] = (0.2, 0.5, 0.9)
    result = fill_texture(image, seen, mesh).image
    assert np.abs(result - np.float32((0.2, 0.5, 0.9))).max() < 1e-5


@pytest.mark.parametrize("cuts", [(), (10,), (7, 13)])
def test_a_ramp_with_its_middle_unseen_is_filled_monotonically_and_close(cuts: tuple[int, ...]) -> None:
    mesh = strip_grid(20, 4, cuts)
    size = (60, 300)
    x, covered = world_x(mesh, size)
    seen = covered & ((x < 0.3) | (x > 0.7))
    image = np.where(seen, x, 0)[..., None].astype(np.float32)
    row = fill_texture(image, seen, mesh).image[30, covered[30], 0]
    assert np.diff(row).min() > -0.004
    assert np.abs(row - x[30, covered[30]]).max() < 0.03


def test_there_is_no_step_between_seen_and_filled() -> None:
    mesh = strip_grid(20, 10)
    size = (200, 200)
    x, covered = world_x(mesh, size)
    rows = np.arange(200)[:, None]
    pattern = 0.5 + 0.3 * np.sin(25 * x) * np.cos(rows / 25) + 0.1 * np.sin(rows / 9)
    seen = covered & ((x - 0.5) ** 2 + (rows / 200 - 0.5) ** 2 > 0.05)
    result = fill_texture(np.where(seen, pattern, 7)[..., None].astype(np.float32), seen, mesh).image[..., 0]
    both = covered[:, 1:] & covered[:, :-1]
    border = both & (seen[:, 1:] != seen[:, :-1])
    steps, inside = np.abs(np.diff(result, axis=1)), np.abs(np.diff(pattern, axis=1))[both].max()
    assert steps[border].max() < 1.5 * inside
    assert steps[both].max() < 1.5 * inside


def test_colours_cross_a_seam_on_the_surface() -> None:
    # The right-hand chart is unseen; the sheet goes on across the seam, so its fill starts with the seam's colour.
    mesh = strip_grid(12, 4, cuts=(6,))
    x, covered = world_x(mesh, (60, 180))
    seen = covered & (x < 0.5)
    image = np.where(seen, 0.2 + x, 0)[..., None].astype(np.float32)
    row = fill_texture(image, seen, mesh).image[30, :, 0]
    assert np.abs(row[covered[30] & ~seen[30]] - 0.7).max() < 0.05


def test_colours_do_not_cross_between_charts_that_only_lie_side_by_side() -> None:
    # Three sheets far apart in space, neighbours in the atlas with a gutter of one texel.
    one, other = np.float32((1, 0, 0)), np.float32((0, 0, 1))
    sheet = strip_grid(9, 3, cuts=(3, 6), gap=1.1 / 64)
    corners = sheet.vertices[sheet.faces]
    corners[:, :, 2] += 10.0 * np.floor(corners[:, :, 0].mean(axis=1) / 3)[:, None]
    faces = np.arange(len(corners) * 3, dtype=np.int32).reshape(-1, 3)
    mesh = Mesh(corners.reshape(-1, 3), faces, sheet.uvs, sheet.uv_faces)
    x, covered = world_x(mesh, (64, 64))
    left, middle, right = (covered & (x > a) & (x < b) for a, b in [(0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1)])
    hole = np.zeros_like(covered)
    hole[20:40] = True
    seen = (left | middle) & ~hole
    image = np.zeros((64, 64, 3), dtype=np.float32)
    image[left], image[middle] = one, other
    result = fill_texture(image, seen, mesh).image
    assert np.abs(result[left] - one).max() < 1e-5
    assert np.abs(result[middle] - other).max() < 1e-5
    # Nobody saw the third sheet and it touches no other: the mean of all that was seen.
    mean = image[seen].mean(axis=0)
    assert np.abs(result[right] - mean).max() < 0.02


@pytest.mark.parametrize("size", [(64, 64), (61, 127)])
def test_bilinear_and_mip_lookups_on_charts_read_no_background(size: tuple[int, int]) -> None:
    mesh = strip_grid(8, 4, cuts=(3,), gap=0.1)
    covered = rasterise_atlas(mesh, size).covered
    image = np.full((*size, 3), MAGENTA, dtype=np.float32)
    image[covered] = (0.1, 0.6, 0.2)
    uv = surface_uvs(mesh, 5000, seed=2)
    assert np.abs(bilinear(image, uv) - (0.1, 0.6, 0.2)).max() > 0.1
    filled = fill_texture(image, covered, mesh).image
    for _ in range(3):
        assert np.abs(bilinear(filled, uv) - (0.1, 0.6, 0.2)).max() < 1e-5
        even = filled[: len(filled) // 2 * 2, : filled.shape[1] // 2 * 2]
        filled = even.reshape(len(even) // 2, 2, -1, 2, 3).mean(axis=(1, 3))


def test_charts_of_two_colours_keep_to_themselves_through_two_mip_levels() -> None:
    mesh = strip_grid(8, 4, cuts=(4,), gap=0.25)
    size = (64, 64)
    x, covered = world_x(mesh, size)
    image = np.full((*size, 3), MAGENTA, dtype=np.float32)
    image[covered & (x < 0.5)], image[covered & (x > 0.5)] = (0, 1, 0), (0, 0, 1)
    mip = fill_texture(image, covered, mesh).image
    uv = surface_uvs(mesh, 5000, seed=3)
    expected = np.where(uv[:, :1] < 0.5, np.array([[0, 1, 0]]), np.array([[0, 0, 1]]))
    for _ in range(3):
        assert np.abs(bilinear(mip, uv) - expected).max() < 1e-5
        mip = mip.reshape(len(mip) // 2, 2, -1, 2, 3).mean(axis=(1, 3))


def test_a_chart_thinner_than_a_texel_still_gets_its_own_colour() -> None:
    # A sliver of the red sheet has a chart of its own beside the blue one, and covers no texel's centre.
    vertices = np.array(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [9, 0, 0], [10, 0, 0], [9, 1, 0]], dtype=np.float64
    )
    faces = np.array([[0, 1, 2], [1, 3, 2], [4, 5, 6]], dtype=np.int32)
    uvs = np.array(
        [
            [0.05, 0.05],
            [0.4, 0.05],
            [0.05, 0.4],
            [0.6, 0.5],
            [0.9, 0.5],
            [0.7, 0.501],
            [0.55, 0.6],
            [0.95, 0.6],
            [0.7, 0.9],
        ]
    )
    mesh = Mesh(vertices, faces, uvs, np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]], dtype=np.int32))
    atlas = rasterise_atlas(mesh, (32, 32))
    assert not (atlas.face_ids == 1).any()
    image = np.zeros((32, 32, 3), dtype=np.float32)
    image[atlas.face_ids == 0], image[atlas.face_ids == 2] = (1, 0, 0), (0, 0, 1)
    filled = fill_texture(image, atlas.covered, mesh).image
    along = np.column_stack([np.linspace(0.6, 0.9, 50), np.full(50, 0.5)])
    assert np.abs(bilinear(filled, along) - (1, 0, 0)).max() < 1e-5


def test_gutters_reach_as_far_as_told() -> None:
    mesh = strip_grid(4, 4)
    covered = rasterise_atlas(mesh, (50, 50)).covered
    image = np.where(covered[..., None], np.float32(0.5), np.float32(9)).astype(np.float32)
    near = fill_texture(image, covered, mesh, gutter=2)
    rows = np.flatnonzero(covered.any(axis=1))
    assert np.all(near.image[rows[0] - 2 : rows[0], 25] == 0.5)
    assert np.all(near.image[: rows[0] - 2, 25] == 9)
    assert (fill_texture(image, covered, mesh).image == 0.5).all()
    assert near.gutter_texels == np.count_nonzero((near.image == 0.5)[..., 0]) - np.count_nonzero(covered)


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_source_is_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sources = rng.random((37, 70)) < 0.01 * (seed + 1)
    sources[5, 9] = True
    image = rng.random((37, 70, 1), dtype=np.float32)
    result = image.copy()
    assert spread_nearest(result, sources, ~sources, None) == np.count_nonzero(~sources)
    places = np.argwhere(sources)
    for i, j in np.argwhere(~sources)[::7]:
        squared = ((places - (i, j)) ** 2).sum(axis=1)
        allowed = image[tuple(places[squared == squared.min()].T)]
        assert result[i, j] in allowed


def test_without_any_source_nothing_is_spread() -> None:
    image = np.ones((4, 5, 3), dtype=np.float32)
    nowhere = np.zeros((4, 5), dtype=bool)
    assert spread_nearest(image, nowhere, ~nowhere, None) == 0


def test_vertex_colours_stay_within_the_range_of_what_was_seen() -> None:
    mesh = strip_grid(40, 40)
    rng = np.random.default_rng(5)
    weights = np.where(rng.random(len(mesh.vertices)) < 0.05, rng.random(len(mesh.vertices)) * 50, 0)
    means = rng.random((len(mesh.vertices), 2))
    colours = diffuse_colours(mesh, means * weights[:, None], weights)
    assert colours.min() > means.min() - 0.01
    assert colours.max() < means.max() + 0.01
    heavy = weights > 5
    assert np.abs(colours[heavy] - means[heavy]).max() < 0.5


def test_the_order_of_faces_changes_little_and_a_second_run_nothing() -> None:
    mesh = strip_grid(8, 4, cuts=(3,))
    rng = np.random.default_rng(6)
    image = rng.random((60, 90, 3), dtype=np.float32)
    seen = rng.random((60, 90)) < 0.2
    one = fill_texture(image, seen, mesh).image
    assert np.array_equal(one, fill_texture(image, seen, mesh).image)
    assert mesh.uv_faces is not None
    order = rng.permutation(len(mesh.faces))
    shuffled = Mesh(mesh.vertices, mesh.faces[order], mesh.uvs, mesh.uv_faces[order])
    assert np.abs(one - fill_texture(image, seen, shuffled).image).max() < 1e-3


def test_errors_say_what_is_missing() -> None:
    mesh = strip_grid(2, 2)
    image = np.zeros((16, 16, 3), dtype=np.float32)
    nothing = np.zeros((16, 16), dtype=bool)
    with pytest.raises(FitError, match="no texel on the surface is seen"):
        fill_texture(image, nothing, mesh)
    with pytest.raises(FitError, match="not finite"):
        fill_texture(np.full_like(image, np.nan), ~nothing, mesh)
    with pytest.raises(MeshError, match="no uvs"):
        fill_texture(image, ~nothing, Mesh(mesh.vertices, mesh.faces))


def test_a_large_texture_is_filled_by_stripes_as_it_is_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = strip_grid(12, 12, cuts=(4, 9))
    rows, columns = 192, 64
    random = np.random.default_rng(0)
    image = random.random((rows, columns, 3), dtype=np.float32)
    seen = random.random((rows, columns)) < 0.3
    seen[60:150, :20] = False
    whole = fill_texture(image, seen, mesh)
    monkeypatch.setattr(stripes, "WHOLE", rows * columns - 1)
    monkeypatch.setattr(stripes, "AT_ONCE", 32 * columns)
    monkeypatch.setattr(stripes, "MARGIN", 32)
    parts = fill_texture(image, seen, mesh)
    assert np.array_equal(parts.image[seen], image[seen])
    assert parts.filled_surface == whole.filled_surface
    assert parts.gutter_texels == whole.gutter_texels
    covered = rasterise_atlas(mesh, (rows, columns)).covered
    assert np.abs(parts.image - whole.image)[covered].max() < 0.02
    # A gutter texel takes a colour from its stripe's margin where the nearest of all lies no farther.
    assert np.isclose(parts.image, whole.image, atol=0.02).all(axis=2).mean() > 0.97
    with pytest.raises(FitError, match="no texel on the surface is seen"):
        fill_texture(image, np.zeros_like(seen), mesh)
    broken = np.where(np.arange(rows)[:, None, None] == 100, np.nan, image)
    with pytest.raises(FitError, match="not finite"):
        fill_texture(broken, np.ones_like(seen), mesh)
