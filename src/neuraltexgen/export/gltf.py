"""Binary glTF 2.0: one mesh, one unlit material, the texture inside. https://registry.khronos.org/glTF/specs/2.0/"""

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neuraltexgen.errors import ExportError
from neuraltexgen.files import whole_file
from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap.charts import unique_corners

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


def write_glb(path: Path, mesh: Mesh, texture: EmbeddedImage) -> None:
    """Writes the mesh with its texture, whole or not at all. Vertices on seams are doubled, faces keep their order.

    Unlit, two-sided (scans have holes), clamped at the texture's border; v points down as inside. Positions are
    float32; far from the origin they are stored relative to the mesh's middle and the node moves them back.

    Raises MeshError: no uvs. ExportError: too large for float32, or for the format's 4 GiB.
    """
    buffer = _Buffer()
    document = _document(mesh, texture, buffer)
    document["bufferViews"] = buffer.views
    document["buffers"] = [{"byteLength": len(buffer.data)}]
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    chunks = _chunk(b"JSON", text, b" ") + _chunk(b"BIN\0", bytes(buffer.data), b"\0")
    if 12 + len(chunks) >= 2**32:
        raise ExportError(f"{path}: {len(chunks) / 2**30:.1f} GiB are too much for one GLB", fix="a smaller texture")
    with whole_file(path) as temporary:
        temporary.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def _document(mesh: Mesh, texture: EmbeddedImage, buffer: _Buffer) -> dict[str, Any]:
    corners = unique_corners(mesh)
    positions, translation = _float32_positions(mesh.vertices[corners.vertices])
    accessors = [
        _accessor(buffer, positions, "VEC3", FLOAT, ARRAY_BUFFER),
        _accessor(buffer, corners.uvs.astype("<f4"), "VEC2", FLOAT, ARRAY_BUFFER),
        _accessor(buffer, corners.faces.reshape(-1).astype("<u4"), "SCALAR", UNSIGNED_INT, ELEMENT_ARRAY_BUFFER),
    ]
    accessors[0] |= {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    primitive = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}
    node: dict[str, Any] = {"mesh": 0, "name": "textured mesh"}
    if translation is not None:
        node["translation"] = translation
    return {
        "asset": {"version": "2.0", "generator": "neuraltexgen"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"primitives": [primitive]}],
        "materials": [_material()],
        "textures": [{"source": 0, "sampler": 0}],
        "images": [{"bufferView": buffer.add(texture.data), "mimeType": texture.mime}],
        "samplers": [
            {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}
        ],
        "accessors": accessors,
    }


def _material() -> dict[str, Any]:
    """A photograph must not be lit again. The factors are for viewers that don't know the extension."""
    return {
        "name": "textured",
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": 0},
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


def _float32_positions(positions: np.ndarray) -> tuple[np.ndarray, list[float] | None]:
    """Positions as float32, and the translation that brings them home where they had to be moved."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = positions.astype("<f4")
        lost = float(np.abs(rounded - positions).max())
        middle = (low + high) / 2
        moved = (positions - middle).astype("<f4")
        in_range = np.isfinite(moved).all() and np.isfinite(middle.astype("<f4")).all()
    if lost <= ROUNDING * float((high - low).max()):
        return rounded, None
    if not in_range:
        raise ExportError("the mesh's coordinates are too large for glTF's float32", fix="scale the mesh")
    return moved, middle.tolist()


def _chunk(kind: bytes, data: bytes, padding: bytes) -> bytes:
    data += padding * (-len(data) % 4)
    return struct.pack("<I4s", len(data), kind) + data
