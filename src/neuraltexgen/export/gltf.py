"""Binary glTF 2.0: one mesh, an unlit material for each page, textures inside. https://registry.khronos.org/glTF/specs/2.0/"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neuraltexgen.errors import ExportError
from neuraltexgen.files import whole_file
from neuraltexgen.pages import face_pages, page_mesh, tile_number
from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap.charts import mesh_uvs, unique_corners

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
FLOAT, UNSIGNED_INT = 5126, 5125
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071

ROUNDING = 1e-4
"""Positions that float32 moves by more than this part of the mesh's extent are stored about its middle."""


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture file's bytes and what they are: image/png or image/jpeg."""

    data: bytes
    mime: str


@dataclass
class _Buffer:
    """The binary chunk while it grows, and the views into it."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)

    def add(self, data: bytes, target: int | None = None) -> int:
        """Appends data at the next multiple of four bytes and returns its view's index."""
        self.data += b"\0" * (-len(self.data) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self.views.append(view)
        self.data += data
        return len(self.views) - 1


def write_glb(path: Path, mesh: Mesh, textures: Sequence[EmbeddedImage]) -> None:
    """Writes the mesh with its textures, one a page, whole or not at all. Vertices on seams are doubled.

    Unlit, two-sided (scans have holes), clamped at the texture's border; v points down as inside. A page is a primitive
    with its own material; within it faces keep their order. Positions are float32; far from the origin they are stored
    relative to the mesh's middle and the node moves them back.

    Raises MeshError: no uvs. ExportError: too large for float32, or for the format's 4 GiB.
    """
    mesh_uvs(mesh)
    buffer = _Buffer()
    document = _document(mesh, textures, buffer)
    document["bufferViews"] = buffer.views
    document["buffers"] = [{"byteLength": len(buffer.data)}]
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    buffer.data += b"\0" * (-len(buffer.data) % 4)
    length = 28 + len(text) + len(buffer.data)
    if length >= 2**32:
        raise ExportError(f"{path}: {length / 2**30:.1f} GiB are too much for one GLB", fix="--glb-image jpeg")
    with whole_file(path) as temporary, temporary.open("wb") as file:
        # Part by part: a texture of 16384 x 16384 texels is not to be copied once more.
        for data in (struct.pack("<4sII", b"glTF", 2, length), struct.pack("<I4s", len(text), b"JSON"), text):
            file.write(data)
        file.write(struct.pack("<I4s", len(buffer.data), b"BIN\0"))
        file.write(buffer.data)


def _document(mesh: Mesh, textures: Sequence[EmbeddedImage], buffer: _Buffer) -> dict[str, Any]:
    translation = _translation(mesh.vertices[np.unique(mesh.faces)])
    shown = np.unique(face_pages(mesh)).tolist()
    accessors: list[dict[str, Any]] = []
    primitives = []
    for number, page in enumerate(shown):
        primitives.append(_primitive(page_mesh(mesh, page), translation, buffer, accessors) | {"material": number})
    node: dict[str, Any] = {"mesh": 0, "name": "textured mesh"}
    if translation is not None:
        node["translation"] = translation.tolist()
    names = ["textured"] if mesh.pages == 1 else [f"page_{tile_number(page)}" for page in shown]
    images = [{"bufferView": buffer.add(textures[page].data), "mimeType": textures[page].mime} for page in shown]
    return {
        "asset": {"version": "2.0", "generator": "neuraltexgen"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"primitives": primitives}],
        "materials": [_material(name, number) for number, name in enumerate(names)],
        "textures": [{"source": number, "sampler": 0} for number in range(len(shown))],
        "images": images,
        "samplers": [
            {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}
        ],
        "accessors": accessors,
    }


def _primitive(
    part: Mesh, translation: np.ndarray | None, buffer: _Buffer, accessors: list[dict[str, Any]]
) -> dict[str, Any]:
    """The triangles of one page, their accessors appended to those there are."""
    corners = unique_corners(part)
    positions = part.vertices[corners.vertices]
    positions = (positions if translation is None else positions - translation).astype("<f4")
    first = len(accessors)
    accessors += [
        _accessor(buffer, positions, "VEC3", FLOAT, ARRAY_BUFFER),
        _accessor(buffer, corners.uvs.astype("<f4"), "VEC2", FLOAT, ARRAY_BUFFER),
        _accessor(buffer, corners.faces.reshape(-1).astype("<u4"), "SCALAR", UNSIGNED_INT, ELEMENT_ARRAY_BUFFER),
    ]
    accessors[first] |= {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    return {"attributes": {"POSITION": first, "TEXCOORD_0": first + 1}, "indices": first + 2}


def _material(name: str, texture: int) -> dict[str, Any]:
    """A photograph must not be lit again. The factors are for viewers that don't know the extension."""
    return {
        "name": name,
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": texture},
            "baseColorFactor": [1.0, 1.0, 1.0, 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": 1.0,
        },
        "doubleSided": True,
        "extensions": {"KHR_materials_unlit": {}},
    }


def _accessor(buffer: _Buffer, values: np.ndarray, kind: str, component: int, target: int) -> dict[str, Any]:
    view = buffer.add(values.tobytes(), target)
    return {"bufferView": view, "componentType": component, "count": len(values), "type": kind}


def _translation(positions: np.ndarray) -> np.ndarray | None:
    """What positions are stored relative to, where float32 would move them too far; None: they stay as they are."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        lost = float(np.abs(positions.astype("<f4") - positions).max())
        middle = (low + high) / 2
        in_range = np.isfinite((positions - middle).astype("<f4")).all() and np.isfinite(middle.astype("<f4")).all()
    if lost <= ROUNDING * float((high - low).max()):
        return None
    if not in_range:
        raise ExportError("the mesh's coordinates are too large for glTF's float32", fix="scale the mesh")
    return middle
