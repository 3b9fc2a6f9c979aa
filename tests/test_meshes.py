"""Meshes from files: round trips, seams, repairs and errors. The formats themselves: test_mesh_formats.py."""

import time
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from mesh_texts import PLY_FACES, PLY_START, PLY_XYZ, SQUARE, corners, ply_per_corner, write
from neuraltexgen.errors import MeshError
from neuraltexgen.meshes import is_mesh_file, read_mesh, split_seams, write_mesh
from neuraltexgen.meshes.topology import count_components, count_edges_by_faces
from neuraltexgen.scene import Mesh

SCENES = Path(__file__).parents[2] / "shared" / "scenes"
needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures are not beside this repository")


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    """Random triangles without degenerate or repeated ones, with seams: uvs are per corner."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(3, 12))
    every = [(a, b, c) for a in range(count) for b in range(a + 1, count) for c in range(b + 1, count)]
    picked = rng.permutation(len(every))[: draw(st.integers(1, 10))]
    faces = np.array([every[i] for i in picked], np.int32)
    uvs = uv_faces = None
    if draw(st.booleans()):
        uvs = rng.random((draw(st.integers(3, 9)), 2))
        uv_faces = rng.integers(0, len(uvs), faces.shape).astype(np.int32)
        uv_faces[0] = (0, 1, 2)
    colours = (rng.integers(0, 256, (count, 3)) / 255).astype(np.float32) if draw(st.booleans()) else None
    return Mesh(rng.normal(size=(count, 3)) * 10.0 ** draw(st.integers(-3, 3)), faces, uvs, uv_faces, colours)


@settings(max_examples=60, deadline=None)
@given(meshes(), st.sampled_from([".ply", ".obj", ".off"]))
def test_what_is_written_comes_back_corner_by_corner(
    tmp_path_factory: pytest.TempPathFactory, mesh: Mesh, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("mesh") / f"a mesh ü{suffix}"
    write_mesh(path, mesh)
    back = read_mesh(path).mesh
    for ours, theirs in zip(corners(mesh), corners(back)):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert np.allclose(ours, theirs, rtol=1e-15, atol=1e-15)
    assert (back.vertices.dtype, back.faces.dtype) == (np.float64, np.int32)
    if mesh.colours is not None and suffix != ".off":
        assert back.colours is not None
        assert np.allclose(back.colours[back.faces], mesh.colours[mesh.faces], atol=1e-5)
    if suffix == ".obj":
        assert np.array_equal(back.faces, mesh.faces)
        assert np.array_equal(back.vertices, mesh.vertices)


@settings(max_examples=40, deadline=None)
@given(meshes())
def test_splitting_seams_changes_no_corner(mesh: Mesh) -> None:
    split = split_seams(mesh)
    assert split_seams(split) is split
    assert np.array_equal(corners(mesh)[0], corners(split)[0])
    if mesh.uvs is not None:
        assert split.uv_faces is not None
        assert np.array_equal(split.faces, split.uv_faces)
        assert np.array_equal(corners(mesh)[1], corners(split)[1])


def test_repairs_are_counted_and_the_rest_keeps_its_order(tmp_path: Path) -> None:
    faces = "3 0 1 2\n3 0 0 1\n3 0 1 4\n3 2 0 1\n3 1 0 2\n3 0 2 3\n"
    loaded = read_mesh(write(tmp_path / "a.off", f"OFF\n6 6 0\n{SQUARE}2 0 0\nnan 0 0\n{faces}"))
    assert loaded.notes == (
        "1 unused vertices that are not finite removed",
        "2 degenerate faces removed",
        "2 duplicated faces removed",
    )
    assert loaded.mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert len(loaded.mesh.vertices) == 5


def test_a_not_finite_vertex_in_the_middle_renumbers_faces_and_colours(tmp_path: Path) -> None:
    text = "COFF\n4 1 0\n0 0 0 1 0 0\nnan 0 0 1 1 1\n1 0 0 0 1 0\n0 1 0 0 0 1\n3 0 2 3\n"
    mesh = read_mesh(write(tmp_path / "a.off", text)).mesh
    assert mesh.faces.tolist() == [[0, 1, 2]]
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert mesh.colours is not None
    assert mesh.colours.tolist() == np.eye(3).tolist()


def test_non_manifold_edges_are_kept_and_counted(tmp_path: Path) -> None:
    text = "OFF\n5 3 0\n0 0 0\n1 0 0\n0 1 0\n0 -1 0\n0 0 1\n3 0 1 2\n3 0 1 3\n3 0 1 4\n"
    loaded = read_mesh(write(tmp_path / "a.off", text))
    assert len(loaded.mesh.faces) == 3
    assert loaded.notes == ("1 non-manifold edges kept (more than two faces meet there)",)


def test_uvs_that_cover_no_area_are_dropped_with_a_note(tmp_path: Path) -> None:
    loaded = read_mesh(write(tmp_path / "a.off", "STOFF\n3 1 0\n0 0 0 0 0\n1 0 0 0 0\n0 1 0 0 0\n3 0 1 2\n"))
    assert not loaded.mesh.has_uvs
    assert "cover no area" in loaded.notes[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.off", "", "not a text OFF file"),
        ("a.off", "OFF\n", "counts line"),
        ("a.off", "OFF BINARY\n", "not a text OFF file"),
        ("a.off", "4OFF\n1 1 0\n", "dimensions"),
        ("a.off", "OFF\n3 99999999999 0\n0 0 0\n", "promises"),
        ("a.off", "OFF\n-3 1 0\n0 0 0\n", "promises"),
        ("a.off", "OFF\n3.5 1 0\n0 0 0\n", "whole numbers"),
        ("a.off", "OFF\n3 1 0\n0 0 0 0 0\n1 0 0 0 0\n0 1 0 0 0\n3 0 1 2\n", "does not allow"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1\n3 0 1 2\n", "don't all hold 3"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 x\n0 1 0\n3 0 1 2\n", "no number"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", "1 of 1 faces with an index out of range"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 -1\n", "index out of range"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1\n", "fewer corners"),
        ("a.off", "OFF\n3 1 0\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n", "1 of 1 faces use vertices that are NaN"),
        ("a.off", "STOFF\n3 1 0\n0 0 0 0 0\n1 0 0 inf 0\n0 1 0 0 1\n3 0 1 2\n", "texture coordinates that are NaN"),
        ("a.off", "OFF\n0 0 0\n", "no face"),
        ("a.off", "OFF\n2 1 0\n0 0 0\n1 0 0\n2 0 1\n", "no face"),
        ("a.obj", "", "no face"),
        ("a.obj", "v 0 0\nf 1 1 1\n", "3 coordinates"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "counts from 1"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "out of range"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -1 -2 -4\n", "out of range"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0\nf 1/1 2/1 3/1\n", "needs 2 numbers"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/2\n", "out of range"),
        ("a.ply", "", "not a PLY"),
        ("a.ply", f"{PLY_START}element vertex 4\n{PLY_XYZ}end_header\n{SQUARE}", "point cloud of 4 points"),
        ("a.ply", f"{PLY_START}element face 0\n{PLY_FACES}end_header\n", "no element vertex"),
        ("a.ply", f"{PLY_START}nonsense\nend_header\n", "makes no sense"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 1\nproperty quad x\nend_header\n", "makes no sense"),
        ("a.ply", "ply\nelement vertex 1\nproperty float x\nend_header\n", "no format"),
        ("a.ply", f"{PLY_START}element vertex 400000000000\n{PLY_XYZ}end_header\n{SQUARE}", "ends before"),
        ("a.glb", "glTF", "not a glTF"),
        ("a.gltf", "[]", "not a glTF"),
        ("a.gltf", '{"meshes": []}', "no triangles"),
        ("a.gltf", '{"nodes": [{"mesh": 3}], "meshes": []}', "inconsistent"),
        ("a.stl", "solid", "unknown mesh format"),
    ],
)
def test_broken_meshes_say_what_is_wrong(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(MeshError, match=message) as caught:
        read_mesh(write(tmp_path / name, text))
    assert name in str(caught.value)


def test_a_binary_ply_that_is_cut_off_or_lies_about_a_list_is_an_error(tmp_path: Path) -> None:
    data = ply_per_corner("<", [[0, 1, 2], [0, 2, 3]])
    for broken in (data[:-1], data[:-40], data.replace(b"\x06", b"\xff"), data.replace(b"face 2", b"face 9")):
        (tmp_path / "a.ply").write_bytes(broken)
        with pytest.raises(MeshError):
            read_mesh(tmp_path / "a.ply")


def test_a_missing_file_and_an_unknown_suffix_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="no such file"):
        read_mesh(tmp_path / "a.ply")
    with pytest.raises(MeshError, match="can't write"):
        write_mesh(tmp_path / "a.stl", tiny.tiny().mesh)


def test_point_clouds_are_no_mesh_files(tmp_path: Path) -> None:
    write(tmp_path / "cloud.ply", f"{PLY_START}element vertex 4\n{PLY_XYZ}end_header\n{SQUARE}")
    write(
        tmp_path / "zero.ply", f"{PLY_START}element vertex 4\n{PLY_XYZ}element face 00\n{PLY_FACES}end_header\n{SQUARE}"
    )
    write_mesh(tmp_path / "mesh.ply", tiny.tiny().mesh)
    names = {path.name for path in tmp_path.iterdir() if is_mesh_file(path)}
    assert names == {"mesh.ply"}


def test_topology_of_two_boxes_one_open() -> None:
    box = np.asarray(trimesh.creation.box().faces)
    both = np.concatenate([box, box[:-1] + 8])
    assert count_components(both) == 2
    assert count_edges_by_faces(both) == {1: 3, 2: 18 + 15}
    chain = np.array([[i, i + 1, i + 2] for i in range(0, 200, 2)])[::-1]
    assert count_components(np.random.default_rng(0).permutation(201)[chain]) == 1


@needs_scenes
@pytest.mark.parametrize(
    ("name", "vertices", "faces"),
    [
        ("fox/mesh.ply", 75148, 149999),
        ("herzjesu/mesh.ply", 80120, 160000),
        ("sevenscenes/mesh.ply", 69921, 129634),
        ("neuraltexgen_room/room_uv.off", 102708, 129634),
    ],
)
def test_real_meshes_are_read_whole_and_fast(name: str, vertices: int, faces: int) -> None:
    start = time.perf_counter()
    mesh = read_mesh(SCENES / name).mesh
    assert time.perf_counter() - start < 6, "0.2 s to 0.6 s on a free core; the bound allows for a busy one"
    assert (len(mesh.vertices), len(mesh.faces)) == (vertices, faces)
    if name.endswith(".ply"):
        theirs = trimesh.load(SCENES / name, process=False)
        assert np.array_equal(mesh.vertices, theirs.vertices)
        assert np.array_equal(mesh.faces, theirs.faces)
    else:
        assert mesh.uvs is not None
        first = (SCENES / name).read_text().splitlines()[2 + int(mesh.faces[0, 0])].split()
        assert np.allclose(mesh.uvs[mesh.faces[0, 0]], (float(first[3]), 1 - float(first[4])))
