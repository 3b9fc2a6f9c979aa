"""Each face by itself: corners on texel centres, no texel read from two faces, as many as fit, errors for more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap import UnwrapSettings, measure, unwrap
from surfaces import ball, torus

METHODS = ("per-triangle", "per-triangle:equal")


def run(mesh: Mesh, method: str, resolution: int) -> np.ndarray:
    """The uvs of all corners: (f, 3, 2)."""
    result, _ = unwrap(mesh, UnwrapSettings(method, resolution))  # pyright: ignore[reportArgumentType]
    assert result.uvs is not None
    return result.uvs[result.uv_faces]


def scattered(count: int, seed: int, spread: float) -> Mesh:
    """Triangles of sizes that differ by up to e^spread, in no relation to each other."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(-spread, 0, (count, 1, 1)))
    vertices = (rng.standard_normal((count, 3, 3)) * size + rng.standard_normal((count, 1, 3))).reshape(-1, 3)
    return Mesh(vertices, np.arange(3 * count, dtype=np.int32).reshape(-1, 3))


def texels_read(uvs: np.ndarray, resolution: int, seed: int) -> list[set[int]]:
    """For each face the texels that bilinear lookups on it read with some weight, from many points of it."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet((0.4, 0.4, 0.4), 400)
    edges = rng.random((200, 1)) * [[1.0, -1.0, 0.0]] + [[0.0, 1.0, 0.0]]
    weights = np.concatenate([weights, edges, np.roll(edges, 1, axis=1), np.roll(edges, 2, axis=1)])
    points = np.einsum("pk,fkc->fpc", weights, uvs) * resolution - 0.5
    first = np.floor(points + 1e-7).astype(int)
    part = points - first
    read = []
    for face in range(len(uvs)):
        mine: set[int] = set()
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            weight = np.prod(np.where([dx, dy], part[face], 1 - part[face]), axis=1)
            at = first[face][weight > 1e-6] + (dx, dy)
            assert at.min() >= 0
            assert at.max() < resolution
            mine |= set((at[:, 1] * resolution + at[:, 0]).tolist())
        read.append(mine)
    return read


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(METHODS), st.integers(1, 60), st.integers(32, 150), st.integers(0, 2**32), st.floats(0, 6))
def test_no_texel_is_read_from_two_faces(method: str, count: int, resolution: int, seed: int, spread: float) -> None:
    uvs = run(scattered(count, seed, spread), method, resolution)
    read = texels_read(uvs, resolution, seed)
    assert sum(map(len, read)) == len(set().union(*read))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(METHODS), st.integers(1, 60), st.integers(32, 300), st.integers(0, 2**32), st.floats(0, 6))
def test_corners_are_texel_centres_of_right_isosceles_places(
    method: str, count: int, resolution: int, seed: int, spread: float
) -> None:
    mesh = scattered(count, seed, spread)
    uvs = run(mesh, method, resolution)
    texels = uvs * resolution - 0.5
    np.testing.assert_allclose(texels, np.rint(texels), atol=1e-9)
    texels = np.rint(texels)
    solid = mesh.vertices[mesh.faces]
    longest = np.linalg.norm(np.roll(solid, -1, axis=1) - np.roll(solid, 1, axis=1), axis=2).argmax(axis=1)
    right = texels[np.arange(count), longest]
    legs = texels - right[:, None]
    others = legs[legs.any(axis=2)].reshape(count, 2, 2)
    assert (np.abs(others).sum(axis=2) == np.abs(others).max(axis=2)).all()  # along the axes
    assert ((others * others[:, ::-1]).sum(axis=2) == 0).all()  # at right angles
    assert (np.linalg.norm(others[:, 0], axis=1) == np.linalg.norm(others[:, 1], axis=1)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("resolution", [250, 512])
def test_nothing_folds_overlaps_or_is_mirrored(method: str, resolution: int) -> None:
    mesh, _ = unwrap(torus(), UnwrapSettings(method, resolution))  # pyright: ignore[reportArgumentType]
    figures = measure(mesh, resolution)
    assert (figures.overlap, figures.flipped, figures.mirrored_charts) == (0, 0, 0)
    assert figures.charts == len(mesh.faces)
    assert figures.utilisation > 0.5


def test_larger_faces_get_larger_places() -> None:
    """Twice the side, at least: classes are powers of two, so the density differs by less than a class and the rim."""
    mesh = scattered(200, 1, 4.0)
    uvs = run(mesh, "per-triangle", 1024)
    corners = mesh.vertices[mesh.faces]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    legs = np.sqrt(np.abs(np.cross(uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]))) * 1024
    order = np.argsort(area)
    assert (np.diff(legs[order]) >= -1e-9).all()
    density = legs / np.sqrt(2 * area)
    assert density[legs > 10].max() < 4 * density.min()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("resolution", [16, 63, 64])
def test_as_many_faces_as_stated_fit_and_not_one_more(method: str, resolution: int) -> None:
    most = 2 * (resolution // 4) ** 2
    assert len(np.unique(run(scattered(most, 0, 1.0), method, resolution).reshape(-1, 2), axis=0)) == 3 * most
    with pytest.raises(UnwrapError, match=f"{most + 1} faces don't fit into .* {most} do") as caught:
        run(scattered(most + 1, 0, 1.0), method, resolution)
    fix = caught.value.fix or ""
    assert f"--simplify {most}" in fix
    enough = int(fix.split("--resolution ")[1].split(",")[0])
    run(scattered(most + 1, 0, 1.0), method, enough)


def test_faces_without_area_have_a_place_too() -> None:
    uvs = run(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]] * 5, dtype=np.int32)), "per-triangle", 64)
    assert len(np.unique(uvs.reshape(-1, 2), axis=0)) == 15


def test_order_and_gutter_do_not_matter() -> None:
    first, _ = unwrap(ball(), UnwrapSettings("per-triangle", 256, gutter=0))
    second, _ = unwrap(ball(), UnwrapSettings("per-triangle", 256, gutter=9))
    assert first.uvs is not None
    assert np.array_equal(first.uvs, second.uvs)
