"""Gutters at mip levels: what is filled for a chart is what lookups on it read, at every level that was asked for."""

from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookups import bilinear, halved, surface_places
from neuraltexgen.errors import UnwrapError
from neuraltexgen.fill import fill_texture
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap import UnwrapSettings, measure, unwrap
from neuraltexgen.unwrap.mips import clean_level, gap_for
from neuraltexgen.unwrap.seams import merge_positions
from neuraltexgen.uvmap.atlas import rasterise_atlas
from neuraltexgen.uvmap.charts import face_charts, unique_corners
from surfaces import SURFACES, torus

SIZE = 512
LEVELS = 6


@cache
def crowd(levels: int) -> Mesh:
    """Many surfaces in one texture, unwrapped for so many mip levels, with no more gutter than these take."""
    mesh, _ = unwrap(SURFACES["all"], UnwrapSettings("fast", SIZE, 0, mip_levels=levels))
    return mesh


def foreign_lookups(mesh: Mesh, size: int) -> list[int]:
    """Per mip level, how many of many lookups on charts give another colour than that of their chart.

    Each chart has a colour and is a surface by itself, far from others, so that fill mixes no two along the surface.
    """
    corners = unique_corners(Mesh(mesh.vertices, merge_positions(mesh.vertices)[mesh.faces], mesh.uvs, mesh.uv_faces))
    apart = Mesh(mesh.vertices[corners.vertices], corners.faces, corners.uvs, corners.faces)
    away = np.zeros(len(apart.vertices))
    away[apart.faces] = face_charts(apart)[:, None]
    apart = replace(apart, vertices=apart.vertices + 1e4 * away[:, None])
    charts, atlas = face_charts(apart), rasterise_atlas(apart, (size, size))
    colours = np.random.default_rng(0).random((charts.max() + 1, 3)).astype(np.float32)
    image = np.where(atlas.covered[..., None], colours[charts[atlas.face_ids]], np.float32(9))
    uv, faces = surface_places(apart, 20_000, seed=1)
    # What covers no texel's centre was never seen, and has no colour to keep.
    shown = np.isin(charts[faces], charts[atlas.face_ids[atlas.covered]])
    uv, expected = uv[shown], colours[charts[faces[shown]]]
    mip = fill_texture(image, atlas.covered, apart).image.astype(np.float64)
    wrong = []
    for _ in range(LEVELS):
        wrong.append(int((np.abs(bilinear(mip, uv) - expected).max(axis=1) > 1e-4).sum()))
        mip = halved(mip)
    return wrong


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_lookups_keep_to_their_charts_up_to_the_level_asked_for(levels: int) -> None:
    assert foreign_lookups(crowd(levels), SIZE)[: levels + 1] == [0] * (levels + 1)
    assert clean_level(crowd(levels), SIZE) >= levels


def test_and_read_others_beyond_it() -> None:
    """So the law above can fail, and the gap is no wider than it need be."""
    assert clean_level(crowd(1), SIZE) == 1
    assert foreign_lookups(crowd(1), SIZE)[4] > 0


@pytest.mark.parametrize("method", ["xatlas", "uvatlas", "per-triangle"])
def test_so_do_they_with_other_methods(method: str) -> None:
    if method == "uvatlas" and find_spec("open3d") is None:
        pytest.skip("open3d is not installed")
    wanted = UnwrapSettings(method, SIZE, 0, mip_levels=1)  # pyright: ignore[reportArgumentType]
    mesh, _ = unwrap(torus(), wanted)
    level = clean_level(mesh, SIZE)
    assert level >= (0 if method == "per-triangle" else 1)
    assert foreign_lookups(mesh, SIZE)[: level + 1] == [0] * (level + 1)


def rectangles(seed: int) -> Mesh:
    """Some rectangles at random places in the texture, none over another: uvs that no packing made."""
    random, taken = np.random.default_rng(seed), np.zeros((64, 64), dtype=bool)
    corners = []
    for _ in range(12):
        (x, y), (w, h) = random.uniform(0, 56, 2), random.uniform(0.2, 12, 2)
        w, h = min(w, 64 - x), min(h, 64 - y)
        place = np.s_[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1]
        if not taken[place].any():
            taken[place] = True
            corners.append([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    uvs = np.array(corners).reshape(-1, 2) / 64
    faces = (4 * np.arange(len(corners))[:, None, None] + [[0, 1, 2], [0, 2, 3]]).reshape(-1, 3).astype(np.int32)
    return Mesh(np.column_stack([uvs, np.repeat(np.arange(len(corners)), 4)]), faces, uvs, faces)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_the_uvs_lookups_are_clean_up_to_the_level_that_is_measured(seed: int) -> None:
    level = min(clean_level(rectangles(seed), 64), 5)
    assert foreign_lookups(rectangles(seed), 64)[: level + 1] == [0] * (level + 1)


@pytest.mark.parametrize(("apart", "level"), [(1.9, -1), (2.0, 0), (3.9, 0), (4.0, 1), (8.0, 2), (16.0, 3)])
def test_the_gap_is_exact(apart: float, level: int) -> None:
    """Two squares side by side, as many texels apart, in the worst place for the level's grid."""
    left = np.array([[10.0, 10], [20, 10], [20, 20], [10, 20]])
    both = np.concatenate([left, left + np.array([10 + apart, 0])])
    vertices = np.repeat(np.arange(8.0)[:, None], 3, axis=1)
    shifts = np.column_stack([np.arange(0, 16, 0.05), np.zeros(320)])
    assert min(clean_level(Mesh(vertices, FACES, (both + s) / 64, FACES), 64) for s in shifts) == level
    assert level < 0 or gap_for(level) <= apart


def test_large_textures_are_filled_as_well_and_keep_the_gap() -> None:
    """Their scale is looked for on coarse cells first, where gutters are as wide or wider."""
    small, large = (unwrap(torus(), UnwrapSettings("fast", side, side // 512))[0] for side in (1024, 4096))
    used = [rasterise_atlas(mesh, (1024, 1024)).covered.mean() for mesh in (small, large)]
    assert used[1] > 0.97 * used[0]
    assert clean_level(large, 4096) >= 2


FACES = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=np.int32)


def test_a_wider_gutter_stays_and_figures_tell_the_level() -> None:
    assert UnwrapSettings("fast", 512, 12, mip_levels=1).gap == 12
    assert UnwrapSettings("fast", 512, 1).gap == 1
    assert UnwrapSettings("fast", 512).gap == gap_for(1)
    assert measure(crowd(2), SIZE).mip_level >= 2


def test_one_chart_is_clean_at_every_level() -> None:
    sheet = replace(rectangles(0), faces=FACES[:2], uv_faces=FACES[:2])
    assert clean_level(sheet, 64) == 6
    assert clean_level(sheet, 96) == 5


@pytest.mark.parametrize("levels", [-1, 10])
def test_levels_that_a_texture_lacks_are_an_error(levels: int) -> None:
    with pytest.raises(UnwrapError, match="mip levels 0 to 9"):
        UnwrapSettings("fast", 512, mip_levels=levels)
