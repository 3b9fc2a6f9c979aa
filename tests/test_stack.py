"""Pages on disk: what is written in pages reads back as it was, in every form, and others' pages read right."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from neuraltexgen.errors import MeshError
from neuraltexgen.export import ExportOptions, export_textured_mesh
from neuraltexgen.meshes import read_mesh, write_mesh
from neuraltexgen.pages import face_pages, page_mesh, tile_number
from neuraltexgen.scene import Mesh
from test_export import REPOSITORY, VALIDATE, bent_sheet, no_validator

PAGES = 12
"""More than UDIM has in a row of tiles."""


def paged(pages: int = PAGES) -> Mesh:
    """The bent sheet, its faces dealt out to pages: every uv is used in several of them."""
    mesh = bent_sheet()
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    page = np.arange(len(mesh.faces)) % pages
    uvs = (mesh.uvs[mesh.uv_faces] + np.stack([0 * page, page], axis=1)[:, None]) / (1, pages)
    index = np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3)
    return Mesh(mesh.vertices, mesh.faces, uvs.reshape(-1, 2), index, pages=pages)


def picture(pages: int = PAGES) -> np.ndarray:
    """Every texel its own colour, in whole levels of 8 bits."""
    return np.random.default_rng(0).integers(0, 256, (pages * 8, 8, 3)).astype(np.float32) / np.float32(255)


def by_corner(mesh: Mesh) -> np.ndarray:
    """Positions and uvs of all corners, faces in an order of their own: files may have them page by page."""
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    table = np.concatenate([mesh.vertices[mesh.faces], mesh.uvs[mesh.uv_faces]], axis=2).round(6).reshape(-1, 15)
    return table[np.lexsort(table.T)]


@pytest.mark.parametrize("pages", [2, PAGES])
@pytest.mark.parametrize("name", ["mesh.obj", "mesh_udim.obj", "mesh.glb"])
def test_exported_pages_read_back_as_they_were(name: str, pages: int, tmp_path: Path) -> None:
    mesh, image = paged(pages), picture(pages)
    files = [path.name for path in export_textured_mesh(tmp_path, mesh, image)]
    textures = [f"texture.{1001 + page}.png" for page in range(pages)]
    assert files == [*textures, "mesh.obj", "mesh.mtl", "mesh_udim.obj", "mesh_udim.mtl", "mesh.glb"]
    loaded = read_mesh(tmp_path / name)
    assert loaded.mesh.pages == pages
    assert loaded.texture is not None
    assert np.array_equal(loaded.texture, image)
    assert np.abs(by_corner(loaded.mesh) - by_corner(mesh)).max() < 2e-6
    if name == "mesh_udim.obj":
        assert loaded.notes == (f"the uvs lie in {pages} UDIM tiles ({tiles(pages)}), read as pages",)
        assert np.array_equal(loaded.mesh.faces, mesh.faces)


def tiles(pages: int) -> str:
    return "1001, 1002" if pages == 2 else "1001, 1002, 1003, 1004 ..."


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".off"])
def test_uvs_without_a_texture_keep_their_pages_as_tiles(suffix: str, tmp_path: Path) -> None:
    mesh = paged()
    write_mesh(tmp_path / f"m{suffix}", mesh)
    loaded = read_mesh(tmp_path / f"m{suffix}")
    assert (loaded.mesh.pages, loaded.texture) == (PAGES, None)
    assert np.abs(by_corner(loaded.mesh) - by_corner(mesh)).max() < 2e-6
    if suffix == ".obj":
        text = (tmp_path / "m.obj").read_text()
        assert all(f"g page_{tile_number(page)}\nusemtl page_{tile_number(page)}\n" in text for page in range(PAGES))


def test_every_page_is_a_mesh_of_its_faces() -> None:
    mesh = paged()
    parts = [page_mesh(mesh, page) for page in range(PAGES)]
    assert sum(len(part.faces) for part in parts) == len(mesh.faces)
    for page, part in enumerate(parts):
        assert part.uvs is not None
        assert mesh.uvs is not None
        assert mesh.uv_faces is not None
        assert part.uv_faces is not None
        mine = mesh.uvs[mesh.uv_faces[face_pages(mesh) == page]]
        assert np.allclose(part.uvs[part.uv_faces], mine * (1, PAGES) - (0, page))


SQUARES = """mtllib m.mtl
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 2 0 1
v 2 1 1
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vt 2 0
vt 2 1
usemtl a
f 1/1 2/2 3/3 4/4
usemtl b
f 2/2 5/5 6/6 3/3
"""
"""Two squares on two materials, the second one a tile to the right, where a texture that repeats is the same."""


def write_pictures(folder: Path, **sizes: tuple[int, int]) -> dict[str, np.ndarray]:
    result = {}
    for number, (name, (width, height)) in enumerate(sizes.items()):
        result[name] = np.random.default_rng(number).integers(0, 256, (height, width, 3)).astype(np.uint8)
        Pillow.fromarray(result[name]).save(folder / f"{name}.png")
    return result


def test_materials_with_textures_of_different_sizes_become_pages(tmp_path: Path) -> None:
    (tmp_path / "m.obj").write_text(SQUARES)
    (tmp_path / "m.mtl").write_text("newmtl a\nmap_Kd a.png\nnewmtl b\nmap_Kd b.png\n")
    made = write_pictures(tmp_path, a=(6, 4), b=(3, 5))
    loaded = read_mesh(tmp_path / "m.obj")
    assert loaded.mesh.pages == 2
    assert loaded.texture is not None
    assert loaded.texture.shape == (10, 6, 3)
    assert loaded.notes[-1] == "textures of different sizes padded to 6 x 5 texels, as pages of one"
    pixels = np.rint(loaded.texture * 255).astype(np.uint8)
    assert np.array_equal(pixels[:4], made["a"])
    assert np.array_equal(pixels[5:, :3], made["b"])
    assert np.array_equal(pixels[4], pixels[3])
    assert np.array_equal(pixels[5:, 5], pixels[5:, 2])
    assert loaded.mesh.uvs is not None
    assert loaded.mesh.uv_faces is not None
    texels = (loaded.mesh.uvs * (6, 10))[loaded.mesh.uv_faces]
    assert texels[:2].reshape(-1, 2).min(axis=0).tolist() == [0, 0]
    assert texels[:2].reshape(-1, 2).max(axis=0).tolist() == [6, 4]
    assert texels[2:].reshape(-1, 2).min(axis=0).tolist() == [0, 5]
    assert texels[2:].reshape(-1, 2).max(axis=0).tolist() == [3, 10]


def test_a_material_without_a_texture_is_a_grey_page(tmp_path: Path) -> None:
    (tmp_path / "m.obj").write_text(SQUARES + "usemtl c\nf 1/1 2/2 5/4\n")
    (tmp_path / "m.mtl").write_text("newmtl a\nmap_Kd a.png\nnewmtl b\nmap_Kd b.png\nnewmtl c\nKd 1 0 0\n")
    write_pictures(tmp_path, a=(4, 4), b=(4, 4))
    loaded = read_mesh(tmp_path / "m.obj")
    assert loaded.mesh.pages == 3
    assert "1 of 5 faces have a material without a texture: they are grey" in loaded.notes
    assert loaded.texture is not None
    assert (loaded.texture[8:] == 0.5).all()


def test_a_face_over_the_border_of_one_of_several_textures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.obj").write_text(SQUARES.replace("vt 2 0", "vt 2.5 0"))
    (tmp_path / "m.mtl").write_text("newmtl a\nmap_Kd a.png\nnewmtl b\nmap_Kd b.png\n")
    write_pictures(tmp_path, a=(4, 4), b=(4, 4))
    with pytest.raises(MeshError, match="of 4 faces reach over the border"):
        read_mesh(tmp_path / "m.obj")


@pytest.mark.parametrize("name", ["t.<UDIM>.png", "t.<udim>.png", "t.1001.png"])
def test_udim_textures_are_found_by_token_and_by_number(name: str, tmp_path: Path) -> None:
    (tmp_path / "m.obj").write_text(SQUARES.replace("usemtl b\n", ""))
    (tmp_path / "m.mtl").write_text(f"newmtl a\nmap_Kd {name}\n")
    write_pictures(tmp_path, **{"t.1001": (4, 4), "t.1002": (4, 4)})
    loaded = read_mesh(tmp_path / "m.obj")
    assert loaded.mesh.pages == 2
    assert face_pages(loaded.mesh).tolist() == [0, 0, 1, 1]
    assert loaded.texture is not None
    assert loaded.texture.shape == (8, 4, 3)


def test_one_texture_that_repeats_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "m.obj").write_text(SQUARES.replace("usemtl b\n", ""))
    (tmp_path / "m.mtl").write_text("newmtl a\nmap_Kd a.png\n")
    write_pictures(tmp_path, a=(4, 4))
    loaded = read_mesh(tmp_path / "m.obj")
    assert loaded.mesh.pages == 1
    assert loaded.mesh.uvs is not None
    assert loaded.mesh.uvs[:, 0].max() == 2


@pytest.mark.skipif(no_validator() is not None, reason=no_validator() or "")
def test_the_khronos_validator_takes_pages(tmp_path: Path) -> None:
    export_textured_mesh(tmp_path, paged(3), picture(3), ExportOptions(glb_image="jpeg"))
    command = ["node", "-e", VALIDATE, str(tmp_path / "mesh.glb")]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    issues = json.loads(run.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
