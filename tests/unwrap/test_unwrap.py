"""Unwrapping: the same faces in order, places that no two faces share, gutters that hold; kept uvs as they are."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.synthetic import SyntheticSettings, make_scene
from neuraltexgen.unwrap import METHODS, MethodName, UnwrapSettings, unwrap
from neuraltexgen.uvmap.atlas import rasterise_atlas
from neuraltexgen.uvmap.charts import face_charts
from surfaces import ball


def room() -> Mesh:
    return make_scene(SyntheticSettings(views=1, width=16, height=12, detail=40.0)).mesh


@pytest.fixture(scope="module", params=["ball", "room"])
def bare(request: pytest.FixtureRequest) -> Mesh:
    return {"ball": ball, "room": room}[request.param]()


def uv_triangles(mesh: Mesh) -> np.ndarray:
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    return mesh.uvs[mesh.uv_faces]


def test_vertices_and_faces_stay_and_every_face_gets_a_place(bare: Mesh) -> None:
    mesh, method = unwrap(bare, UnwrapSettings(resolution=512))
    assert method == "fast"
    assert mesh.vertices is bare.vertices
    assert mesh.faces is bare.faces
    corners = uv_triangles(mesh)
    assert corners.shape == (len(bare.faces), 3, 2)
    assert corners.min() >= 0
    assert corners.max() <= 1
    assert 0.4 < rasterise_atlas(mesh, (512, 512)).covered.mean() < 1  # the texture's area is used


def test_places_are_in_the_order_of_the_faces(bare: Mesh) -> None:
    """A face and its place in the texture have almost the same shape: equal ratios of sides."""
    corners = uv_triangles(unwrap(bare, UnwrapSettings(resolution=512))[0])
    solid = bare.vertices[bare.faces]

    def sides(triangles: np.ndarray) -> np.ndarray:
        lengths = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2)
        return lengths / lengths.sum(axis=1, keepdims=True)

    wrong = np.abs(sides(corners) - sides(solid)).max(axis=1)
    assert np.median(wrong) < 0.03
    shuffled = np.abs(sides(corners)[::-1] - sides(solid)).max(axis=1)
    assert shuffled.mean() > 2 * wrong.mean()


def test_no_place_is_used_twice(bare: Mesh) -> None:
    mesh, _ = unwrap(bare, UnwrapSettings(resolution=512))
    assert rasterise_atlas(mesh, (512, 512)).overlapped == 0


@pytest.mark.parametrize("gutter", [2, 6])
def test_charts_keep_the_gutter_apart(gutter: int, bare: Mesh) -> None:
    mesh, _ = unwrap(bare, UnwrapSettings(resolution=512, gutter=gutter))
    atlas = rasterise_atlas(mesh, (512, 512))
    chart = np.where(atlas.covered, face_charts(mesh)[atlas.face_ids], -1)
    assert len(np.unique(chart)) > 3
    for down in range(gutter):
        for across in range(-gutter + 1, gutter):
            a = chart[: 512 - down, max(0, -across) : 512 - max(0, across)]
            b = chart[down:, max(0, across) : 512 + min(0, across)]
            assert not ((a >= 0) & (b >= 0) & (a != b)).any(), (down, across)


def test_the_same_mesh_gives_the_same_uvs(bare: Mesh) -> None:
    first, second = (unwrap(bare, UnwrapSettings(resolution=256))[0] for _ in range(2))
    assert np.array_equal(uv_triangles(first), uv_triangles(second))


def with_uvs(scale: float = 1.0, shift: float = 0.0) -> Mesh:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    return Mesh(vertices, faces, vertices[:, :2] * scale + shift, faces)


@pytest.mark.parametrize("method", ["auto", "keep"])
def test_uvs_are_kept_as_they_are(method: str) -> None:
    mesh = with_uvs()
    assert unwrap(mesh, UnwrapSettings(method)) == (mesh, "keep")  # pyright: ignore[reportArgumentType]


def test_uvs_are_made_anew_on_demand() -> None:
    mesh, method = unwrap(with_uvs(scale=7.0), UnwrapSettings("xatlas", resolution=64))
    assert method == "xatlas"
    assert uv_triangles(mesh).max() <= 1


@pytest.mark.parametrize(("scale", "shift", "count"), [(2.0, 0.0, 3), (1.0, -0.1, 3), (1.0, 0.001, 3)])
def test_uvs_beyond_the_texture_are_refused_with_their_number(scale: float, shift: float, count: int) -> None:
    with pytest.raises(UnwrapError, match=f"{count} of 4 uvs") as caught:
        unwrap(with_uvs(scale, shift), UnwrapSettings())
    assert caught.value.fix is not None


def test_rounding_errors_and_uvs_that_no_face_uses_are_not_refused() -> None:
    mesh = with_uvs(shift=1e-7)
    assert mesh.uvs is not None
    spare = replace(mesh, uvs=np.vstack([mesh.uvs, [9.0, 9.0]]))
    assert unwrap(spare, UnwrapSettings("keep"))[0] is spare


def test_there_is_nothing_to_keep_without_uvs() -> None:
    with pytest.raises(UnwrapError, match="no uvs"):
        unwrap(ball(), UnwrapSettings("keep"))


@pytest.mark.parametrize(("resolution", "gutter"), [(15, 4), (512, -1)])
def test_settings_that_cannot_be_are_errors(resolution: int, gutter: int) -> None:
    with pytest.raises(UnwrapError, match=r"resolution|gutter"):
        UnwrapSettings("xatlas", resolution, gutter)


@pytest.mark.parametrize(("partitions", "time_limit"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_so_are_those_of_back_ends_in_a_process_of_their_own(partitions: int, time_limit: float) -> None:
    with pytest.raises(UnwrapError, match="at least 1"):
        UnwrapSettings("uvatlas", partitions=partitions, time_limit=time_limit)


def test_every_method_is_one_that_can_be_chosen() -> None:
    assert set(get_args(MethodName)) == {"auto", *METHODS}
