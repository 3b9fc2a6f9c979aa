"""Captures from disk: one format per file, and the table of them with detection."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import colmap, frames, neuraltexgen, transforms
from neuraltexgen.readers.find import ReadOptions
from neuraltexgen.readers.prepared import read_prepared
from neuraltexgen.scene import Scene

__all__ = ["READERS", "ReadOptions", "Reader", "detect", "read_capture", "read_prepared"]


@dataclass(frozen=True)
class Reader:
    """A capture format: how to tell it and how to read it. `description` says what is looked for."""

    name: str
    description: str
    detect: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Scene]


def read_capture(path: Path, options: ReadOptions = ReadOptions()) -> Scene:  # noqa: B008  (it is frozen)
    """Reads a capture: a folder, or the file that defines it (`transforms.json`, an id list).

    The mesh is None if there is none. Views that can't be used are in `left_out`, what was repaired or assumed is in
    `notes`. Raises ReaderError: nothing there, no known format, no view remains, or with `missing="error"` any view
    that can't be used. Raises MeshError or ImageError for a broken mesh.
    """
    named = [reader for reader in READERS if reader.name == options.format]
    if not named and options.format != "auto":
        names = ", ".join(reader.name for reader in READERS)
        raise ReaderError(f"unknown capture format '{options.format}'", fix=f"--format auto or one of {names}")
    matching = named or _matching(path)
    scene = matching[0].read(path, options)
    if len(matching) == 1:
        return scene
    others = ", ".join(reader.name for reader in matching[1:])
    return replace(scene, notes=(f"read as {scene.format}; it could also be {others} (--format)", *scene.notes))


def detect(path: Path) -> str:
    """The name of the first reader that knows the capture. Raises ReaderError: nothing there, or no known format."""
    return _matching(path)[0].name


def _matching(path: Path) -> list[Reader]:
    if not path.exists():
        raise ReaderError(f"no capture at {path}: no such file or folder")
    matching = [reader for reader in READERS if reader.detect(path)]
    if not matching:
        looked_for = "; ".join(f"{reader.name}: {reader.description}" for reader in READERS)
        raise ReaderError(
            f"{path} is no capture that can be read. Looked for {looked_for}", fix="--format NAME, see docs"
        )
    return matching


READERS: tuple[Reader, ...] = (
    Reader("transforms", "transforms.json of nerfstudio or instant-ngp", transforms.detect, transforms.read),
    Reader("colmap", "cameras and images (.bin or .txt) at the top, in sparse or sparse/0", colmap.detect, colmap.read),
    Reader("frames", "frame-*.color.jpg, .pose.txt and camera-intrinsics.txt or info.txt", frames.detect, frames.read),
    Reader(
        "neuraltexgen", "camera/ID.txt and color/ID.jpg, or frames/*/camera", neuraltexgen.detect, neuraltexgen.read
    ),
)
