"""NeuralTexGen's prepared form: `images/ID.jpg` with `uvs/ID.exr`, the input of its training step."""

from pathlib import Path

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.find import PHOTO_SUFFIXES, natural
from neuraltexgen.scene import PreparedView


def read_prepared(path: Path) -> tuple[PreparedView, ...]:
    """Photos and UV maps paired by the name before the suffix, in the order of the numbers in it.

    Raises ReaderError: a folder is missing or empty, or a photo or UV map has no partner (counted; none is dropped
    silently).
    """
    photos = {file.stem: file for file in _files(path, "images", PHOTO_SUFFIXES)}
    uv_maps = {file.stem: file for file in _files(path, "uvs", (".exr",))}
    both = photos.keys() & uv_maps.keys()
    alone = sorted((photos.keys() | uv_maps.keys()) - both, key=natural)
    if alone:
        kind = "UV map" if alone[0] in photos else "photo"
        raise ReaderError(
            f"prepared: '{alone[0]}' has no {kind} in {path} ({len(alone)} of {len(photos.keys() | uv_maps.keys())} "
            "ids have no partner)",
            fix="make UV maps for all photos (neuraltexgen uvmap), or take the photos without one away",
        )
    return tuple(PreparedView(name, photos[name], uv_maps[name]) for name in sorted(both, key=natural))


def _files(path: Path, folder: str, suffixes: tuple[str, ...]) -> list[Path]:
    if not (path / folder).is_dir():
        raise ReaderError(f"prepared: no folder '{folder}' in {path}", fix="it needs images/ID.jpg and uvs/ID.exr")
    files = sorted(file for file in (path / folder).iterdir() if file.suffix.lower() in suffixes)
    if not files:
        raise ReaderError(f"prepared: {path / folder} holds no {suffixes[0]} files")
    return files
