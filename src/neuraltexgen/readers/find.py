"""What a user may say, and finding the files of a capture: photos, meshes, texts."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.meshes import is_mesh_file, read_mesh
from neuraltexgen.scene import Mesh

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".tif", ".tiff", ".webp", ".exr")
MESH_SUFFIXES = (".ply", ".obj", ".off", ".glb", ".gltf")


@dataclass(frozen=True)
class ReadOptions:
    """What a user may say beside the capture's path.

    `mesh`, `images`, `masks` replace what the capture has. `missing`: a view without a usable photo or pose is left
    out, or stops the run. `format` is a reader's name, or "auto". `extract` is where photos that lie inside one large
    file are written to as files; a folder beside that file if None.
    """

    mesh: Path | None = None
    images: Path | None = None
    masks: Path | None = None
    missing: Literal["skip", "error"] = "skip"
    format: str = "auto"
    extract: Path | None = None


def find_mesh(
    reader: str, root: Path, patterns: Sequence[str], options: ReadOptions
) -> tuple[Mesh | None, tuple[str, ...]]:
    """The mesh the user named, else the first that a pattern finds under `root`, else the first other mesh file there.

    Point clouds are passed over. Also says which file was taken where there were several, and what was repaired in it.
    Raises ReaderError if the named file is missing; MeshError if the file is broken.
    """
    if options.mesh is not None:
        if not is_file(options.mesh):
            raise ReaderError(f"{reader}: no mesh at {options.mesh}", fix="--mesh M with an existing file")
        chosen, others = options.mesh, []
    else:
        generic = [f"mesh{suffix}" for suffix in MESH_SUFFIXES] + [f"*{suffix}" for suffix in MESH_SUFFIXES]
        found = [path for pattern in (*patterns, *generic) for path in sorted(root.glob(pattern))]
        candidates = [path for path in dict.fromkeys(found) if is_mesh_file(path)]
        if not candidates:
            return None, ()
        chosen, others = candidates[0], candidates[1:]
    loaded = read_mesh(chosen)
    notes = [f"mesh: {note}" for note in loaded.notes]
    if others:
        notes.insert(0, f"{len(others) + 1} meshes found, '{chosen.name}' taken (choose another with --mesh)")
    return loaded.mesh, tuple(notes)


def find_photo(folders: Sequence[Path], name: str) -> Path:
    """Where a photo is: `folder/name`, else `folder/` its last part, each also with a usual suffix added.

    The first of these places if it is in none.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    places = [folder / part for part in dict.fromkeys((name, last)) for folder in folders]
    candidates = (*places, *(with_suffix_of(place) for place in places))
    return next((candidate for candidate in candidates if is_file(candidate)), places[0])


def with_suffix_of(stem: Path) -> Path:
    """The photo `stem` plus whichever usual suffix exists; `stem` with .jpg if none does."""
    for suffix in PHOTO_SUFFIXES:
        if is_file(candidate := stem.parent / (stem.name + suffix)):
            return candidate
    return stem.parent / (stem.name + PHOTO_SUFFIXES[0])


def is_file(path: Path) -> bool:
    """As `Path.is_file`, and False for names that no file system takes (too long, with a NUL)."""
    return os.path.isfile(path)


def read_text(path: Path) -> str:
    """A text file, UTF-8 with or without a byte order mark; odd bytes become U+FFFD. Raises ReaderError."""
    try:
        return path.read_bytes().decode("utf-8-sig", "replace")
    except (OSError, ValueError) as error:
        raise ReaderError(f"{path}: no such file, or it can't be read") from error


def head(path: Path, size: int = 4096) -> str:
    """The first bytes of a file as text, to tell formats apart; "" if it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(size).decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return ""


def files_like(path: Path, patterns: Sequence[str], marks: Sequence[str] = (), size: int = 4096) -> list[Path]:
    """`path` itself if it is a file, else the files under it that a pattern finds; only those whose first `size`
    bytes hold all `marks`, in any case of letters."""
    if path.is_dir():
        found = [file for pattern in patterns for file in sorted(path.glob(pattern)) if is_file(file)]
    else:
        found = [path] if any(path.match(pattern.rsplit("/", 1)[-1]) for pattern in patterns) else []
    wanted = [mark.lower() for mark in marks]
    return [f for f in dict.fromkeys(found) if all(mark in head(f, size).lower() for mark in wanted)]


def read_json(reader: str, file: Path) -> Any:
    """A file's JSON. Raises ReaderError: missing, or no JSON."""
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise ReaderError(f"{reader}: {file} is not JSON ({error})", fix="it may be cut off: copy it again") from error


def read_xml(reader: str, file: Path) -> ElementTree.Element:
    """A file's root element. Raises ReaderError: missing, no XML, or it declares entities, which no capture needs."""
    text = read_text(file)
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise ReaderError(f"{reader}: {file} declares entities, which {reader} never does")
    try:
        # Its declaration may name an encoding that the text, already decoded, no longer has.
        return ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except (ElementTree.ParseError, ValueError) as error:
        raise ReaderError(f"{reader}: {file} is not XML ({error})", fix="it may be cut off: export it again") from error


def floats(value: Any, count: int, what: str) -> Float64[np.ndarray, " k"]:
    """`count` numbers from JSON: a number, lists of them, strings that hold them. Raises ReaderError: anything else."""
    if value is None:
        raise ReaderError(f"'{what}' is not stated")
    try:
        result = np.array(value, np.float64).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise ReaderError(f"'{what}' is not made of numbers: {value!r}"[:200]) from error
    if result.size != count:
        raise ReaderError(f"'{what}' holds {result.size} numbers, not {count}")
    return result


def pixel_size(width: float, height: float) -> tuple[int, int]:
    """A photo's (width, height) as whole numbers. Raises ReaderError: not positive, not finite, absurdly large."""
    if not (1 <= width < 2**31 and 1 <= height < 2**31):
        raise ReaderError(f"the photo's size is stated as {width:g}x{height:g}")
    return int(width), int(height)


def natural(name: str) -> tuple[list[int], str]:
    """A sorting key that puts 2 before 10."""
    return [int(digits) for digits in re.findall(r"\d{1,18}", name)], name


def numbers_in(text: str) -> list[float]:
    """All numbers between spaces or commas, NaN and infinities too. Raises ReaderError at the first other word."""
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise ReaderError(f"expected numbers: {error}") from error
