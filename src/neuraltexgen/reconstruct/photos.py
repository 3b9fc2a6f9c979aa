"""A folder of photos, and nothing else: which of them can be used, and which of them share a camera."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow

from neuraltexgen.errors import ImageError, ReaderError, ReconstructError
from neuraltexgen.files import file_sha256
from neuraltexgen.images import photo_size, read_photo
from neuraltexgen.readers import detect
from neuraltexgen.readers.find import PHOTO_SUFFIXES, natural
from neuraltexgen.scene import LeftOut
from neuraltexgen.types import Progress, no_progress

SUFFIXES = frozenset(suffix.lower() for suffix in PHOTO_SUFFIXES)
UNREADABLE = (".heic", ".heif", ".dng", ".cr2", ".cr3", ".nef", ".arw")
"""Photos that no decoder here takes: phones' HEIC, and raw files."""

NOT_PHOTOS = ("mask", "masks", "depth", "depths")
"""Folders whose pictures are none of the scene."""

FEWEST = 2

LENS_TAGS = (0x010F, 0x0110)
"""EXIF: the camera's make and model."""

EXIF_FOLDER, FOCAL_TAGS = 0x8769, (0x920A, 0xA405, 0xA434)
"""EXIF's folder of settings, and there: focal length, the same on 35 mm film, the lens's name."""


@dataclass(frozen=True)
class PhotoFolder:
    """The usable photos of a folder: paths below `root` in natural order, with '/', and each one's SHA-256.

    `cameras` has, for each photo, a number that photos from one camera share: equal size and equal EXIF make, model,
    lens and focal length. `left_out` are the others, with the reason.
    """

    root: Path
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    cameras: tuple[int, ...]
    left_out: tuple[LeftOut, ...]


def holds_only_photos(folder: Path, format: str = "auto") -> bool:
    """Whether a folder has pictures, at any depth, and is no capture that a reader knows; no if a format is named."""
    if format != "auto" or not folder.is_dir() or not any(True for _ in _files(folder)):
        return False
    try:
        detect(folder)
    except ReaderError:
        return True
    return False


def read_photos(folder: Path, progress: Progress = no_progress) -> PhotoFolder:
    """Opens every photo in a folder and below it, hidden folders and those of masks or depth apart.

    Raises ReconstructError: no such folder, or fewer than 2 photos that can be used.
    """
    if not folder.is_dir():
        raise ReconstructError(f"no folder of photos at {folder}")
    found = sorted(_files(folder), key=lambda path: natural(path.relative_to(folder).as_posix()))
    names, hashes, lenses = [], [], []
    left_out = []
    for path in progress(found, "read photos", len(found)):
        name = path.relative_to(folder).as_posix()
        try:
            digest, lens = _examine(path)
        except (ImageError, OSError) as error:
            left_out.append(LeftOut(name, error.message if isinstance(error, ImageError) else str(error)))
            continue
        if digest in hashes:
            left_out.append(LeftOut(name, f"the same file as {names[hashes.index(digest)]}"))
            continue
        names.append(name)
        hashes.append(digest)
        lenses.append(lens)
    if len(names) < FEWEST:
        raise _too_few(folder, names, left_out)
    kinds = list(dict.fromkeys(lenses))
    cameras = tuple(kinds.index(lens) for lens in lenses)
    return PhotoFolder(folder, tuple(names), tuple(hashes), cameras, tuple(left_out))


def _files(folder: Path) -> Iterable[Path]:
    """Picture files at any depth."""
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name.lower() not in NOT_PHOTOS)
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in (*SUFFIXES, *UNREADABLE):
                yield Path(at) / name


def _examine(path: Path) -> tuple[str, tuple[str, ...]]:
    """The photo's hash and what tells its camera. Raises ImageError: it can't be read, to the last pixel."""
    suffix = path.suffix.lower()
    if suffix in UNREADABLE:
        raise ImageError(f"{suffix[1:].upper()} photos can't be read here: export it as JPEG or PNG")
    read_photo(path)
    return file_sha256(path), (*map(str, photo_size(path)), *_exif(path))


def _exif(path: Path) -> list[str]:
    """What the photo's EXIF data say about camera and lens; nothing if there are none, or damaged ones."""
    if path.suffix.lower() == ".exr":
        return []
    try:
        with Pillow.open(path) as image:
            top = image.getexif()
            settings = top.get_ifd(EXIF_FOLDER)
    except (OSError, ValueError, TypeError, KeyError, SyntaxError):
        return []
    return [str(top.get(tag)) for tag in LENS_TAGS] + [str(settings.get(tag)) for tag in FOCAL_TAGS]


def _too_few(folder: Path, names: Sequence[str], left_out: Sequence[LeftOut]) -> ReconstructError:
    reason = f" (the first left out, {left_out[0].name}: {left_out[0].reason})" if left_out else ""
    fix = "at least 2 photos of one scene; 20 to 100 are better"
    if any(Path(view.name).suffix.lower() in UNREADABLE for view in left_out):
        fix = "export the photos as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)"
    return ReconstructError(
        f"{folder} holds {len(names)} usable photos of {len(names) + len(left_out)}, needed are {FEWEST}{reason}",
        fix,
    )
