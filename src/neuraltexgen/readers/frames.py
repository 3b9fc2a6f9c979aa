"""The 7-Scenes / BundleFusion folder: `frame-*.color.*`, `.depth.*`, `.pose.txt`, alone or in `seq-*` folders.

Camera to world, OpenCV axes; a pose with a NaN or infinity is a lost frame. Intrinsics from `info.txt` or `_info.txt`
(BundleFusion's `m_calibrationColorIntrinsic`), or a 3x3 `camera-intrinsics.txt`. Their principal point is taken as
counted from the top-left pixel's corner; no source says otherwise.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.geometry import invert_pose
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, is_file, numbers_in, read_text, with_suffix_of
from neuraltexgen.readers.poses import Repairs, pinhole_of, rigid
from neuraltexgen.scene import Scene

POSES = ("*.pose.txt", "seq-*/*.pose.txt")
INFOS = ("info.txt", "_info.txt")
INTRINSICS = "camera-intrinsics.txt"
DEPTH_SUFFIXES = (".png", ".pgm")


def detect(path: Path) -> bool:
    """Whether `path` is a folder with `*.pose.txt` files, or has `seq-*` folders with them."""
    return path.is_dir() and bool(_pose_files(path))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the frames in the order of their names. Raises ReaderError: no intrinsics, no view remains."""
    poses = _pose_files(path)
    matrix, size = _intrinsics(path)
    params = pinhole_of(matrix)
    repairs = Repairs()
    drafts = []
    for pose in poses:
        stem = pose.with_name(pose.name.removesuffix(".pose.txt"))
        name = stem.relative_to(path).as_posix()
        photo = _photo(path, stem, options)
        try:
            stated = np.array(numbers_in(read_text(pose)))
            if stated.size != 16:
                raise ReaderError(f"the pose file holds {stated.size} numbers, not 16")
            cam_from_world = invert_pose(rigid(stated.reshape(4, 4), repairs))
        except (ReaderError, ImageError) as error:
            drafts.append(Draft(name, photo, problem=error.message))
            continue
        depth = next((d for s in DEPTH_SUFFIXES if is_file(d := stem.with_name(f"{stem.name}.depth{s}"))), None)
        drafts.append(Draft(name, photo, "PINHOLE", params, size, cam_from_world, depth=depth))
    return make_scene("frames", path, drafts, options, find_mesh("frames", path, (), options), repairs)


def _pose_files(path: Path) -> list[Path]:
    return [file for pattern in POSES for file in sorted(path.glob(pattern))]


def _photo(root: Path, stem: Path, options: ReadOptions) -> Path:
    folder = stem.parent if options.images is None else options.images / stem.parent.relative_to(root)
    return with_suffix_of(folder / f"{stem.name}.color")


def _intrinsics(root: Path) -> tuple[Float64[np.ndarray, "3 3"], tuple[int, int] | None]:
    """The colour camera's 3x3 matrix, and the photo size it is for where that is stated."""
    for name in INFOS:
        if is_file(root / name):
            return _bundle_fusion_info(root / name)
    if not is_file(root / INTRINSICS):
        raise ReaderError(
            f"frames: no intrinsics in {root}: looked for {', '.join((*INFOS, INTRINSICS))}",
            fix=f"write the colour camera's 3x3 matrix to {INTRINSICS}",
        )
    values = np.array(numbers_in(read_text(root / INTRINSICS)))
    if values.size != 9:
        raise ReaderError(f"frames: {root / INTRINSICS} holds {values.size} numbers, not the 9 of a 3x3 matrix")
    return values.reshape(3, 3), None


def _bundle_fusion_info(file: Path) -> tuple[Float64[np.ndarray, "3 3"], tuple[int, int]]:
    fields = {}
    for line in read_text(file).splitlines():
        key, _, value = line.partition("=")
        fields[key.strip()] = value
    wanted = ("m_calibrationColorIntrinsic", "m_colorWidth", "m_colorHeight")
    missing = [key for key in wanted if key not in fields]
    if missing:
        raise ReaderError(f"frames: {file} does not state {', '.join(missing)}")
    matrix, width, height = (numbers_in(fields[key]) for key in wanted)
    if len(matrix) != 16 or len(width) != 1 or len(height) != 1 or not 0 < width[0] < 1e6 or not 0 < height[0] < 1e6:
        raise ReaderError(f"frames: {file}: the colour intrinsics must be 16 numbers, the width and height one each")
    return np.array(matrix).reshape(4, 4)[:3, :3], (int(width[0]), int(height[0]))
