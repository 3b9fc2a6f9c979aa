"""Exports: other programs read back the same triangles, uvs and colours, and an independent renderer shows them."""

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.ray.ray_pyembree import RayMeshIntersector

from neuraltexgen.errors import ExportError, MeshError
from neuraltexgen.export import ExportOptions, export_textured_mesh
from neuraltexgen.images import read_exr
from neuraltexgen.scene import Mesh

REPOSITORY = Path(__file__).parents[1]
HEIGHT, WIDTH = 24, 40

VALIDATE = """
require('gltf-validator').validateBytes(new Uint8Array(require('fs').readFileSync(process.argv[1])))
    .then(report => console.log(JSON.stringify(report.issues)));
"""


def bent_sheet(columns: int = 6, rows: int = 4, seam: int = 3) -> Mesh:
    """A curved sheet in two charts, the second one mirrored in the atlas; vertices on the seam have two uvs."""
    r = [[x / columns, y / rows] for y in range(rows + 1) for x in range(columns + 1)]
    vertices = np.array([[2 * x, 1.5 * y, 0.3 * np.sin(3 * x) + 0.1 * y * y] for x, y in r])
    left, right = np.array(r) * (0.8, 0.9) + (0.03, 0.04), np.array(r) * (-0.8, 0.8) + (1.36, 0.15)
    index = np.arange(len(r), dtype=np.int32)
    faces, uv_faces = [], []
    for y in range(rows):
        for x in range(columns):
            a = y * (columns + 1) + x
            for face in ([a, a + 1, a + columns + 2], [a, a + columns + 2, a + columns + 1]):
                faces.append(index[face])
                uv_faces.append(index[face] + (len(r) if x >= seam else 0))
    return Mesh(vertices, np.array(faces), np.concatenate([left, right]), np.array(uv_faces, dtype=np.int32))


def colour_of(uv: np.ndarray) -> np.ndarray:
    """A texture that is linear in uv, so that a right bilinear lookup is exact away from the image's border."""
    return np.stack(
        [0.1 + 0.8 * uv[..., 0], 0.9 - 0.7 * uv[..., 1], 0.2 + 0.3 * uv[..., 0] + 0.3 * uv[..., 1]], axis=-1
    )


def texture(shift: float = 0.0) -> np.ndarray:
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    return colour_of(np.stack([(cols + 0.5 + shift) / WIDTH, (rows + 0.5 + shift) / HEIGHT], axis=-1)).astype(
        np.float32
    )


def bilinear(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Lookup with v down: texel (i, j) has its centre at ((j + 0.5) / w, (i + 0.5) / h); clamped at the border."""
    height, width = image.shape[:2]
    x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip(uv[:, 1] * height - 0.5, 0, height - 1)
    j, i = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    fx, fy = (x - j)[:, None], (y - i)[:, None]
    top = image[i, j] * (1 - fx) + image[i, j + 1] * fx
    bottom = image[i + 1, j] * (1 - fx) + image[i + 1, j + 1] * fx
    return top * (1 - fy) + bottom * fy


def cast(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Face ids and barycentric weights where rays of one oblique view hit; every ray of the grid does."""
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(0.02, 1.98, 83), np.linspace(0.02, 1.48, 61)))
    origins = np.column_stack([x - 0.3, y + 0.2, np.full(len(x), 4.0)])
    through = np.column_stack([x, y, np.full(len(x), 0.3 * np.sin(1.5 * x) + 0.1 * (y / 1.5) ** 2)])
    where, rays, face_ids = RayMeshIntersector(mesh).intersects_location(origins, through - origins, False)
    order = np.argsort(rays)
    assert len(rays) > 0.97 * len(x)
    triangles = mesh.triangles[face_ids[order]]
    return face_ids[order], trimesh.triangles.points_to_barycentric(triangles, where[order])


def direct_lookup(mesh: Mesh, image: np.ndarray) -> np.ndarray:
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    face_ids, weights = cast(mesh.vertices, mesh.faces)
    return bilinear(image, (mesh.uvs[mesh.uv_faces[face_ids]] * weights[..., None]).sum(axis=1))


def glb_parts(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    json_length, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    bin_length, kind = struct.unpack_from("<I4s", data, 20 + json_length)
    assert kind == b"BIN\0"
    assert 28 + json_length + bin_length == length
    return json.loads(data[20 : 20 + json_length]), data[28 + json_length :]


def scene_mesh(path: Path) -> trimesh.Trimesh:
    (mesh,) = trimesh.load_scene(path, process=False).dump()
    return mesh


def render_glb(path: Path) -> np.ndarray:
    """What a viewer shows: trimesh's triangles, uvs, picture and factor; Embree's hits; the lookup above."""
    mesh = scene_mesh(path)
    material = mesh.visual.material
    factor = np.ones(4) if material.baseColorFactor is None else np.asarray(material.baseColorFactor) / 255
    picture = np.asarray(material.baseColorTexture.convert("RGB")) / 255.0
    face_ids, weights = cast(mesh.vertices, mesh.faces)
    uv = (mesh.visual.uv[mesh.faces[face_ids]] * weights[..., None]).sum(axis=1)
    return bilinear(picture, np.column_stack([uv[:, 0], 1 - uv[:, 1]])) * factor[:3]


TOLERANCE = 0.6 / 255
"""Half a level of 8 bits, and a little for float32 positions and uvs."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    paths = export_textured_mesh(folder, bent_sheet(), texture())
    assert [path.name for path in paths] == ["texture.png", "mesh.obj", "mesh.mtl", "mesh.glb"]
    assert all(path.parent == folder and path.is_file() for path in paths)
    assert len(list(folder.iterdir())) == 4
    return folder


def test_an_independent_renderer_shows_the_fits_own_render(exported: Path) -> None:
    mesh = bent_sheet()
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    render = render_glb(exported / "mesh.glb")
    assert np.abs(render - direct_lookup(mesh, texture())).max() < TOLERANCE
    # And both show the colour that the place has in truth: the texture is linear in uv.
    face_ids, weights = cast(mesh.vertices, mesh.faces)
    truth = colour_of((mesh.uvs[mesh.uv_faces[face_ids]] * weights[..., None]).sum(axis=1))
    assert np.abs(render - truth).max() < TOLERANCE


@pytest.mark.parametrize("fault", ["half a texel", "v flip", "factor 0.4"])
def test_that_comparison_notices(fault: str, tmp_path: Path) -> None:
    mesh = bent_sheet()
    assert mesh.uvs is not None
    image = texture(shift=0.5) if fault == "half a texel" else texture()
    wrong = Mesh(mesh.vertices, mesh.faces, mesh.uvs * (1, -1) + (0, 1), mesh.uv_faces) if fault == "v flip" else mesh
    export_textured_mesh(tmp_path, wrong, image)
    if fault == "factor 0.4":
        document, binary = glb_parts(tmp_path / "mesh.glb")
        document["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] = [0.4, 0.4, 0.4, 1]
        text = json.dumps(document).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
        (tmp_path / "mesh.glb").write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
    difference = np.abs(render_glb(tmp_path / "mesh.glb") - direct_lookup(mesh, texture()))
    assert np.median(difference.max(axis=1)) > 3 * TOLERANCE


def corner_table(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    return np.concatenate([vertices[faces], uv[uv_faces]], axis=2)


@pytest.mark.parametrize(("name", "bound"), [("mesh.obj", 1e-8), ("mesh.glb", 1e-6)])
def test_other_programs_read_the_same_triangles_and_uvs(exported: Path, name: str, bound: float) -> None:
    mesh = bent_sheet()
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    read = scene_mesh(exported / name)
    v_down = read.visual.uv * (1, -1) + (0, 1)
    ours = corner_table(mesh.vertices, mesh.faces, mesh.uvs, mesh.uv_faces)
    assert np.abs(corner_table(read.vertices, read.faces, v_down, read.faces) - ours).max() < bound


def test_the_obj_keeps_vertices_seams_and_every_digit(tmp_path: Path) -> None:
    mesh = bent_sheet()
    awkward = Mesh(mesh.vertices * np.pi + 1e5 / 3, mesh.faces, mesh.uvs, mesh.uv_faces)
    export_textured_mesh(tmp_path, awkward, texture())
    lines = (tmp_path / "mesh.obj").read_text().splitlines()
    positions = np.array([line.split()[1:] for line in lines if line.startswith("v ")], dtype=np.float64)
    assert np.array_equal(positions, awkward.vertices)
    assert sum(line.startswith("vt ") for line in lines) == len(mesh.uvs if mesh.uvs is not None else ())
    assert "mtllib mesh.mtl" in lines
    material = (tmp_path / "mesh.mtl").read_text().splitlines()
    assert "map_Kd texture.png" in material
    assert "Kd 1 1 1" in material


def test_the_picture_files_hold_the_texture(exported: Path, tmp_path: Path) -> None:
    image = texture()
    eight = np.asarray(Image.open(exported / "texture.png"))
    assert np.array_equal(eight, np.rint(image.astype(np.float64) * 255))
    document, binary = glb_parts(exported / "mesh.glb")
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    inside = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    assert inside == (exported / "texture.png").read_bytes()
    export_textured_mesh(tmp_path / "exr", bent_sheet(), image * 3, ExportOptions(texture="exr"))
    channels = read_exr(tmp_path / "exr" / "texture.exr")
    assert np.array_equal(np.stack([channels[name] for name in "RGB"], axis=-1), image * 3)
    export_textured_mesh(tmp_path / "png16", bent_sheet(), image, ExportOptions(texture="png16"))
    assert (tmp_path / "png16" / "texture.png").read_bytes()[24] == 16


def test_the_glb_is_unlit_white_clamped_and_mip_mapped(exported: Path) -> None:
    document, _ = glb_parts(exported / "mesh.glb")
    (material,) = document["materials"]
    assert document["extensionsUsed"] == ["KHR_materials_unlit"]
    assert material["extensions"] == {"KHR_materials_unlit": {}}
    assert material["pbrMetallicRoughness"]["baseColorFactor"] == [1, 1, 1, 1]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert material["doubleSided"]
    assert document["samplers"] == [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}]
    assert all(view["byteOffset"] % 4 == 0 for view in document["bufferViews"])
    # 4 x 7 vertices and the 5 of the seam twice, not one per corner.
    assert document["accessors"][0]["count"] == 5 * 7 + 5


def test_a_mesh_far_from_the_origin_keeps_its_shape(tmp_path: Path) -> None:
    near = bent_sheet()
    far = Mesh(near.vertices + np.array([4.5e6, 5.1e5, 300.0]), near.faces, near.uvs, near.uv_faces)
    export_textured_mesh(tmp_path, far, texture())
    document, binary = glb_parts(tmp_path / "mesh.glb")
    view = document["bufferViews"][document["accessors"][0]["bufferView"]]
    stored = np.frombuffer(binary, "<f4", 3 * document["accessors"][0]["count"], view["byteOffset"]).reshape(-1, 3)
    low, high = far.vertices.min(axis=0), far.vertices.max(axis=0)
    home = stored.astype(np.float64) + document["nodes"][0]["translation"]
    assert np.abs(home.min(axis=0) - low).max() < 1e-6
    assert np.abs(home.max(axis=0) - high).max() < 1e-6
    assert document["accessors"][0]["min"] == stored.min(axis=0).tolist()


def test_channels_that_no_picture_holds_need_exr(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((8, 8, 7), dtype=np.float32)
    with pytest.raises(ExportError, match="7 channels") as error:
        export_textured_mesh(tmp_path, bent_sheet(), image)
    assert "EXR" in str(error.value.fix)
    assert not list(tmp_path.iterdir())
    paths = export_textured_mesh(tmp_path, bent_sheet(), image, ExportOptions(texture="exr"))
    assert [path.name for path in paths] == ["texture.exr", "mesh.obj", "mesh.mtl"]
    read = read_exr(tmp_path / "texture.exr")
    assert np.array_equal(np.stack([read[name] for name in sorted(read)], axis=-1), image)


def test_what_cannot_be_exported_is_an_error(tmp_path: Path) -> None:
    mesh = bent_sheet()
    with pytest.raises(ExportError, match="1 of 2880 values"):
        export_textured_mesh(tmp_path, mesh, np.where(np.arange(2880).reshape(24, 40, 3) == 7, np.nan, texture()))
    with pytest.raises(MeshError, match="no uvs"):
        export_textured_mesh(tmp_path, Mesh(mesh.vertices, mesh.faces), texture())
    with pytest.raises(ExportError, match="float32"):
        export_textured_mesh(tmp_path, Mesh(mesh.vertices * 1e39, mesh.faces, mesh.uvs, mesh.uv_faces), texture())


def no_validator() -> str | None:
    if shutil.which("node") is None:
        return "the glTF validator needs node, which is not installed"
    if not (REPOSITORY / "node_modules" / "gltf-validator").is_dir():
        return "the glTF validator is not installed (npm ci in the repository installs it)"
    return None


@pytest.mark.skipif(no_validator() is not None, reason=no_validator() or "")
@pytest.mark.parametrize("case", ["plain", "far", "grey jpeg", "rgba", "duplicate uvs", "odd sizes", "spare vertices"])
def test_the_khronos_validator_finds_neither_errors_nor_warnings(case: str, tmp_path: Path) -> None:
    mesh, image, options = bent_sheet(), texture(), ExportOptions(glb_image="jpeg" if "jpeg" in case else "png")
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    if case == "far":
        mesh = Mesh(mesh.vertices + 1e7, mesh.faces, mesh.uvs, mesh.uv_faces)
    elif case == "grey jpeg":
        image = image[..., :1]
    elif case == "rgba":
        image = np.concatenate([image, image[..., :1]], axis=2)
    elif case == "duplicate uvs":
        uvs = mesh.uvs[mesh.uv_faces].reshape(-1, 2)
        mesh = Mesh(mesh.vertices, mesh.faces, uvs, np.arange(len(uvs), dtype=np.int32).reshape(-1, 3))
    elif case == "odd sizes":
        image = image[:7, :13]
    elif case == "spare vertices":
        mesh = Mesh(np.concatenate([mesh.vertices, [[99.0, 0, 0]]]), mesh.faces, mesh.uvs, mesh.uv_faces)
    export_textured_mesh(tmp_path, mesh, np.ascontiguousarray(image), options)
    run = subprocess.run(
        ["node", "-e", VALIDATE, str(tmp_path / "mesh.glb")], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    issues = json.loads(run.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
