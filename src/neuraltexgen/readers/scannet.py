"""ScanNet as SensReader exports it: `color/N.jpg`, `pose/N.txt`, `intrinsic/intrinsic_color.txt`.

Poses are 4x4, camera to world, OpenCV axes; one with infinities is a lost frame. The 4x4 colour intrinsics are taken as
counted from the top-left pixel's corner, as those of `.sens`. Depth is in millimetres, 0 is no reading; the depth
camera has `intrinsic_depth.txt` and `extrinsic_depth.txt`. Source: SensReader, https://github.com/ScanNet/ScanNet.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.images import photo_size
from neuraltexgen.readers.depths import DepthSensor, depth_sensor
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, is_file, natural, numbers_in, read_text, with_suffix_of
from neuraltexgen.readers.poses import Repairs, cam_from_world, pinhole_of
from neuraltexgen.scene import Scene

INTRINSICS = ("intrinsic/intrinsic_color.txt", "intrinsic_color.txt")
MILLIMETRES = 1000.0
ROOTS = ("", "exported", "frames")
MESHES = ("*_vh_clean.ply", "*_vh_clean_2.ply", "../*_vh_clean.ply", "../*_vh_clean_2.ply")


def detect(path: Path) -> bool:
    """Whether there are `color`, `pose` and the colour intrinsics, at the top or in `exported` or `frames`."""
    return _root(path) is not None


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the frames in the order of their numbers. Raises ReaderError: broken intrinsics, no view remains."""
    root = _root(path)
    if root is None:
        raise ReaderError(f"scannet: no color, pose and {INTRINSICS[0]} in {path}")
    file = next(root / name for name in INTRINSICS if is_file(root / name))
    params = pinhole_of(_matrix(file)[:3, :3])
    sensor = _depth_sensor(root, file)
    repairs = Repairs()
    drafts = []
    for pose in sorted((root / "pose").glob("*.txt"), key=lambda file: natural(file.name)):
        photo = with_suffix_of((options.images or root / "color") / pose.stem)
        try:
            stated = np.array(numbers_in(read_text(pose)))
            if stated.size != 16:
                raise ReaderError(f"{pose.name} holds {stated.size} numbers, not 16")
            matrix = sensor.photo_pose(cam_from_world(stated.reshape(4, 4), repairs, camera_to_world=True))
        except ReaderError as error:
            drafts.append(Draft(pose.stem, photo, problem=error.message))
            continue
        depth = sensor.depth_map(root / "depth" / f"{pose.stem}.png")
        drafts.append(Draft(pose.stem, photo, "PINHOLE", params, None, matrix, depth=depth))
    return make_scene(
        "scannet", root, drafts, options, find_mesh("scannet", root, MESHES, options), repairs, sensor.notes
    )


def _matrix(file: Path) -> Float64[np.ndarray, "4 4"]:
    """A 4x4 matrix from a text file; a 3x3 one is put into its corner."""
    values = np.array(numbers_in(read_text(file)))
    if values.size not in (9, 16):
        raise ReaderError(f"scannet: {file} holds {values.size} numbers, not the 16 of a 4x4 matrix")
    side = 3 if values.size == 9 else 4
    result = np.eye(4)
    result[:side, :side] = values.reshape(side, side)
    return result


def _depth_sensor(root: Path, colour_intrinsics: Path) -> DepthSensor:
    """The depth camera's files lie beside the colour camera's; the size is that of the first depth map."""
    intrinsics, extrinsics = (colour_intrinsics.with_name(f"{kind}_depth.txt") for kind in ("intrinsic", "extrinsic"))
    first = min((root / "depth").glob("*.png"), key=lambda file: natural(file.name), default=None)
    try:
        size = None if first is None else photo_size(first)
    except ImageError:
        size = None
    return depth_sensor(
        MILLIMETRES,
        _matrix(intrinsics) if is_file(intrinsics) else None,
        size,
        _matrix(extrinsics) if is_file(extrinsics) else None,
    )


def _root(path: Path) -> Path | None:
    for root in (path / name for name in ROOTS):
        if all((root / folder).is_dir() for folder in ("color", "pose")) and any(
            is_file(root / name) for name in INTRINSICS
        ):
            return root
    return None
