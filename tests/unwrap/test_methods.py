"""Every back end on surfaces that are trouble: faces keep order and shape, nothing folds or overlaps, gutters hold."""

import importlib.util
import shutil
from collections.abc import Callable
from functools import cache
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap import METHODS, UnwrapSettings, measure, unwrap
from neuraltexgen.unwrap.seams import find_cuts
from neuraltexgen.uvmap.atlas import rasterise_atlas
from surfaces import SURFACES, ball, book, torus

PACKAGE = {"open3d": "open3d", "blender": "bpy", "meshlab": "pymeshlab"}
NEW = [name for name in METHODS if name != "keep"]
LOOSE = ("meshlab:voronoi", "meshlab:plane")
"""They promise neither a gutter nor that nothing overlaps."""

STRICT = [name for name in NEW if name not in LOOSE]
CROWDED = [name for name in STRICT if name != "xatlas"]
"""xatlas tries every place for so few faces; it has its own tests, and each surface by itself."""

BY_PROCESS = [name for name in NEW if METHODS[name].extra]


def run(mesh: Mesh, method: str, resolution: int = 512, gutter: int = 4) -> Mesh:
    package = PACKAGE.get(METHODS[method].extra)
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{method}: {package} is not installed")
    settings = UnwrapSettings(method, resolution, gutter, time_limit=100.0)  # pyright: ignore[reportArgumentType]
    result, used = unwrap(mesh, settings)
    assert used == method
    return result


@cache
def crowd_by(method: str) -> Mesh:
    """All surfaces in one mesh, unwrapped once for all tests: a process of its own takes seconds to start."""
    return run(SURFACES["all"], method, 1024, 3)


@pytest.mark.parametrize("method", CROWDED)
def test_trouble_is_laid_flat(method: str) -> None:
    mesh, result = SURFACES["all"], crowd_by(method)
    assert result.vertices is mesh.vertices
    assert result.faces is mesh.faces
    assert result.uvs is not None
    assert result.uvs.min() >= 0
    assert result.uvs.max() <= 1
    figures = measure(result, 1024)
    assert figures.degenerate == 3
    assert (figures.flipped, figures.overlap) == (0, 0)
    assert figures.stretch_l2 < 1.3 or method == "per-triangle:equal"
    assert figures.utilisation > 0.3
    # The surface is shown as it is seen from its front; some of these have faces that are turned.
    assert figures.mirrored_charts <= 0.3 * figures.charts


@pytest.mark.parametrize("surface", [name for name in SURFACES if name != "all"])
@pytest.mark.parametrize("method", [m for m in STRICT if not METHODS[m].extra])
def test_so_is_each_by_itself(method: str, surface: str) -> None:
    figures = measure(run(SURFACES[surface], method), 512)
    assert (figures.flipped, figures.overlap) == (0, 0)
    assert figures.stretch_l2 < 2


def sides(triangles: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2)
    return lengths / np.maximum(lengths.sum(axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("method", [m for m in CROWDED if m.partition(":")[0] not in ("per-triangle", "meshlab")])
def test_faces_keep_their_order_and_shape(method: str) -> None:
    mesh = crowd_by(method)
    assert mesh.uvs is not None
    flat, solid = sides(mesh.uvs[mesh.uv_faces]), sides(mesh.vertices[mesh.faces])
    right = np.abs(flat - solid).max(axis=1)
    assert np.median(right) < 0.06
    assert np.abs(flat - np.roll(solid, 1, axis=1)).max(axis=1).mean() > 1.5 * right.mean()
    assert np.abs(flat[::-1] - solid).max(axis=1).mean() > 1.5 * right.mean()


@pytest.mark.parametrize("method", [m for m in STRICT if METHODS[m].extra])
def test_charts_keep_the_gutter_apart(method: str) -> None:
    mesh = crowd_by(method)
    atlas = rasterise_atlas(mesh, (1024, 1024))
    chart = np.where(atlas.covered, find_cuts(mesh).charts[atlas.face_ids], -1)
    for down in range(3):
        for across in range(-2, 3):
            a = chart[: 1024 - down, max(0, -across) : 1024 - max(0, across)]
            b = chart[down:, max(0, across) : 1024 + min(0, across)]
            assert not ((a >= 0) & (b >= 0) & (a != b)).any(), (down, across)


@pytest.mark.parametrize("method", ["blender:stretch", "meshlab", "per-triangle"])
def test_the_same_mesh_gives_the_same_uvs(method: str) -> None:
    first, second = crowd_by(method), run(SURFACES["all"], method, 1024, 3)
    assert first.uvs is not None
    assert np.array_equal(first.uvs, second.uvs)
    assert first.uv_faces is not None
    assert np.array_equal(first.uv_faces, second.uv_faces)


def test_a_plane_suits_a_relief() -> None:
    y, x = (a.ravel() for a in np.meshgrid(np.arange(6.0), np.arange(6.0), indexing="ij"))
    relief = np.stack([0.1 * np.sin(x + y), y, x], axis=1)
    corner = (np.arange(5)[:, None] * 6 + np.arange(5)).reshape(-1, 1)
    faces = np.concatenate([np.hstack([corner, corner + 1, corner + 7]), np.hstack([corner, corner + 7, corner + 6])])
    figures = measure(run(Mesh(relief, faces.astype(np.int32)), "meshlab:plane"), 256)
    assert (figures.charts, figures.overlap, figures.flipped) == (1, 0, 0)
    assert figures.stretch_l2 < 1.01


@pytest.mark.parametrize(("surface", "said"), [("two", "2 pieces"), ("one face", "3 vertices")])
def test_what_voronoi_would_never_finish_is_refused(surface: str, said: str) -> None:
    with pytest.raises(UnwrapError, match=said):
        run(SURFACES[surface], "meshlab:voronoi")


def test_voronoi_makes_charts_of_regions() -> None:
    figures = measure(run(ball(), "meshlab:voronoi"), 256)
    assert 1 < figures.charts < 20


def test_a_texture_too_small_for_the_gutter_is_an_error() -> None:
    with pytest.raises(UnwrapError, match=r"meshlab failed on 576 faces .*border"):
        run(torus(), "meshlab", 64, 8)


def test_partitions_are_worked_on_one_by_one_and_give_more_charts() -> None:
    whole = run(torus(), "uvatlas")
    parts, _ = unwrap(torus(), UnwrapSettings("uvatlas", 512, partitions=4))
    assert measure(parts, 256).charts > measure(whole, 256).charts
    assert measure(parts, 256).overlap == 0


@pytest.mark.skipif(shutil.which("blender") is None, reason="no command blender")
def test_an_installed_blender_serves_where_there_is_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuraltexgen.unwrap.blender.find_spec", lambda _: None)
    monkeypatch.delenv("PYTHONPATH", raising=False)  # it has a Python of its own
    mesh, _ = unwrap(torus(), UnwrapSettings("blender:lscm", 256, time_limit=100.0))
    figures = measure(mesh, 256)
    assert (figures.flipped, figures.overlap, figures.mirrored_charts) == (0, 0, 0)
    assert figures.stretch_l2 < 1.1


@pytest.mark.parametrize("method", BY_PROCESS)
def test_a_missing_package_is_named_with_its_command(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str, package: str | None = None) -> ModuleSpec | None:
        return None

    patched: Callable[..., ModuleSpec | None] = none
    monkeypatch.setattr("neuraltexgen.unwrap.worker.find_spec", patched)
    monkeypatch.setattr("neuraltexgen.unwrap.blender.find_spec", patched)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UnwrapError) as caught:
        unwrap(book(), UnwrapSettings(method))  # pyright: ignore[reportArgumentType]
    assert method in caught.value.message
    assert f"pip install 'neuraltexgen[{METHODS[method].extra}]'" in (caught.value.fix or "")
