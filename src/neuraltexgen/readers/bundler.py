"""Bundler's `bundle.out` (v0.3) with its list of images.

World to camera in OpenGL axes; one focal length, two radial terms, the principal point in the photo's middle. A focal
length of 0 means that the photo was not registered. Source: section "Output format" of Bundler's manual, v0.3.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.images import photo_size
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, files_like, find_mesh, find_photo, is_file, numbers_in, read_text
from neuraltexgen.readers.poses import Repairs, cam_from_world, matrix_of
from neuraltexgen.scene import Scene

FILES = ("bundle.out", "bundle/bundle.out", "*.out")
MARK = "# Bundle file v0."
PER_CAMERA = 15


def detect(path: Path) -> bool:
    """Whether `path` is a bundle file, or a folder with one at the top or in `bundle`."""
    return bool(files_like(path, FILES, (MARK,), size=64))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the cameras in the order of the image list. Raises ReaderError: cut off, no image list, no view remains."""
    files = files_like(path, FILES)
    if not files:
        raise ReaderError(f"bundler: no bundle.out in {path}")
    file = files[0]
    root = file.parent.parent if file.parent.name == "bundle" else file.parent
    cameras = _cameras(file)
    names = _names(file, root)
    if len(names) < len(cameras):
        raise ReaderError(f"bundler: {file} has {len(cameras)} cameras but its image list {len(names)} names")
    folders = [options.images] if options.images is not None else [root, root / "images", file.parent]
    repairs = Repairs()
    drafts = [_draft(row, name, find_photo(folders, name), repairs) for row, name in zip(cameras, names, strict=False)]
    return make_scene("bundler", root, drafts, options, find_mesh("bundler", root, (), options), repairs)


def _cameras(file: Path) -> Float64[np.ndarray, "n 15"]:
    """f k1 k2, R row by row, t of each camera."""
    lines = [line for line in read_text(file).splitlines() if line.strip() and not line.startswith("#")]
    counts = numbers_in(lines[0]) if lines else []
    if len(counts) != 2 or not 0 <= counts[0] < 1e9:
        raise ReaderError(f"bundler: {file} does not begin with the numbers of cameras and points")
    count = int(counts[0])
    if len(lines) < 1 + 5 * count:
        raise ReaderError(
            f"bundler: {file} is cut off: {count} cameras take {5 * count} lines, it has {len(lines) - 1}",
            fix="copy it again",
        )
    values = numbers_in(" ".join(lines[1 : 1 + 5 * count]))
    if len(values) != PER_CAMERA * count:
        raise ReaderError(f"bundler: {file} has {len(values)} numbers for {count} cameras, not {PER_CAMERA} each")
    return np.array(values).reshape(count, PER_CAMERA)


def _names(file: Path, root: Path) -> list[str]:
    """The first word of each line of the list: `bundle.list.txt`, COLMAP's `bundle.out.list.txt`, or `list.txt`."""
    stem = file.name.removesuffix(".out")
    named = [f"{stem}.list.txt", f"{file.name}.list.txt", f"{stem}_list.txt", "list.txt", "image_list.txt"]
    places = [folder / name for folder in (file.parent, root) for name in named]
    found = next((place for place in places if is_file(place)), None)
    if found is None:
        raise ReaderError(f"bundler: no image list beside {file}", fix="put Bundler's list.txt there")
    return [line.split(maxsplit=1)[0] for line in read_text(found).splitlines() if line.strip()]


def _draft(row: Float64[np.ndarray, "15"], name: str, photo: Path, repairs: Repairs) -> Draft:
    focal, k1, k2 = row[:3].tolist()
    if focal == 0:
        return Draft(name, photo, problem="it was not registered (focal length 0)")
    if not is_file(photo):
        return Draft(name, photo)
    try:
        width, height = photo_size(photo)
        pose = cam_from_world(matrix_of(row[3:12].reshape(3, 3), row[12:]), repairs, camera_to_world=False, gl=True)
    except (ImageError, ReaderError) as error:
        return Draft(name, photo, problem=error.message)
    return Draft(name, photo, "RADIAL", (focal, width / 2, height / 2, k1, k2), (width, height), pose)
