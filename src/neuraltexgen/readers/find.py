"""What a user may say, and finding the files of a capture: photos, meshes, texts."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neuraltexgen.errors import ReaderError
from neuraltexgen.meshes import is_mesh_file, read_mesh
from neuraltexgen.scene import Mesh

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".tif", ".tiff", ".webp", ".exr")
MESH_SUFFIXES = (".ply", ".obj", ".off", ".glb", ".gltf")


@dataclass(frozen=True)
class ReadOptions:
    """What a user may say beside the capture's path.

    `mesh`, `images`, `masks` replace what the capture has. `missing`: a view without a usable photo or pose is left
    out, or stops the run. `format` is a reader's name, or "auto".
    """

    mesh: Path | None = None
    images: Path | None = None
    masks: Path | None = None
    missing: Literal["skip", "error"] = "skip"
    format: str = "auto"


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


def numbers_in(text: str) -> list[float]:
    """All numbers between spaces or commas, NaN and infinities too. Raises ReaderError at the first other word."""
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise ReaderError(f"expected numbers: {error}") from error
