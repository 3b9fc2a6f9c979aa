"""Wavefront OBJ with a material: uvs per corner, so that seams stay seams without doubled vertices."""

from pathlib import Path

import numpy as np

from neuraltexgen.files import write_text
from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap.charts import mesh_uvs

MATERIAL = """newmtl textured
Ka 0 0 0
Kd 1 1 1
Ks 0 0 0
d 1
illum 0
map_Kd {texture}
"""
"""illum 0: the colour as it is, unlit. Viewers that light it anyway at least start from a white factor."""


def write_textured_obj(path: Path, mesh: Mesh, texture: str) -> tuple[Path, Path]:
    """Writes `path` and, beside it, its .mtl that names the texture file; returns both paths.

    Vertices and faces keep their order; positions read back to the bit, uvs to 1e-9, v up as the format has it.
    Raises MeshError: no uvs.
    """
    uvs, uv_faces = mesh_uvs(mesh)
    material = path.with_suffix(".mtl")
    flipped = np.column_stack([uvs[:, 0], 1.0 - uvs[:, 1]])
    corners = np.stack([mesh.faces, uv_faces], axis=2).reshape(-1, 6).astype(np.int64) + 1
    lines = [f"mtllib {material.name}\n"]
    lines += [f"v {x!r} {y!r} {z!r}\n" for x, y, z in mesh.vertices.tolist()]
    lines += [f"vt {u:.9f} {v:.9f}\n" for u, v in flipped.tolist()]
    lines.append("usemtl textured\n")
    lines += ["f %d/%d %d/%d %d/%d\n" % tuple(row) for row in corners.tolist()]  # noqa: UP031 -- half the time
    write_text(material, MATERIAL.format(texture=texture))
    write_text(path, "".join(lines))
    return path, material
