"""OFF and its variants: [ST][C][N]OFF text files, as NeuralTexGen, MeshLab and CGAL write them.

The format: Geomview's manual, http://www.geomview.org/docs/html/OFF.html. NeuralTexGen's STOFF files have v up.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from neuraltexgen.errors import MeshError
from neuraltexgen.meshes.raw import RawMesh, cut_polygons, flip_v, integers, numbers, unit_colours

HEADER = re.compile(rb"(ST)?(C)?(N)?(4)?(n)?OFF", re.ASCII)


@dataclass(frozen=True)
class _Layout:
    """Which numbers a vertex line holds: x y z, then normal, colour (3 or 4 numbers) and uv where there are any."""

    normal: bool
    colour: int
    uv: bool

    @property
    def width(self) -> int:
        return 3 + 3 * self.normal + self.colour + 2 * self.uv


def read_off(path: Path) -> RawMesh:
    """Vertices, polygons, uvs (ST) and vertex colours (C) of a text OFF file. Normals and face colours are left aside.

    Raises MeshError: another header, binary or 4-dimensional OFF, fewer lines than the counts line says, no numbers.
    """
    lines = _lines(path)
    variant, counts, lines = _header(path, lines)
    vertex_count, face_count = int(counts[0]), int(counts[1])
    if vertex_count < 0 or face_count < 0 or vertex_count + face_count > len(lines):
        raise MeshError(
            f"{path}: it promises {vertex_count} vertices and {face_count} faces, but {len(lines)} lines follow",
            fix="the file is cut off or its counts line is wrong: export it again",
        )
    vertex_lines, face_lines = lines[:vertex_count], lines[vertex_count : vertex_count + face_count]
    layout = _layout(path, variant, len(vertex_lines[0].split()) if vertex_lines else 3)
    table = numbers(path, b" ".join(vertex_lines).split(), "vertex lines")
    if table.size != vertex_count * layout.width:
        raise MeshError(f"{path}: the vertex lines don't all hold {layout.width} numbers")
    table = table.reshape(vertex_count, layout.width)
    sizes, corners = _polygons(path, face_lines)
    fans = cut_polygons(sizes)
    faces = corners[fans.corners]
    colour_at = 3 + 3 * layout.normal
    return RawMesh(
        vertices=table[:, :3].copy(),
        faces=faces,
        uvs=flip_v(table[:, -2:]) if layout.uv else None,
        uv_faces=faces if layout.uv else None,
        colours=unit_colours(table[:, colour_at : colour_at + 3]) if layout.colour else None,
        notes=fans.notes,
    )


def _lines(path: Path) -> list[bytes]:
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if b"#" in data:
        lines = [line.split(b"#", 1)[0] for line in lines]
    return [line for line in lines if line and not line.isspace()]


def _header(path: Path, lines: list[bytes]) -> tuple[re.Match[bytes], Int64[np.ndarray, " k"], list[bytes]]:
    """The parsed variant word, the counts, and the lines that follow. The counts may share the variant's line."""
    words = lines[0].split() if lines else []
    variant = HEADER.fullmatch(words[0]) if words else None
    if variant is None or words[1:2] == [b"BINARY"]:
        raise MeshError(f"{path}: not a text OFF file (its first line must be OFF, COFF, NOFF, STOFF or STCOFF)")
    if variant[4] or variant[5]:
        raise MeshError(f"{path}: {words[0].decode()} files hold points of other than 3 dimensions")
    count_words, rest = (words[1:], lines[1:]) if len(words) > 1 else (b"".join(lines[1:2]).split(), lines[2:])
    if len(count_words) < 2:
        raise MeshError(f"{path}: the counts line (vertices, faces, edges) is missing")
    return variant, integers(path, numbers(path, count_words[:2], "counts"), "counts"), rest


def _layout(path: Path, variant: re.Match[bytes], width: int) -> _Layout:
    plain = _Layout(bool(variant[3]), 0, bool(variant[1]))
    colour = width - plain.width if variant[2] else 0
    layout = _Layout(plain.normal, colour, plain.uv)
    if colour not in ((3, 4) if variant[2] else (0,)) or layout.width != width:
        raise MeshError(f"{path}: a vertex line holds {width} numbers, which {variant[0].decode()} does not allow")
    return layout


def _polygons(path: Path, lines: list[bytes]) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " k"]]:
    """Corner counts, and all corners one after the other; what follows them on a line is a face colour."""
    if not lines:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    words = [line.split() for line in lines]
    sizes = integers(path, numbers(path, (line[0] for line in words), "face lines"), "corner counts")
    if any(size < 0 or size >= len(line) for size, line in zip(sizes.tolist(), words)):
        raise MeshError(f"{path}: a face line holds fewer corners than it promises")
    tokens = (word for size, line in zip(sizes.tolist(), words) for word in line[1 : 1 + size])
    return sizes, integers(path, numbers(path, tokens, "face lines"), "face indices")
