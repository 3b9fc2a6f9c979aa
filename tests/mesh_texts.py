"""Small meshes as text, for the tests of mesh files."""

import struct
from pathlib import Path

import numpy as np

from neuraltexgen.scene import Mesh

SQUARE = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n"
PLY_START = "ply\nformat ascii 1.0\n"
PLY_XYZ = "property float x\nproperty float y\nproperty float z\n"
PLY_FACES = "property list uchar int vertex_indices\n"


def corners(mesh: Mesh) -> tuple[np.ndarray, np.ndarray | None]:
    """Position and uv of each corner of each face: what must survive, however vertices are shared."""
    uvs = None if mesh.uvs is None or mesh.uv_faces is None else mesh.uvs[mesh.uv_faces]
    return mesh.vertices[mesh.faces], uvs


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def ply_per_corner(order: str, faces: list[list[int]]) -> bytes:
    """A unit square's PLY with uvs per corner (x, y as u, v), as MeshLab writes it; the lists may differ in length."""
    kind = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[order]
    head = f"ply\nformat {kind} 1.0\ncomment TextureFile t.png\nobj_info x\nelement vertex 4\n{PLY_XYZ}"
    head += f"property uchar red\nproperty uchar green\nproperty uchar blue\nelement face {len(faces)}\n{PLY_FACES}"
    head += "property list uchar float texcoord\nproperty int texnumber\nend_header\n"
    points = [tuple(map(float, line.split())) for line in SQUARE.splitlines()]
    body = b""
    for point in points:
        values = (*point, 255, 0, 51)
        body += struct.pack(f"{order}3f3B", *values) if order else (" ".join(map(str, values)) + "\n").encode()
    for face in faces:
        uvs = [c for corner in face for c in points[corner][:2]]
        values = (len(face), *face, len(uvs), *uvs, 0)
        row = f"{order}B{len(face)}iB{len(uvs)}fi"
        body += struct.pack(row, *values) if order else (" ".join(map(str, values)) + "\n").encode()
    return head.encode() + body
