"""Wavefront OBJ: polygons with uvs per corner, vertex colours after x y z, textures through its MTL files.

The format: http://paulbourke.net/dataformats/obj/ and .../mtl/. v is up. Normals, groups, lines, curves are left aside.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64

from neuraltexgen.errors import MeshError
from neuraltexgen.meshes.raw import RawMesh, cut_polygons, flip_v, integers, numbers, unit_colours
from neuraltexgen.meshes.stack import UNTEXTURED

MAP_OPTIONS = {"-blendu": 1, "-blendv": 1, "-cc": 1, "-clamp": 1, "-texres": 1, "-bm": 1, "-boost": 1, "-imfchan": 1}
"""Options of map_Kd that stand before the file's name, and how many words each takes; -mm, -o, -s, -t below."""


@dataclass(frozen=True, eq=False)
class _Statements:
    """The file's lines by kind. `faces` holds each face's words; `seen` how many v and vt lines came before each."""

    vertices: list[bytes] = field(default_factory=list)
    uvs: list[bytes] = field(default_factory=list)
    faces: list[bytes] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)
    materials: list[tuple[int, str]] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)


def read_obj(path: Path) -> RawMesh:
    """Reads an OBJ mesh. If some faces lack texture coordinates, all are ignored, with a note.

    Raises MeshError: a face or number that makes no sense.
    """
    statements = _sort_lines(path.read_bytes())
    vertices, colours = _vertices(path, statements.vertices)
    sizes, corners, uv_corners = _faces(path, statements)
    fans = cut_polygons(sizes)
    faces = corners[fans.corners]
    notes = fans.notes
    without = int((uv_corners[fans.corners] == MISSING).any(axis=1).sum())
    if not statements.uvs or without == len(faces):
        return RawMesh(vertices, faces, colours=colours, notes=notes)
    if without:
        note = f"texture coordinates ignored: {without} of {len(faces)} faces have none"
        return RawMesh(vertices, faces, colours=colours, notes=(*notes, note))
    textures, polygon_texture = _textures(path, statements)
    raw = RawMesh(vertices, faces, _uvs(path, statements.uvs), uv_corners[fans.corners], colours, notes=notes)
    if len(textures) < 2:
        return replace(raw, texture=textures[0] if textures else None)
    face_texture = polygon_texture[fans.polygon]
    if without := int((face_texture < 0).sum()):
        note = f"{without} of {len(faces)} faces have a material without a texture: they are grey"
        face_texture = np.where(face_texture < 0, len(textures), face_texture)
        return replace(raw, textures=(*textures, UNTEXTURED), face_texture=face_texture, notes=(*notes, note))
    return replace(raw, textures=tuple(textures), face_texture=face_texture)


MISSING = np.iinfo(np.int64).min
"""A corner without a texture coordinate."""


def _sort_lines(data: bytes) -> _Statements:
    statements = _Statements()
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\\\n", b" ")
    for line in text.split(b"\n"):
        keyword, _, rest = line.strip().replace(b"\t", b" ").partition(b" ")
        if b"#" in rest and keyword not in (b"usemtl", b"mtllib"):
            rest = rest.split(b"#", 1)[0]
        if keyword == b"v":
            statements.vertices.append(rest)
        elif keyword == b"vt":
            statements.uvs.append(rest)
        elif keyword == b"f":
            statements.faces.append(rest)
            statements.seen.append((len(statements.vertices), len(statements.uvs)))
        elif keyword == b"usemtl":
            statements.materials.append((len(statements.faces), rest.decode("utf-8", "replace").strip()))
        elif keyword == b"mtllib":
            statements.libraries.append(rest.decode("utf-8", "replace").strip())
    return statements


def _vertices(path: Path, lines: list[bytes]) -> tuple[Float64[np.ndarray, "n 3"], Float32[np.ndarray, "n 3"] | None]:
    """Positions, and colours if every vertex line has the same 6 or 7 numbers (x y z r g b, perhaps alpha)."""
    words = [line.split() for line in lines]
    width = len(words[0]) if words else 3
    if any(len(line) < 3 for line in words):
        raise MeshError(f"{path}: a vertex needs 3 coordinates")
    coloured = width in (6, 7) and all(len(line) == width for line in words)
    width = 6 if coloured else 3
    table = numbers(path, (word for line in words for word in line[:width]), "vertex lines").reshape(-1, width)
    return table[:, :3].copy(), unit_colours(table[:, 3:]) if coloured else None


def _uvs(path: Path, lines: list[bytes]) -> Float64[np.ndarray, "m 2"]:
    words = [line.split() for line in lines]
    if any(len(line) < 2 for line in words):
        raise MeshError(f"{path}: a texture coordinate needs 2 numbers")
    return flip_v(numbers(path, (word for line in words for word in line[:2]), "texture coordinates").reshape(-1, 2))


def _faces(
    path: Path, statements: _Statements
) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Corner counts, then every corner's vertex and uv index from 0 (uv MISSING where there is none)."""
    words = [line.split() for line in statements.faces]
    sizes = np.array([len(line) for line in words], np.int64)
    corners = [word.split(b"/") for line in words for word in line]
    vertex = integers(path, numbers(path, (corner[0] for corner in corners), "face lines"), "face indices")
    has_uv = np.array([len(corner) > 1 and corner[1] != b"" for corner in corners], bool)
    uv = np.full(len(corners), MISSING)
    named = (corner[1] for corner, has in zip(corners, has_uv) if has)
    uv[has_uv] = integers(path, numbers(path, named, "face lines"), "texture coordinate indices")
    seen = np.repeat(np.array(statements.seen, np.int64).reshape(-1, 2), sizes, axis=0)
    if (vertex == 0).any() or (uv[has_uv] == 0).any():
        raise MeshError(f"{path}: a face with an index out of range: OBJ counts from 1, and a face names 0")
    # A negative index counts back from the lines read so far: -1 is the latest one.
    vertex = np.where(vertex < 0, np.where(-vertex > seen[:, 0], -1, vertex + seen[:, 0]), vertex - 1)
    back = has_uv & (uv < 0)
    uv = np.where(back, np.where(-uv > seen[:, 1], -1, uv + seen[:, 1]), np.where(has_uv, uv - 1, MISSING))
    return sizes, vertex, uv


def _textures(path: Path, statements: _Statements) -> tuple[list[Path], Int64[np.ndarray, " p"]]:
    """The texture files of the materials that faces use, by name, and which of them each polygon shows; -1 for none."""
    maps: dict[str, Path] = {}
    for library in statements.libraries:
        maps.update(_read_library(path.parent / library))
    starts = [start for start, _ in statements.materials]
    ends = [*starts[1:], len(statements.faces)]
    runs = [(start, end, maps.get(name)) for (start, name), end in zip(statements.materials, ends) if end > start]
    textures = sorted({texture for _, _, texture in runs if texture is not None})
    shown = np.full(len(statements.faces), -1, dtype=np.int64)
    for start, end, texture in runs:
        shown[start:end] = -1 if texture is None else textures.index(texture)
    return textures, shown


def _read_library(path: Path) -> dict[str, Path]:
    """Each material's colour texture. A library that is not there holds none."""
    try:
        text = path.read_text("utf-8", "replace")
    except (OSError, ValueError):
        return {}
    maps: dict[str, Path] = {}
    material = ""
    for line in text.splitlines():
        keyword, _, rest = line.strip().partition(" ")
        if keyword == "newmtl":
            material = rest.strip()
        elif keyword.lower() == "map_kd" and (name := _without_options(rest)):
            maps[material] = path.parent / name.replace("\\", "/")
    return maps


def _without_options(rest: str) -> str:
    """A file name, which may hold spaces, after map options such as `-s 1 1 1`."""
    words = rest.split()
    while words and words[0].startswith("-"):
        option = words.pop(0)
        numeric = 3 if option in ("-o", "-s", "-t") else 2 if option == "-mm" else 0
        taken = MAP_OPTIONS.get(option, 0)
        while words and (taken > 0 or (numeric > 0 and _is_number(words[0]))):
            words.pop(0)
            taken, numeric = taken - 1, numeric - 1
    name = " ".join(words)
    return rest.strip() if rest.strip().endswith(name) and not rest.strip().startswith("-") else name


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
