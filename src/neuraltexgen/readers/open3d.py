"""Open3D trajectories: `.log` with an intrinsics file beside it, or `.json` (`PinholeCameraTrajectory`).

A `.log` pose is a line of three whole numbers and a 4x4 camera-to-world matrix; the first number counts the photos from
0. In `.json`, `extrinsic` is world to camera and, as all matrices there, column by column. OpenCV axes. Photos are
those of a folder in the order of their names. The principal point counts from the centre of the top-left pixel, so half
a pixel is added. Depth maps are those of a folder `depth`, in the order of their names where there are as many as
photos, else by name; in millimetres, which is Open3D's default scale. Source: PinholeCameraIntrinsic,
PinholeCameraTrajectoryIO and LogIO, https://github.com/isl-org/Open3D.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import (
    PHOTO_SUFFIXES,
    ReadOptions,
    files_like,
    find_mesh,
    floats,
    head,
    natural,
    numbers_in,
    pixel_size,
    read_json,
    read_text,
)
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, pinhole_of
from neuraltexgen.scene import DepthMap, Scene

LOGS, TRAJECTORIES = ("*.log", "scene/*.log"), ("*.json", "scene/*.json")
FOLDERS = ("color", "image", "images", "rgb")
DEPTHS, DEPTH_SUFFIXES, MILLIMETRE = "depth", (".png", ".pgm", ".npy", ".exr"), 0.001
INTRINSICS = ("camera_intrinsic.json", "*intrinsic*.json")
MARK = '"PinholeCameraTrajectory"'


@dataclass(frozen=True, eq=False)
class _Stated:
    """A pose as stated, which photo it belongs to, and its lens."""

    number: int
    matrix: Float64[np.ndarray, "4 4"]
    lens: Lens


def detect(path: Path) -> bool:
    """Whether `path` is a trajectory, or a folder with one at the top or in `scene`."""
    return bool(_trajectories(path))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the first trajectory. Raises ReaderError: no intrinsics, no photos, a broken file, no view remains."""
    files = _trajectories(path)
    if not files:
        raise ReaderError(f"open3d: no .log or .json trajectory in {path}")
    notes = [f"{len(files)} trajectories found, '{files[0].name}' taken"] if len(files) > 1 else []
    file = files[0]
    is_log = file.suffix.lower() == ".log"
    root = file.parent.parent if file.parent.name == "scene" else file.parent
    photos = _photos(root, options)
    depths = _depths(root, photos)
    repairs = Repairs()
    drafts = []
    for stated in _log(file, root) if is_log else _json(file):
        if not 0 <= stated.number < len(photos):
            name = f"pose {stated.number}"
            drafts.append(Draft(name, root, problem=f"it belongs to photo {stated.number} of {len(photos)}"))
            continue
        photo, lens = photos[stated.number], stated.lens
        try:
            pose = cam_from_world(stated.matrix, repairs, camera_to_world=is_log)
            depth = depths.get(photo)
            drafts.append(Draft(photo.name, photo, lens.model, lens.params, lens.size, pose, depth=depth))
        except ReaderError as error:
            drafts.append(Draft(photo.name, photo, problem=error.message))
    return make_scene(
        "open3d", root, drafts, options, find_mesh("open3d", root, ("scene/*.ply",), options), repairs, notes
    )


def _trajectories(path: Path) -> list[Path]:
    logs = [file for file in files_like(path, LOGS) if _is_log(file)]
    return [*logs, *files_like(path, TRAJECTORIES, (MARK,), size=1 << 20)]


def _is_log(file: Path) -> bool:
    """Whether the first lines are three whole numbers and four rows of four numbers."""
    lines = head(file, 2048).splitlines()
    try:
        shape = [len([float(word) for word in line.split()]) for line in lines[:5]]
        return shape == [3, 4, 4, 4, 4] and all(float(word).is_integer() for word in lines[0].split())
    except (ValueError, IndexError):
        return False


def _photos(root: Path, options: ReadOptions) -> list[Path]:
    """The photos of the folder given or of the first usual one, 2 before 10."""
    folders = [options.images] if options.images is not None else [root / name for name in FOLDERS]
    for folder in folders:
        if folder.is_dir():
            found = [file for file in folder.iterdir() if file.suffix in PHOTO_SUFFIXES]
            return sorted(found, key=lambda file: natural(file.name))
    raise ReaderError(f"open3d: no folder {', '.join(FOLDERS)} in {root}", fix="--images DIR with the photos in order")


def _depths(root: Path, photos: list[Path]) -> dict[Path, DepthMap]:
    folder = root / DEPTHS
    found = [file for file in folder.iterdir() if file.suffix in DEPTH_SUFFIXES] if folder.is_dir() else []
    if len(found) == len(photos):
        pairs = zip(photos, sorted(found, key=lambda file: natural(file.name)), strict=True)
    else:
        by_name = {file.stem: file for file in found}
        pairs = ((photo, by_name[photo.stem]) for photo in photos if photo.stem in by_name)
    return {photo: DepthMap(file, MILLIMETRE) for photo, file in pairs}


def _log(file: Path, root: Path) -> list[_Stated]:
    found = files_like(root, INTRINSICS, ('"intrinsic_matrix"',))
    if not found:
        raise ReaderError(f"open3d: no intrinsics beside {file}", fix="save camera_intrinsic.json there with Open3D")
    lens = _lens(read_json("open3d", found[0]), found[0].name)
    values = numbers_in(read_text(file))
    if len(values) % 19:
        raise ReaderError(f"open3d: {file} holds {len(values)} numbers, not 19 a pose", fix="copy it again")
    rows = np.array(values).reshape(-1, 19)
    return [_Stated(int(row[0]) if abs(row[0]) < 1e9 else -1, row[3:].reshape(4, 4), lens) for row in rows]


def _json(file: Path) -> list[_Stated]:
    whole = read_json("open3d", file)
    parameters = whole.get("parameters") if isinstance(whole, dict) else None
    if not isinstance(parameters, list):
        raise ReaderError(f"open3d: {file} has no list 'parameters'")
    stated = []
    for i, entry in enumerate(parameters):
        if not isinstance(entry, dict):
            raise ReaderError(f"open3d: {file}: entry {i} of 'parameters' is no object")
        matrix = floats(entry.get("extrinsic"), 16, "extrinsic").reshape(4, 4).T
        stated.append(_Stated(i, matrix, _lens(entry.get("intrinsic"), f"entry {i} of {file.name}")))
    return stated


def _lens(stated: Any, where: str) -> Lens:
    if not isinstance(stated, dict):
        raise ReaderError(f"open3d: {where} states no intrinsics")
    width, height = (float(floats(stated.get(side), 1, side)[0]) for side in ("width", "height"))
    matrix = floats(stated.get("intrinsic_matrix"), 9, "intrinsic_matrix").reshape(3, 3).T
    fx, fy, cx, cy = pinhole_of(matrix)
    return perspective((fx, fy, cx + 0.5, cy + 0.5), pixel_size(width, height))
