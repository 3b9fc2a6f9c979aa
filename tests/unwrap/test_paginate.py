"""Charts in pages: every face in one, gutters hold in each and to its sides, pages alike, scales kept as asked."""

from dataclasses import replace

import numpy as np
import pytest

from neuraltexgen.errors import MeshError, UnwrapError
from neuraltexgen.pages import face_pages, page_mesh
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap import UnwrapSettings, measure, unwrap
from neuraltexgen.unwrap.fast import paginate
from neuraltexgen.unwrap.seams import find_cuts
from neuraltexgen.uvmap.atlas import rasterise_atlas
from surfaces import SURFACES, ball, torus

SIZE, GUTTER = 128, 3


def made(mesh: Mesh, method: str = "fast", **asked: float) -> Mesh:
    settings = UnwrapSettings(method, SIZE, GUTTER, **asked)  # pyright: ignore[reportArgumentType]
    return unwrap(mesh, settings)[0]


def check_gutters(mesh: Mesh) -> None:
    """Charts lie `GUTTER` texels apart in their page, and half that from its sides, going by texels' centres."""
    for page in np.unique(face_pages(mesh)):
        part = page_mesh(mesh, int(page))
        atlas = rasterise_atlas(part, (SIZE, SIZE))
        assert atlas.overlapped == 0
        chart = np.where(atlas.covered, find_cuts(part).charts[atlas.face_ids], -1)
        margin = (GUTTER + 1) // 2
        assert (np.pad(chart[margin:-margin, margin:-margin], margin, constant_values=-1) == chart).all()
        for down in range(GUTTER + 1):
            for across in range(-GUTTER, GUTTER + 1):
                a = chart[: SIZE - down, max(0, -across) : SIZE - max(0, across)]
                b = chart[down:, max(0, across) : SIZE + min(0, across)]
                assert not ((a >= 0) & (b >= 0) & (a != b)).any(), (down, across)


def texels_per_unit(mesh: Mesh) -> float:
    """The root of texels over surface."""
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    solid = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()
    a, b, c = np.moveaxis((mesh.uvs * (SIZE, SIZE * mesh.pages))[mesh.uv_faces], 1, 0)
    flat = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).sum()
    return float(np.sqrt(flat / solid))


@pytest.mark.parametrize("pages", [2, 3])
def test_charts_of_any_mesh_lie_apart_in_all_pages(pages: int) -> None:
    bare = SURFACES["all"]
    mesh = made(bare, pages=pages)
    assert mesh.faces is bare.faces
    assert mesh.pages == pages
    check_gutters(mesh)
    figures = measure(mesh, SIZE)
    assert (figures.flipped, figures.overlap, figures.mirrored_charts) == (0, 0, 0)
    # Charts that a page cuts in two count as two in the texture, so pages' charts add up to all.
    assert sum(figures.page_charts) == figures.charts
    assert np.mean(figures.page_utilisation) == pytest.approx(figures.utilisation)
    assert min(figures.page_utilisation) > 0.8 * max(figures.page_utilisation)
    assert texels_per_unit(mesh) > 0.85 * np.sqrt(pages) * texels_per_unit(made(bare))


def test_one_large_chart_is_cut_so_that_pages_fill() -> None:
    y, x = (a.ravel() for a in np.meshgrid(np.arange(21.0), np.arange(21.0), indexing="ij"))
    corner = (np.arange(20)[:, None] * 21 + np.arange(20)).reshape(-1, 1)
    faces = np.concatenate(
        [np.hstack([corner, corner + 1, corner + 22]), np.hstack([corner, corner + 22, corner + 21])]
    )
    sheet = Mesh(np.stack([x, y, 0 * x], axis=1), faces.astype(np.int32))
    mesh = made(sheet, pages=4)
    figures = measure(mesh, SIZE)
    assert figures.charts >= 4
    assert figures.utilisation > 0.8
    assert figures.stretch_l2 == pytest.approx(1, abs=1e-3)
    check_gutters(mesh)


@pytest.mark.parametrize("method", ["fast", "xatlas"])
def test_a_given_scale_is_kept_on_as_many_pages_as_it_needs(method: str) -> None:
    bare = ball()
    fits = texels_per_unit(made(bare, method))
    for factor in (0.5, 1.9):
        mesh = made(bare, method, texels_per_unit=factor * fits)
        assert texels_per_unit(mesh) == pytest.approx(factor * fits, rel=1e-4)
        assert (mesh.pages == 1) == (factor < 1)
        assert set(face_pages(mesh)) == set(range(mesh.pages))
        check_gutters(mesh)


def test_too_few_pages_for_a_scale_say_how_many_and_what_fits() -> None:
    fits = texels_per_unit(made(torus()))
    with pytest.raises(UnwrapError, match=r"need \d+ pages of 128 x 128 texels; 2 are allowed") as caught:
        made(torus(), pages=2, texels_per_unit=3 * fits)
    words = (caught.value.fix or "").replace(",", "").split()
    proposed, pages = float(words[1]), int(words[4])
    assert made(torus(), pages=2, texels_per_unit=proposed).pages <= 2
    assert made(torus(), pages=pages, texels_per_unit=3 * fits).pages == pages
    with pytest.raises(UnwrapError, match="more than 100 pages"):
        made(torus(), texels_per_unit=100 * fits)


@pytest.mark.parametrize("method", ["per-triangle", "per-triangle:equal"])
def test_faces_by_themselves_are_dealt_out_to_pages(method: str) -> None:
    mesh = made(torus(), method, pages=3)
    assert np.bincount(face_pages(mesh)).tolist() == [192, 192, 192]
    assert measure(mesh, SIZE).overlap == 0
    assert texels_per_unit(mesh) > 1.2 * texels_per_unit(made(torus(), method))
    with pytest.raises(UnwrapError, match="whole texels"):
        made(torus(), method, texels_per_unit=3.0)


def test_large_pages_are_packed_by_cells_of_several_texels(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = made(torus(), pages=2)
    monkeypatch.setattr(paginate, "CELLS", SIZE // 2)
    coarse = made(torus(), pages=2)
    check_gutters(coarse)
    assert texels_per_unit(fine) > texels_per_unit(coarse) > 0.9 * texels_per_unit(fine)


def test_the_same_mesh_gives_the_same_pages() -> None:
    one, two = made(SURFACES["all"], pages=2), made(SURFACES["all"], pages=2)
    assert np.array_equal(one.uvs, two.uvs)  # pyright: ignore[reportArgumentType]


def test_own_uvs_keep_their_pages_and_take_no_others() -> None:
    paged = made(torus(), pages=2)
    assert unwrap(paged, UnwrapSettings())[0] is paged
    assert unwrap(paged, UnwrapSettings("keep", pages=2))[0] is paged
    for asked in ({"pages": 1}, {"pages": 3}, {"texels_per_unit": 9.0}):
        with pytest.raises(UnwrapError, match="for 2 pages, are kept") as caught:
            unwrap(paged, UnwrapSettings("keep", **asked))  # pyright: ignore[reportArgumentType]
        assert "--unwrap fast" in (caught.value.fix or "")
    again = unwrap(paged, UnwrapSettings("fast", SIZE, GUTTER))[0]
    assert again.pages == 1
    assert np.array_equal(again.uvs, made(torus()).uvs)  # pyright: ignore[reportArgumentType]


def test_a_face_in_two_pages_or_outside_is_an_error() -> None:
    mesh = made(torus(), pages=2)
    assert mesh.uvs is not None
    with pytest.raises(MeshError, match="in two of them"):
        replace(mesh, uvs=mesh.uvs + np.array([0, 0.2]))
    with pytest.raises(MeshError, match="outside of every one of 2 pages"):
        replace(mesh, uvs=mesh.uvs + np.array([1, 0]))
    with pytest.raises(MeshError, match="uvs are needed"):
        replace(mesh, uvs=None, uv_faces=None)


@pytest.mark.parametrize("asked", [{"pages": 0}, {"pages": 101}, {"texels_per_unit": 0.0}])
def test_numbers_that_cannot_be_are_refused(asked: dict[str, float]) -> None:
    with pytest.raises(UnwrapError, match="unwrap:"):
        UnwrapSettings(**asked)  # pyright: ignore[reportArgumentType]
