"""TUM RGB-D sequences: `rgb.txt`, `groundtruth.txt` and the photos that the first names.

A pose line is `time tx ty tz qx qy qz qw`, camera to world, OpenCV axes. A photo takes the pose nearest in time. The
intrinsics count from the centre of the top-left pixel, as the benchmark's own formula does, so half a pixel is added.
Depth maps are registered to the photos pixel by pixel; 5000 counts are a metre, 0 is no reading.
Source: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats (also: depth = value / 5000 m, calibrations).
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, find_photo, is_file, numbers_in, read_text
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, pose_from_quaternion
from neuraltexgen.scene import DepthMap, Scene

PHOTOS, POSES, DEPTHS, CALIBRATION = "rgb.txt", "groundtruth.txt", "depth.txt", "calibration.txt"
COUNTS_A_METRE = 5000
LONGEST = 0.02
"""Seconds between a photo and its pose or depth map, as the benchmark's association has it."""

PUBLISHED = {
    "freiburg1": (517.306408, 516.469215, 318.643040, 255.313989, 0.262383, -0.953104, -0.005358, 0.002628, 1.163314),
    "freiburg2": (520.908620, 521.007327, 325.141442, 249.701764, 0.231222, -0.784899, -0.003257, -0.000105, 0.917205),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
"""The benchmark's calibrations of its three cameras: fx fy cx cy, k1 k2 p1 p2 k3. The third's photos are rectified."""


@dataclass(frozen=True, eq=False)
class _Track:
    """What a list file holds: sorted times, and the words of each line after the time."""

    times: Float64[np.ndarray, " n"]
    words: list[list[str]]

    def nearest(self, time: float) -> list[str] | None:
        """The words nearest in time, None if they are too far from it."""
        if len(self.times) == 0:
            return None
        i = int(np.abs(self.times - time).argmin())
        return self.words[i] if abs(self.times[i] - time) <= LONGEST else None


def detect(path: Path) -> bool:
    """Whether there are `rgb.txt` and `groundtruth.txt`."""
    return is_file(path / PHOTOS) and is_file(path / POSES)


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the photos in the order of `rgb.txt`. Raises ReaderError: no list, no calibration, no view remains."""
    photos, poses = _track(path / PHOTOS), _track(path / POSES)
    depths = _track(path / DEPTHS) if is_file(path / DEPTHS) else None
    lens, notes = _lens(path)
    repairs = Repairs()
    drafts = []
    for time, words in zip(photos.times.tolist(), photos.words, strict=True):
        name = words[0] if words else ""
        photo = find_photo([options.images or path], name or "unnamed")
        near = None if depths is None else depths.nearest(time)
        depth = DepthMap(path / near[0], 1 / COUNTS_A_METRE) if near else None
        try:
            pose = _pose(poses.nearest(time), repairs)
            drafts.append(Draft(name, photo, lens.model, lens.params, None, pose, depth=depth))
        except ReaderError as error:
            drafts.append(Draft(name, photo, problem=error.message))
    return make_scene("tum", path, drafts, options, find_mesh("tum", path, (), options), repairs, notes)


def _track(file: Path) -> _Track:
    lines = [line.replace(",", " ").split() for line in read_text(file).splitlines()]
    lines = [words for words in lines if words and not words[0].startswith("#")]
    try:
        times = np.array([float(words[0]) for words in lines])
    except ValueError as error:
        raise ReaderError(f"tum: {file}: a line does not begin with a time ({error})") from error
    order = [i for i in np.argsort(times, kind="stable").tolist() if math.isfinite(times[i])]
    return _Track(times[order], [lines[i][1:] for i in order])


def _pose(words: list[str] | None, repairs: Repairs) -> Float64[np.ndarray, "4 4"]:
    if words is None:
        raise ReaderError(f"no pose within {LONGEST} s of its time")
    values = numbers_in(" ".join(words))
    if len(values) != 7:
        raise ReaderError(f"its pose line holds {len(values)} numbers after the time, not 7")
    tx, ty, tz, qx, qy, qz, qw = values
    return cam_from_world(pose_from_quaternion((qw, qx, qy, qz), (tx, ty, tz)), repairs, camera_to_world=True)


def _lens(root: Path) -> tuple[Lens, list[str]]:
    """From `calibration.txt`, else the published one of the camera that the folder's name says."""
    notes = []
    if is_file(root / CALIBRATION):
        values = tuple(numbers_in(read_text(root / CALIBRATION)))
    else:
        camera = next((name for name in PUBLISHED if name in root.resolve().name), None)
        if camera is None:
            raise ReaderError(
                f"tum: {root} states no intrinsics, and its name none of {', '.join(PUBLISHED)}",
                fix=f"write fx fy cx cy k1 k2 p1 p2 k3 of the colour camera to {CALIBRATION}",
            )
        values = PUBLISHED[camera]
        notes.append(f"intrinsics are the published ones of {camera}")
    if len(values) not in (4, 8, 9):
        raise ReaderError(f"tum: {root / CALIBRATION} holds {len(values)} numbers, not fx fy cx cy [k1 k2 p1 p2 [k3]]")
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = (*values, *(0.0,) * (9 - len(values)))
    return perspective((fx, fy, cx + 0.5, cy + 0.5), None, (k1, k2, k3), (p1, p2)), notes
