"""glTF 2.0, .glb and .gltf: triangles of the default scene in world space, TEXCOORD_0, base colour textures.

The format: Khronos, glTF 2.0 specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html. v is down.
"""

import base64
import json
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped

from neuraltexgen.errors import ImageError, MeshError
from neuraltexgen.images import read_photo
from neuraltexgen.meshes.raw import RawMesh, unit_colours
from neuraltexgen.meshes.stack import UNTEXTURED

COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
TRIANGLES = 4
SUPPORTED = {"KHR_materials_unlit", "KHR_mesh_quantization", "EXT_texture_webp"}
"""Required extensions that change nothing here, or that are handled."""


@dataclass(frozen=True, eq=False)
class _Document:
    """The JSON part, and where its buffers are."""

    path: Path
    json: dict[str, Any]
    binary: bytes

    def rows(self, index: int) -> Shaped[np.ndarray, "n k"]:
        """An accessor's rows; normalised integers as floats in [0, 1] or [-1, 1]."""
        accessor = self.json["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise MeshError(f"{self.path}: sparse accessors are not supported", fix="export without sparse data")
        view, start, stride = self._view(accessor["bufferView"])
        kind = np.dtype(COMPONENTS[accessor["componentType"]])
        count, width, offset = accessor["count"], WIDTHS[accessor["type"]], accessor.get("byteOffset", 0)
        stride = stride or kind.itemsize * width
        if min(count, offset, stride) < 0 or offset + stride * (count - 1) + kind.itemsize * width > len(view) - start:
            raise MeshError(f"{self.path}: accessor {index} reaches past its buffer", fix="the file is cut off")
        rows = np.ndarray((count, width), kind, view, start + offset, (stride, kind.itemsize))
        if accessor.get("normalized") and kind.kind in "iu":
            return np.maximum(rows.astype(np.float64) / np.iinfo(kind).max, -1)
        return rows

    def bytes_of(self, view_index: int) -> bytes:
        """The bytes of a buffer view."""
        view, start, _ = self._view(view_index)
        return view[start:]

    def file(self, uri: str) -> bytes:
        """What a URI names: inline base64, or a file beside the glTF."""
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        return (self.path.parent / unquote(uri)).read_bytes()

    def _view(self, index: int) -> tuple[bytes, int, int]:
        """A buffer that ends where the view does, the view's start in it, and its stride (0: packed)."""
        view = self.json["bufferViews"][index]
        uri = self.json["buffers"][view["buffer"]].get("uri")
        buffer = self.binary if uri is None else self.file(uri)
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if min(start, length) < 0 or start + length > len(buffer):
            raise MeshError(f"{self.path}: buffer view {index} reaches past its buffer", fix="the file is cut off")
        return buffer[: start + length], start, view.get("byteStride", 0)


@dataclass(frozen=True, eq=False)
class _Part:
    """One primitive, in world space."""

    vertices: Float64[np.ndarray, "n 3"]
    faces: Int64[np.ndarray, "f 3"]
    uvs: Float64[np.ndarray, "n 2"] | None
    colours: Float32[np.ndarray, "n 3"] | None
    material: dict[str, Any]


def read_gltf(path: Path) -> RawMesh:
    """All triangles of the scene as one mesh. uvs and colours are kept if every primitive has them.

    Raises MeshError: damaged, a required extension that is not supported (such as Draco).
    Raises ImageError: an embedded texture can't be read.
    """
    document = _read_document(path)
    try:
        return _join(
            document, [part for mesh, world in _placed_meshes(document) for part in _parts(document, mesh, world)]
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, struct.error) as error:
        raise MeshError(f"{path}: the glTF is inconsistent ({type(error).__name__}: {error})") from error


def _read_document(path: Path) -> _Document:
    data = path.read_bytes()
    text, binary = data, b""
    if data.startswith(b"glTF"):
        chunks = dict(_chunks(data))
        text, binary = chunks.get(b"JSON", b""), chunks.get(b"BIN\0", b"")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MeshError(f"{path}: not a glTF file, or damaged ({error})") from error
    if not isinstance(parsed, dict):
        raise MeshError(f"{path}: not a glTF file")
    required = parsed.get("extensionsRequired", [])
    unknown = [str(name) for name in required if name not in SUPPORTED] if isinstance(required, list) else []
    if unknown:
        raise MeshError(f"{path}: needs the glTF extension {', '.join(unknown)}", fix="export without compression")
    return _Document(path, parsed, binary)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length


def _placed_meshes(document: _Document) -> Iterator[tuple[dict[str, Any], Float64[np.ndarray, "4 4"]]]:
    """Each mesh of the default scene with its world transform; a node is visited once, so cycles end."""
    nodes = document.json.get("nodes", [])
    scenes = document.json.get("scenes", [])
    children = {child for node in nodes for child in node.get("children", [])}
    roots = scenes[document.json.get("scene", 0)]["nodes"] if scenes else set(range(len(nodes))) - children
    waiting = [(index, np.eye(4)) for index in roots]
    visited: set[int] = set()
    while waiting:
        index, world_from_parent = waiting.pop(0)
        if index in visited:
            continue
        visited.add(index)
        node = nodes[index]
        world_from_node = world_from_parent @ _local_transform(node)
        if "mesh" in node:
            yield document.json["meshes"][node["mesh"]], world_from_node
        waiting += [(child, world_from_node) for child in node.get("children", [])]


def _local_transform(node: dict[str, Any]) -> Float64[np.ndarray, "4 4"]:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    result = np.eye(4)
    result[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)), np.float64).reshape(3)
    result[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64).reshape(3)
    return result


def _parts(document: _Document, mesh: dict[str, Any], world: Float64[np.ndarray, "4 4"]) -> Iterator[_Part]:
    for primitive in mesh["primitives"]:
        mode = primitive.get("mode", TRIANGLES)
        if mode in (5, 6):
            raise MeshError(f"{document.path}: triangle strips and fans are not supported", fix="export triangles")
        if mode != TRIANGLES:
            continue  # points and lines have no surface
        attributes = primitive["attributes"]
        local = document.rows(attributes["POSITION"]).astype(np.float64)
        index = document.rows(primitive["indices"]) if "indices" in primitive else np.arange(len(local))
        uvs = document.rows(attributes["TEXCOORD_0"]).astype(np.float64) if "TEXCOORD_0" in attributes else None
        colours = unit_colours(document.rows(attributes["COLOR_0"])) if "COLOR_0" in attributes else None
        if any(len(rows) != len(local) for rows in (uvs, colours) if rows is not None):
            raise MeshError(f"{document.path}: a primitive's attributes have different lengths")
        yield _Part(
            local @ world[:3, :3].T + world[:3, 3],
            index.astype(np.int64).reshape(-1, 3),
            uvs,
            colours,
            document.json["materials"][primitive["material"]] if "material" in primitive else {},
        )


def _join(document: _Document, parts: list[_Part]) -> RawMesh:
    if not parts:
        raise MeshError(f"{document.path}: no triangles in the scene")
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts)])
    uvs = [part.uvs for part in parts if part.uvs is not None]
    colours = [part.colours for part in parts if part.colours is not None]
    all_uvs = len(uvs) == len(parts)
    notes = []
    if uvs and not all_uvs:
        notes.append(f"texture coordinates ignored: {len(parts) - len(uvs)} of {len(parts)} glTF primitives have none")
    textures, shown = _textures(document, parts, notes) if all_uvs else ([], np.zeros(len(parts), np.int64))
    several = len(textures) > 1
    return RawMesh(
        vertices=np.concatenate([part.vertices for part in parts]),
        faces=faces,
        uvs=np.concatenate(uvs) if all_uvs else None,
        uv_faces=faces if all_uvs else None,
        colours=np.concatenate(colours) if len(colours) == len(parts) else None,
        texture=textures[0] if len(textures) == 1 else None,
        notes=tuple(notes),
        textures=tuple(textures) if several else (),
        face_texture=np.repeat(shown, [len(part.faces) for part in parts]) if several else None,
    )


def _textures(
    document: _Document, parts: list[_Part], notes: list[str]
) -> tuple[list[Float32[np.ndarray, "h w 3"]], Int64[np.ndarray, " p"]]:
    """The pictures that parts show, in the order of first use, and which of them each part shows."""
    materials = [part.material.get("pbrMetallicRoughness", {}) for part in parts]
    references = [material["baseColorTexture"] for material in materials if "baseColorTexture" in material]
    if any(reference.get("texCoord", 0) != 0 or reference.get("extensions") for reference in references):
        raise MeshError(f"{document.path}: the texture uses a second uv set or a texture transform", fix="bake them in")
    sources = [_source(document, material) for material in materials]
    used = list(dict.fromkeys(source for source in sources if source is not None))
    factors = {tuple(material.get("baseColorFactor", (1, 1, 1, 1))) for material in materials}
    if used and factors != {(1, 1, 1, 1)}:
        notes.append(f"{len(factors)} base colour factors other than 1 are not applied to the texture")
    textures = [_decode(document.path, _image_bytes(document, source)) for source in used]
    if len(used) < 2:
        return textures, np.zeros(len(parts), np.int64)
    if None in sources:
        notes.append(f"{sources.count(None)} of {len(parts)} glTF primitives have no texture: they are grey")
        textures.append(UNTEXTURED)
    return textures, np.array([len(used) if source is None else used.index(source) for source in sources], np.int64)


def _source(document: _Document, material: dict[str, Any]) -> int | None:
    """The image of a material's base colour, by number."""
    if "baseColorTexture" not in material:
        return None
    texture = document.json["textures"][material["baseColorTexture"]["index"]]
    return texture.get("extensions", {}).get("EXT_texture_webp", texture).get("source", texture.get("source"))


def _image_bytes(document: _Document, index: int) -> bytes:
    image = document.json["images"][index]
    return document.bytes_of(image["bufferView"]) if "bufferView" in image else document.file(image["uri"])


def _decode(path: Path, pixels: bytes) -> Float32[np.ndarray, "h w 3"]:
    """Through a file, so that a texture meets the same checks as any photo."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texture"
        file.write_bytes(pixels)
        try:
            decoded = read_photo(file).pixels
        except ImageError as error:
            raise ImageError(f"{path}: the texture inside can't be read ({error.message})", error.fix) from error
    return decoded if decoded.dtype == np.float32 else decoded.astype(np.float32) / np.float32(255)
