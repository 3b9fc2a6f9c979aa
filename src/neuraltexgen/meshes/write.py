"""Meshes to PLY, OBJ and OFF, each whole or not at all. uvs are turned v-up, as these formats have it."""

import io
from pathlib import Path

import numpy as np

from neuraltexgen.files import whole_file
from neuraltexgen.meshes.raw import flip_v
from neuraltexgen.meshes.repair import split_seams
from neuraltexgen.pages import face_pages, tile_number, to_tiles
from neuraltexgen.scene import Mesh


def write_ply(path: Path, mesh: Mesh) -> None:
    """Binary PLY: x y z as doubles, s t as doubles, red green blue as bytes; vertices on seams are doubled."""
    mesh = split_seams(to_tiles(mesh))
    fields = [(axis, "<f8") for axis in "xyz"]
    columns = list(mesh.vertices.T)
    if mesh.uvs is not None:
        fields += [("s", "<f8"), ("t", "<f8")]
        columns += list(flip_v(mesh.uvs).T)
    if mesh.colours is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue")]
        columns += list(np.rint(mesh.colours * 255).T)
    vertices = np.empty(len(mesh.vertices), np.dtype(fields))
    for (name, _), column in zip(fields, columns):
        vertices[name] = column
    faces = np.empty(len(mesh.faces), np.dtype([("count", "u1"), ("corners", "<i4", (3,))]))
    faces["count"], faces["corners"] = 3, mesh.faces
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    lines += [f"property {'uchar' if kind == 'u1' else 'double'} {name}" for name, kind in fields]
    lines += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    with whole_file(path) as temporary:
        temporary.write_bytes("\n".join(lines).encode() + vertices.tobytes() + faces.tobytes())


def write_obj(path: Path, mesh: Mesh) -> None:
    """OBJ without material: seams are kept as they are, uvs per corner; colours follow x y z.

    Pages are UDIM's tiles, each a group with a material's name, `page_1001` and so on; faces come page by page.
    """
    page, mesh = face_pages(mesh), to_tiles(mesh)
    out = io.BytesIO()
    if mesh.colours is None:
        np.savetxt(out, mesh.vertices, "v %.17g %.17g %.17g")
    else:
        np.savetxt(out, np.hstack([mesh.vertices, mesh.colours]), "v %.17g %.17g %.17g %.6g %.6g %.6g")
    if mesh.uvs is not None and mesh.uv_faces is not None:
        np.savetxt(out, flip_v(mesh.uvs), "vt %.17g %.17g")
        corners = np.stack([mesh.faces, mesh.uv_faces], axis=2)
        for number in np.unique(page).tolist():
            if page.any():
                out.write(f"g page_{tile_number(number)}\nusemtl page_{tile_number(number)}\n".encode())
            np.savetxt(out, corners[page == number].reshape(-1, 6) + 1, "f %d/%d %d/%d %d/%d")
    else:
        np.savetxt(out, mesh.faces + 1, "f %d %d %d")
    with whole_file(path) as temporary:
        temporary.write_bytes(out.getvalue())


def write_off(path: Path, mesh: Mesh) -> None:
    """OFF, or STOFF with uvs, as NeuralTexGen takes it; vertices on seams are doubled, colours left aside."""
    mesh = split_seams(to_tiles(mesh))
    out = io.BytesIO()
    out.write(f"{'STOFF' if mesh.has_uvs else 'OFF'}\n{len(mesh.vertices)} {len(mesh.faces)} 0\n".encode())
    table = mesh.vertices if mesh.uvs is None else np.hstack([mesh.vertices, flip_v(mesh.uvs)])
    np.savetxt(out, table, "%.17g")
    np.savetxt(out, np.hstack([np.full((len(mesh.faces), 1), 3), mesh.faces]), "%d")
    with whole_file(path) as temporary:
        temporary.write_bytes(out.getvalue())
