"""The 7-Scenes / BundleFusion folder: `frame-*.color.*`, `.depth.*`, `.pose.txt`, alone or in `seq-*` folders.

Camera to world, OpenCV axes; a pose with a NaN or infinity is a lost frame. Intrinsics from `info.txt` or `_info.txt`
(BundleFusion's `m_calibrationColorIntrinsic`), or a 3x3 `camera-intrinsics.txt`. Their principal point is taken as
counted from the top-left pixel's corner; no source says otherwise. Depth is in millimetres or as `m_depthShift` says, 0
and 65535 mean no reading; the depth camera is the one that `info.txt` states, else the photo's.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.geometry import invert_pose
from neuraltexgen.readers.depths import DepthSensor, depth_sensor
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, is_file, numbers_in, read_text, with_suffix_of
from neuraltexgen.readers.poses import Repairs, pinhole_of, rigid
from neuraltexgen.scene import Scene

POSES = ("*.pose.txt", "seq-*/*.pose.txt")
INFOS = ("info.txt", "_info.txt")
INTRINSICS = "camera-intrinsics.txt"
DEPTH_SUFFIXES = (".png", ".pgm")
MILLIMETRES = 1000.0
NO_READING = (65535,)


@dataclass(frozen=True, eq=False)
class _Cameras:
    """The colour camera's 3x3 matrix, the photo size it is for where that is stated, and the depth camera."""

    intrinsics: Float64[np.ndarray, "3 3"]
    size: tuple[int, int] | None
    depth: DepthSensor


def detect(path: Path) -> bool:
    """Whether `path` is a folder with `*.pose.txt` files, or has `seq-*` folders with them."""
    return path.is_dir() and bool(_pose_files(path))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the frames in the order of their names. Raises ReaderError: no intrinsics, no view remains."""
    poses = _pose_files(path)
    cameras = _cameras(path)
    params = pinhole_of(cameras.intrinsics)
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
            cam_from_world = cameras.depth.photo_pose(invert_pose(rigid(stated.reshape(4, 4), repairs)))
        except (ReaderError, ImageError) as error:
            drafts.append(Draft(name, photo, problem=error.message))
            continue
        found = next((d for s in DEPTH_SUFFIXES if is_file(d := stem.with_name(f"{stem.name}.depth{s}"))), None)
        depth = None if found is None else cameras.depth.depth_map(found)
        drafts.append(Draft(name, photo, "PINHOLE", params, cameras.size, cam_from_world, depth=depth))
    mesh = find_mesh("frames", path, (), options)
    return make_scene("frames", path, drafts, options, mesh, repairs, cameras.depth.notes)


def _pose_files(path: Path) -> list[Path]:
    return [file for pattern in POSES for file in sorted(path.glob(pattern))]


def _photo(root: Path, stem: Path, options: ReadOptions) -> Path:
    folder = stem.parent if options.images is None else options.images / stem.parent.relative_to(root)
    return with_suffix_of(folder / f"{stem.name}.color")


def _cameras(root: Path) -> _Cameras:
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
    return _Cameras(values.reshape(3, 3), None, depth_sensor(MILLIMETRES, None, None, None, NO_READING))


def _bundle_fusion_info(file: Path) -> _Cameras:
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
    size = int(width[0]), int(height[0])
    return _Cameras(np.array(matrix).reshape(4, 4)[:3, :3], size, _depth_sensor(file, fields))


def _depth_sensor(file: Path, fields: dict[str, str]) -> DepthSensor:
    """The depth camera as far as the file states it: the colour camera in millimetres where it states nothing."""
    shift, width, height = (numbers_in(fields.get(f"m_depth{key}", "")) for key in ("Shift", "Width", "Height"))
    matrices = [numbers_in(fields.get(f"m_calibrationDepth{key}", "")) for key in ("Intrinsic", "Extrinsic")]
    if any(len(side) > 1 or not all(0 < s < 1e5 for s in side) for side in (width, height)) or len(shift) > 1:
        raise ReaderError(f"frames: {file}: the depth's width, height and shift must be one positive number each")
    if any(len(matrix) not in (0, 16) for matrix in matrices):
        raise ReaderError(f"frames: {file}: the depth camera's intrinsics and extrinsics must be 16 numbers each")
    intrinsics, extrinsics = (np.array(matrix).reshape(4, 4) if matrix else None for matrix in matrices)
    size = (int(width[0]), int(height[0])) if width and height else None
    try:
        return depth_sensor(shift[0] if shift else MILLIMETRES, intrinsics, size, extrinsics, NO_READING)
    except ReaderError as error:
        raise ReaderError(f"frames: {file}: {error.message}") from error
