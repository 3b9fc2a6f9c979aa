"""VisualSFM's `.nvm` (NVM_V3).

A line per photo: name, focal length, quaternion w x y z (world to camera, OpenCV axes), camera centre, radial term r,
0. r undoes the distortion: in units of the focal length, a distorted point m lies at m (1 + r |m|^2) without it. No
COLMAP model is that, but FULL_OPENCV's fraction meets the inverse, a series in r u^2, to within 1e-7 for |r u^2| < 0.05
and 1e-4 for 0.1.
Sources: VisualSFM's documentation, http://ccwu.me/vsfm/doc.html#nvm, and COLMAP's exporter.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.images import photo_size
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, files_like, find_mesh, find_photo, is_file, numbers_in, read_text
from neuraltexgen.readers.lenses import Lens
from neuraltexgen.readers.poses import Repairs, cam_from_world, pose_from_quaternion
from neuraltexgen.scene import Scene

FILES = ("*.nvm",)
MARK = "NVM_V3"
PER_CAMERA = 10
ABOVE, BELOW = (113 / 13, 243 / 13, 85 / 13), (126 / 13, 330 / 13, 193 / 13)
"""The [3/3] Pade approximant, in z = r u^2, of the factor s(z) with s + z s^3 = 1."""


LARGEST = 10.0
"""Of the radial term, in units of the focal length."""


@dataclass(frozen=True)
class _Fixed:
    """The calibration that the first line may state for all photos: fx, cx, fy, cy."""

    fx: float
    cx: float
    fy: float
    cy: float


def detect(path: Path) -> bool:
    """Whether `path` is an NVM file, or a folder with one."""
    return bool(files_like(path, FILES, (MARK,), size=64))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the first model of the first file. Raises ReaderError: cut off, a broken line, no view remains."""
    files = files_like(path, FILES)
    if not files:
        raise ReaderError(f"nvm: no .nvm file in {path}")
    file = files[0]
    fixed, rows = _rows(file)
    folders = [options.images] if options.images is not None else [file.parent, file.parent / "images"]
    repairs = Repairs()
    drafts = [_draft(row, fixed, folders, repairs) for row in rows]
    mesh = find_mesh("nvm", file.parent, (), options)
    return make_scene("nvm", file.parent, drafts, options, mesh, repairs)


def _rows(file: Path) -> tuple[_Fixed | None, list[str]]:
    """The calibration for all, and the lines of the first model's photos."""
    lines = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    first = lines[0].split() if lines else []
    if not first or first[0] != MARK:
        raise ReaderError(f"nvm: {file} does not begin with {MARK}")
    fixed = None
    if len(first) >= 6 and first[1].startswith("FixedK"):
        fixed = _Fixed(*numbers_in(" ".join(first[2:6])))
    count = numbers_in(lines[1])[0] if len(lines) > 1 else -1
    if not 0 <= count < 1e9 or len(lines) < 2 + int(count):
        raise ReaderError(f"nvm: {file} is cut off: {len(lines) - 2} lines for {count:g} photos", fix="copy it again")
    return fixed, lines[2 : 2 + int(count)]


def _draft(row: str, fixed: _Fixed | None, folders: list[Path], repairs: Repairs) -> Draft:
    words = row.split()
    # VisualSFM writes a name's spaces as quotation marks.
    name = " ".join(words[:-PER_CAMERA]).replace('"', " ").replace("\\", "/") or "unnamed"
    photo = find_photo(folders, name)
    if not is_file(photo):
        return Draft(name, photo)
    try:
        values = numbers_in(" ".join(words[-PER_CAMERA:]))
        if len(values) != PER_CAMERA:
            raise ReaderError(f"its line holds {len(values)} numbers, not {PER_CAMERA}")
        focal, w, x, y, z, *centre, radial, _ = values
        pose = pose_from_quaternion((w, x, y, z), (0.0, 0.0, 0.0))
        with np.errstate(invalid="ignore", over="ignore"):  # a lost pose, sorted out next
            pose[:3, 3] = -pose[:3, :3] @ np.array(centre)
        pose = cam_from_world(pose, repairs, camera_to_world=False)
        lens = _lens(focal, radial, fixed, photo_size(photo))
    except (ImageError, ReaderError) as error:
        return Draft(name, photo, problem=error.message)
    return Draft(name, photo, lens.model, lens.params, lens.size, pose)


def _lens(focal: float, radial: float, fixed: _Fixed | None, size: tuple[int, int]) -> Lens:
    """One focal length and the photo's middle, or the calibration for all."""
    whole = fixed or _Fixed(focal, size[0] / 2, focal, size[1] / 2)
    pinhole = (whole.fx, whole.fy, whole.cx, whole.cy)
    if radial == 0:
        return Lens("PINHOLE", pinhole, size)
    if not abs(radial) < LARGEST:
        raise ReaderError(f"its radial distortion is {radial:g}: beyond {LARGEST:g} no lens is like that")
    k1, k2, k3 = (c * radial ** (i + 1) for i, c in enumerate(ABOVE))
    k4, k5, k6 = (c * radial ** (i + 1) for i, c in enumerate(BELOW))
    return Lens("FULL_OPENCV", (*pinhole, k1, k2, 0.0, 0.0, k3, k4, k5, k6), size)
