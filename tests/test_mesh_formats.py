"""The forms that each mesh format takes, the direction of v, and textures."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image as Pillow

import tiny
from mesh_texts import PLY_FACES, PLY_START, PLY_XYZ, SQUARE, corners, ply_per_corner, write
from neuraltexgen.errors import ImageError, MeshError
from neuraltexgen.meshes import read_mesh, write_mesh


@pytest.mark.parametrize("suffix", [".ply", ".obj"])
def test_v_points_down_inside_as_an_independent_reader_has_it_up(tmp_path: Path, suffix: str) -> None:
    mesh = tiny.tiny().mesh
    write_mesh(tmp_path / f"a{suffix}", mesh)
    theirs = trimesh.load(tmp_path / f"a{suffix}", process=False, maintain_order=True)
    assert mesh.uvs is not None
    place = {tuple(vertex): uv for vertex, uv in zip(mesh.vertices.round(9), mesh.uvs)}
    ours = np.array([place[tuple(vertex)] for vertex in np.asarray(theirs.vertices).round(9)])
    assert np.allclose(theirs.visual.uv, np.stack([ours[:, 0], 1 - ours[:, 1]], axis=1))


def test_stoff_has_v_up(tmp_path: Path) -> None:
    path = write(tmp_path / "a.off", "STOFF\r\n3 1 0\r\n0 0 0 0 0\r\n1 0 0 1 0\r\n0 1 0 0 1\r\n3 0 1 2\r\n")
    assert np.array_equal(read_mesh(path).mesh.uvs, [[0, 1], [1, 1], [0, 0]])


@pytest.mark.parametrize(
    ("header", "extra", "has"),
    [
        ("OFF", "", ""),
        ("COFF", " 255 0 51 255", "colours"),
        ("COFF", " 1.0 0.0 0.2", "colours"),
        ("NOFF", " 0 0 1", ""),
        ("CNOFF", " 0 0 1 255 0 51", "colours"),
        ("STOFF", " 0.5 0.25", "uvs"),
        ("STCOFF", " 255 0 51 255 0.5 0.25", "uvs colours"),
        ("STCNOFF", " 0 0 1 1 0 0.2 1 0.5 0.25", "uvs colours"),
    ],
)
def test_off_variants(tmp_path: Path, header: str, extra: str, has: str) -> None:
    uvs = iter(("0.5 0.25", "0.75 0.25", "0.5 0.5"))
    vertices = "".join(
        f"{xyz}{extra.replace('0.5 0.25', next(uvs)) if 'ST' in header else extra}  # a comment\n\n"
        for xyz in ("0 0 0", "1 0 0", "0 1 0")
    )
    path = write(tmp_path / "a.off", f"# made by hand\n{header} 3 1 0\n{vertices}3 0 1 2  0.1 0.2 0.3\n")
    mesh = read_mesh(path).mesh
    assert np.array_equal(mesh.vertices, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert mesh.has_uvs == ("uvs" in has)
    if mesh.uvs is not None:
        assert np.array_equal(mesh.uvs, [[0.5, 0.75], [0.75, 0.75], [0.5, 0.5]])
    assert (mesh.colours is not None) == ("colours" in has)
    if mesh.colours is not None:
        assert np.allclose(mesh.colours, [[1, 0, 0.2]] * 3)


@pytest.mark.parametrize("text", ["OFF\n4 1 0\n" + SQUARE + "4 0 1 2 3\n", "OFF 4 1\n" + SQUARE + "4 0 1 2 3 255 0 0"])
def test_polygons_are_cut_into_triangles_and_counted(tmp_path: Path, text: str) -> None:
    loaded = read_mesh(write(tmp_path / "a.off", text))
    assert loaded.mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert loaded.notes == ("1 polygons cut into 2 triangles",)


def test_a_polygon_keeps_its_uvs_when_it_is_cut(tmp_path: Path) -> None:
    lines = "".join(f"v {line}\n" for line in SQUARE.splitlines())
    path = write(tmp_path / "a.obj", lines + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nf 1/1 2/2 3/3 4/4\n")
    positions, uvs = corners(read_mesh(path).mesh)
    assert uvs is not None
    assert np.array_equal(uvs, np.stack([positions[..., 0], 1 - positions[..., 1]], axis=2))


def test_obj_forms_of_a_face_mean_the_same(tmp_path: Path) -> None:
    vertices = "v 0 0 0\nv 1 0 0 \r\nv 0 1 0\n"
    uvs = "vt 0 0\nvt 1 0\nvt 0 1 0\n"
    faces = (
        "f 1/1 2/2 3/3",
        "f 1/1/1 2/2/1 3/3/1",
        "f -3/-3 -2/-2 -1/-1 # last",
        "f 1/1 \\\n 2/2 3/3",
        "f\t1/1 2/2 3/3",
    )
    for face in faces:
        path = write(tmp_path / "a.obj", f"# a comment\no thing\n{vertices}{uvs}vn 0 0 1\ns off\n{face}\n")
        mesh = read_mesh(path).mesh
        assert mesh.faces.tolist() == [[0, 1, 2]]
        assert mesh.uvs is not None
        assert mesh.uvs[mesh.uv_faces].tolist() == [[[0, 1], [1, 1], [0, 0]]]
    for face in ("f 1 2 3", "f 1//1 2//1 3//1"):
        assert not read_mesh(write(tmp_path / "a.obj", f"{vertices}{uvs}vn 0 0 1\n{face}\n")).mesh.has_uvs


def test_obj_vertex_colours_and_mixed_faces(tmp_path: Path) -> None:
    vertices = "v 0 0 0 1 0 0.5\nv 1 0 0 1 0 0.5\nv 0 1 0 1 0 0.5\nv 1 1 1 1 0 0.5\n"
    loaded = read_mesh(write(tmp_path / "a.obj", vertices + "vt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\nf 1 2 4\n"))
    assert np.allclose(loaded.mesh.colours, [[1, 0, 0.5]] * 4)
    assert not loaded.mesh.has_uvs
    assert loaded.notes == ("texture coordinates ignored: 1 of 2 faces have none",)


def obj_with_textures(folder: Path, *textures: str) -> Path:
    """One textured face for each texture, through one material each."""
    lines = "".join(f"newmtl m{i}\nKd 1 1 1\nmap_Kd {name}\n" for i, name in enumerate(textures))
    write(folder / "my things.mtl", lines)
    faces = "".join(f"usemtl m{i}\nf {i + 1}/1 {i + 2}/2 {i + 3}/3\n" for i in range(len(textures)))
    vertices = "".join(f"v {i} {i * i} 0\n" for i in range(len(textures) + 2))
    return write(folder / "a.obj", f"mtllib my things.mtl\n{vertices}vt 0 0\nvt 1 0\nvt 0 1\n{faces}")


def test_obj_texture_is_found_through_its_material(tmp_path: Path) -> None:
    tiny.photo(tmp_path / "tex tür.png", size=(4, 2))
    for name in ("tex tür.png", "-s 1 1 1 tex tür.png", "-clamp on tex tür.png"):
        loaded = read_mesh(obj_with_textures(tmp_path, name, name))
        assert loaded.texture is not None
        assert loaded.texture.shape == (2, 4, 3)
        assert 0 <= loaded.texture.min() <= loaded.texture.max() <= 1
    missing = read_mesh(obj_with_textures(tmp_path, "gone.png"))
    assert missing.texture is None
    assert missing.notes == ("the mesh names the texture 'gone.png', which is not there",)
    half = read_mesh(obj_with_textures(tmp_path, "tex tür.png", "gone.png"))
    assert half.texture is None
    assert half.mesh.pages == 2
    assert half.notes == ("the mesh names the texture 'gone.png', which is not there (1 of 2)",)
    write(tmp_path / "broken.png", "no image")
    with pytest.raises(ImageError, match=r"broken\.png"):
        read_mesh(obj_with_textures(tmp_path, "broken.png"))


@pytest.mark.parametrize("order", ["", "<", ">"])
@pytest.mark.parametrize("faces", [[[0, 1, 2], [0, 2, 3]], [[0, 1, 2, 3]], [[0, 1, 2], [3, 2, 1, 0]]])
def test_ply_with_uvs_per_corner(tmp_path: Path, order: str, faces: list[list[int]]) -> None:
    (tmp_path / "a.ply").write_bytes(ply_per_corner(order, faces))
    tiny.photo(tmp_path / "t.png", size=(4, 2))
    loaded = read_mesh(tmp_path / "a.ply")
    positions, uvs = corners(loaded.mesh)
    assert len(positions) == sum(len(face) - 2 for face in faces)
    assert uvs is not None
    assert np.array_equal(uvs, np.stack([positions[..., 0], 1 - positions[..., 1]], axis=2))
    assert np.allclose(loaded.mesh.colours, [[1, 0, 0.2]] * 4)
    assert loaded.texture is not None


@pytest.mark.parametrize("names", [("s", "t"), ("u", "v"), ("texture_u", "texture_v")])
def test_ply_with_uvs_per_vertex(tmp_path: Path, names: tuple[str, str]) -> None:
    uv = "".join(f"property double {name}\n" for name in names)
    rows = "".join(f"{line} {line[:3]}\n" for line in SQUARE.splitlines())
    text = f"{PLY_START}element vertex 4\n{PLY_XYZ}{uv}element face 1\n{PLY_FACES}end_header\n{rows}3 0 1 2\n"
    mesh = read_mesh(write(tmp_path / "a.ply", text)).mesh
    assert np.array_equal(mesh.uvs, [[0, 1], [1, 1], [1, 0], [0, 0]])


def test_ply_crlf_unknown_elements_and_float_colours(tmp_path: Path) -> None:
    colours = "property float red\nproperty float green\nproperty float blue\n"
    text = f"{PLY_START}element camera 1\nproperty float f\nelement vertex 4\n{PLY_XYZ}{colours}element face 1\n"
    rows = "".join(f"{line} 1 0 0.2\n" for line in SQUARE.splitlines())
    text += f"property uchar flags\n{PLY_FACES}element edge 1\nproperty int a\nend_header\n7\n{rows}9 3 0 1 2\n5\n"
    mesh = read_mesh(write(tmp_path / "a.ply", text.replace("\n", "\r\n"))).mesh
    assert mesh.faces.tolist() == [[0, 1, 2]]
    assert np.allclose(mesh.colours, [[1, 0, 0.2]] * 4)


def test_ply_on_several_textures_is_an_error(tmp_path: Path) -> None:
    data = ply_per_corner("", [[0, 1, 2], [0, 2, 3]]).replace(b"obj_info x", b"comment TextureFile u.png")
    (tmp_path / "a.ply").write_bytes(data[:-2] + b"1\n")
    with pytest.raises(MeshError, match="2 texture files"):
        read_mesh(tmp_path / "a.ply")
    (tmp_path / "a.ply").write_bytes(data)
    assert read_mesh(tmp_path / "a.ply").notes[-1] == "the mesh names the texture 't.png', which is not there"


def textured_square(uvs: np.ndarray) -> trimesh.Trimesh:
    points = np.array([line.split() for line in SQUARE.splitlines()], float)
    image = np.zeros((8, 4, 3), np.uint8)
    image[:4] = 204
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Pillow.fromarray(image), baseColorFactor=[255] * 4)
    visual = trimesh.visual.TextureVisuals(uv=uvs, material=material)
    return trimesh.Trimesh(points, [[0, 1, 2], [0, 2, 3]], process=False, visual=visual)


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_gltf_with_a_moved_node_and_its_texture(tmp_path: Path, suffix: str) -> None:
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    world = trimesh.transformations.rotation_matrix(0.4, [1, 2, 3])
    world[:3, 3] = 5, 6, 7
    scene = trimesh.Scene()
    scene.add_geometry(textured_square(uvs), transform=world)
    if suffix == ".glb":
        scene.export(tmp_path / "a.glb")
    else:
        for name, data in scene.export(file_type="gltf").items():
            (tmp_path / name.replace("model", "a")).write_bytes(data)
    loaded = read_mesh(tmp_path / f"a{suffix}")
    points = np.array([line.split() for line in SQUARE.splitlines()], float)
    assert np.allclose(loaded.mesh.vertices, points @ world[:3, :3].T + world[:3, 3], atol=1e-6)
    assert loaded.mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert np.allclose(loaded.mesh.uvs, np.stack([uvs[:, 0], 1 - uvs[:, 1]], axis=1))
    assert loaded.texture is not None
    assert np.allclose(loaded.texture[:, 0, 0], [0.8] * 4 + [0] * 4)


def test_gltf_with_a_required_extension_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "b.gltf", '{"extensionsRequired": ["KHR_draco_mesh_compression"]}')
    with pytest.raises(MeshError, match="KHR_draco_mesh_compression"):
        read_mesh(tmp_path / "b.gltf")
