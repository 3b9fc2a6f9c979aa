"""The container inside PLY: a text header that declares tables, then their rows as text or as packed binary."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped

from neuraltexgen.errors import MeshError
from neuraltexgen.meshes.raw import numbers

TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
LARGEST_HEADER = 1 << 16


@dataclass(frozen=True)
class Property:
    """A column; with `count` it is a list column: each row starts with its own length, of that type."""

    name: str
    kind: str
    count: str | None = None


@dataclass(frozen=True)
class Element:
    """A table that the header declares."""

    name: str
    rows: int
    properties: tuple[Property, ...]


@dataclass(frozen=True)
class Header:
    """`order` is '<', '>' or '' for text; `start` is where the first row begins; `textures` are named in comments."""

    order: str
    elements: tuple[Element, ...]
    textures: tuple[str, ...]
    start: int


@dataclass(frozen=True, eq=False)
class Table:
    """The rows read: plain columns by name, list columns as (length of each row, all values one after the other)."""

    columns: dict[str, Shaped[np.ndarray, " n"]]
    lists: dict[str, tuple[Int64[np.ndarray, " n"], Shaped[np.ndarray, " k"]]]


def read_header(path: Path, data: bytes) -> Header:
    """Parses the header. Raises MeshError: not PLY, unknown format, type or declaration."""
    end = data.find(b"end_header", 0, LARGEST_HEADER)
    newline = data.find(b"\n", end) if end >= 0 else -1
    if not data.startswith(b"ply") or newline < 0:
        raise MeshError(f"{path}: not a PLY file, or its header is cut off")
    order, elements, textures = None, [], []
    for line in data[:end].decode("utf-8", "replace").splitlines()[1:]:
        match line.split():
            case ["format", kind, "1.0"] if kind in FORMATS:
                order = FORMATS[kind]
            case ["comment", "TextureFile", *_]:
                textures.append(line.split("TextureFile", 1)[1].strip())
            case ["element", name, count] if count.isdecimal() and len(count) < 16:
                elements.append(Element(name, int(count), ()))
            case ["property", *words] if elements:
                last = elements.pop()
                elements.append(Element(last.name, last.rows, (*last.properties, _property(path, words))))
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise MeshError(f"{path}: the PLY header has a line that makes no sense: {line.strip()[:80]!r}")
    if order is None:
        raise MeshError(f"{path}: the PLY header names no format")
    return Header(order, tuple(elements), tuple(textures), newline + 1)


def read_tables(path: Path, data: bytes, header: Header) -> dict[str, Table]:
    """The rows of every table up to the later of vertex and face. Raises MeshError: cut off, or no numbers."""
    body, text = data[header.start :], header.order == ""
    if text:
        # As float64 throughout, text rows have the same shape as packed binary ones: one code path reads both.
        body = numbers(path, body.split(), "rows").tobytes()
    tables, at = {}, 0
    last = max((i for i, element in enumerate(header.elements) if element.name in ("vertex", "face")), default=-1)
    for element in header.elements[: last + 1]:
        kinds = tuple(_packed(p, header.order) for p in element.properties)
        rows = _Rows(path, element, kinds, body, at)
        table, at = rows.even() or rows.uneven()
        tables[element.name] = _declared_types(element, table) if text else table
    return tables


@dataclass(frozen=True)
class _Rows:
    """One element's rows, packed in `body` from byte `at` on; `kinds` are its properties as they are packed there."""

    path: Path
    element: Element
    kinds: tuple[Property, ...]
    body: bytes
    at: int

    def even(self) -> tuple[Table, int] | None:
        """All rows at once, if every row's lists are as long as the first row's. None if they aren't."""
        if self.element.rows == 0 or not self.kinds:
            empty = {p.name: (np.zeros(0, np.int64), np.zeros(0, p.kind)) for p in self.kinds if p.count}
            return Table({p.name: np.zeros(0, p.kind) for p in self.kinds if not p.count}, empty), self.at
        self._check_room()
        _, lengths = self._walk(self.at)
        fields: list[tuple] = []
        for i, (p, length) in enumerate(zip(self.kinds, lengths)):
            fields += [(f"count{i}", p.count), (f"value{i}", p.kind, (length,))] if p.count else [(f"value{i}", p.kind)]
        row = np.dtype(fields)
        if self.at + self.element.rows * row.itemsize > len(self.body):
            return None
        rows = np.frombuffer(self.body, row, self.element.rows, self.at)
        if any(p.count and (rows[f"count{i}"] != lengths[i]).any() for i, p in enumerate(self.kinds)):
            return None
        columns = {p.name: rows[f"value{i}"] for i, p in enumerate(self.kinds) if not p.count}
        lists = {
            p.name: (np.full(len(rows), lengths[i], np.int64), rows[f"value{i}"].reshape(-1))
            for i, p in enumerate(self.kinds)
            if p.count
        }
        return Table(columns, lists), self.at + self.element.rows * row.itemsize

    def uneven(self) -> tuple[Table, int]:
        """Row by row, for lists of several lengths."""
        values: list[list[bytes]] = [[] for _ in self.kinds]
        sizes: list[list[int]] = [[] for _ in self.kinds]
        at = self.at
        for _ in range(self.element.rows):
            spans, lengths = self._walk(at)
            for i, (start, end) in enumerate(spans):
                values[i].append(self.body[start:end])
                sizes[i].append(lengths[i])
            at = spans[-1][1]
        flat = [np.frombuffer(b"".join(parts), p.kind) for p, parts in zip(self.kinds, values)]
        columns = {p.name: flat[i] for i, p in enumerate(self.kinds) if not p.count}
        lists = {p.name: (np.array(sizes[i], np.int64), flat[i]) for i, p in enumerate(self.kinds) if p.count}
        return Table(columns, lists), at

    def _walk(self, at: int) -> tuple[list[tuple[int, int]], list[int]]:
        """Where each property's values lie in the row that starts at `at`, and how many there are."""
        spans, lengths = [], []
        for p in self.kinds:
            length = 1
            if p.count:
                (stated,) = np.frombuffer(self._bytes(at, at + np.dtype(p.count).itemsize), p.count).tolist()
                if not 0 <= stated < 2**31 or stated != int(stated):
                    raise MeshError(
                        f"{self.path}: a row of element {self.element.name} holds a list of length {stated}"
                    )
                at, length = at + np.dtype(p.count).itemsize, int(stated)
            end = at + length * np.dtype(p.kind).itemsize
            self._bytes(at, end)
            spans.append((at, end))
            lengths.append(length)
            at = end
        return spans, lengths

    def _bytes(self, start: int, end: int) -> bytes:
        if end > len(self.body):
            raise self._cut_off()
        return self.body[start:end]

    def _check_room(self) -> None:
        smallest = sum(np.dtype(p.count or p.kind).itemsize for p in self.kinds)
        if self.element.rows * smallest > len(self.body) - self.at:
            raise self._cut_off()

    def _cut_off(self) -> MeshError:
        return MeshError(
            f"{self.path}: the file ends before the {self.element.rows} rows of element {self.element.name} do",
            fix="the file is cut off: copy or export it again",
        )


def _packed(p: Property, order: str) -> Property:
    if order == "":
        return Property(p.name, "f8", p.count and "f8")
    return Property(p.name, order + p.kind, p.count and order + p.count)


def _declared_types(element: Element, table: Table) -> Table:
    """Plain integer columns of a text file in the type that the header declares, so that 0..255 colours are known."""
    kinds = {p.name: np.dtype(p.kind) for p in element.properties}
    columns = dict(table.columns)
    for name, column in columns.items():
        if kinds[name].kind in "iu":
            limits = np.iinfo(kinds[name])
            columns[name] = np.clip(np.nan_to_num(column), limits.min, limits.max).astype(kinds[name])
    return Table(columns, table.lists)


def _property(path: Path, words: list[str]) -> Property:
    match words:
        case ["list", count, kind, name] if count in TYPES and kind in TYPES:
            return Property(name, TYPES[kind], TYPES[count])
        case [kind, name] if kind in TYPES:
            return Property(name, TYPES[kind])
    raise MeshError(f"{path}: the PLY header has a property that makes no sense: {' '.join(words)[:80]!r}")
