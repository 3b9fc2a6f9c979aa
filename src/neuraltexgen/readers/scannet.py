"""ScanNet as SensReader exports it: `color/N.jpg`, `pose/N.txt`, `intrinsic/intrinsic_color.txt`.

Poses are 4x4, camera to world, OpenCV axes; one with infinities is a lost frame. The 4x4 colour intrinsics are taken as
counted from the top-left pixel's corner, as those of `.sens`. Source: SensReader, https://github.com/ScanNet/ScanNet.
"""

from pathlib import Path

import numpy as np

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, is_file, natural, numbers_in, read_text, with_suffix_of
from neuraltexgen.readers.poses import Repairs, cam_from_world, pinhole_of
from neuraltexgen.scene import Scene

INTRINSICS = ("intrinsic/intrinsic_color.txt", "intrinsic_color.txt")
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
    values = np.array(numbers_in(read_text(file)))
    if values.size not in (9, 16):
        raise ReaderError(f"scannet: {file} holds {values.size} numbers, not the 16 of a 4x4 matrix")
    side = 3 if values.size == 9 else 4
    params = pinhole_of(values.reshape(side, side)[:3, :3])
    repairs = Repairs()
    drafts = []
    for pose in sorted((root / "pose").glob("*.txt"), key=lambda file: natural(file.name)):
        photo = with_suffix_of((options.images or root / "color") / pose.stem)
        try:
            stated = np.array(numbers_in(read_text(pose)))
            if stated.size != 16:
                raise ReaderError(f"{pose.name} holds {stated.size} numbers, not 16")
            matrix = cam_from_world(stated.reshape(4, 4), repairs, camera_to_world=True)
        except ReaderError as error:
            drafts.append(Draft(pose.stem, photo, problem=error.message))
            continue
        depth = root / "depth" / f"{pose.stem}.png"
        drafts.append(Draft(pose.stem, photo, "PINHOLE", params, None, matrix, depth=depth))
    return make_scene("scannet", root, drafts, options, find_mesh("scannet", root, MESHES, options), repairs)


def _root(path: Path) -> Path | None:
    for root in (path / name for name in ROOTS):
        if all((root / folder).is_dir() for folder in ("color", "pose")) and any(
            is_file(root / name) for name in INTRINSICS
        ):
            return root
    return None
