"""ARKitScenes: a `.traj`, photos named by time, and a `.pincam` per photo.

A line of the trajectory is time, rotation vector, translation: world to camera, OpenCV axes. A `.pincam` is w h fx fy
cx cy. Photo, intrinsics and pose belong together by the time in their names, to within a few milliseconds. The
principal point is taken as counted from the top-left pixel's corner. Depth is in millimetres, seen through the photo's
camera at a lower resolution; pixels of confidence 0 are not used.
Source: threedod/benchmark_scripts/utils/tenFpsDataLoader.py, https://github.com/apple/ARKitScenes.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import PHOTO_SUFFIXES, ReadOptions, find_mesh, is_file, numbers_in, pixel_size, read_text
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, pose_from_axis_angle
from neuraltexgen.scene import DepthMap, Scene

ROOTS = ("", "*_frames")
KINDS = ("wide", "vga_wide", "lowres_wide")
TRAJECTORY = "lowres_wide.traj"
MESHES = ("*_3dod_mesh.ply", "../*_3dod_mesh.ply")
LATEST = 0.005
"""Seconds between a photo and its pose; the loader of the data set has the same."""
NEAREST_PINCAM = 0.0015
"""The times in file names are rounded to milliseconds, and differ by up to one."""


@dataclass(frozen=True, eq=False)
class _Timed:
    """Times, sorted, and what belongs to each."""

    times: Float64[np.ndarray, " n"]
    values: list

    def nearest(self, time: float, within: float) -> object:
        """What is nearest in time; None if it is further away than `within` seconds."""
        if len(self.times) == 0:
            return None
        i = int(np.abs(self.times - time).argmin())
        return self.values[i] if abs(self.times[i] - time) <= within else None


def detect(path: Path) -> bool:
    """Whether there are a trajectory and one of the photo folders, at the top or in `*_frames`."""
    return _place(path) is not None


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the largest photos there are, in the order of time. Raises ReaderError: broken lists, no view remains."""
    place = _place(path)
    if place is None:
        raise ReaderError(f"arkitscenes: no {TRAJECTORY} with one of {', '.join(KINDS)} in {path}")
    root, kind = place
    poses = _trajectory(root / TRAJECTORY)
    lenses = _by_time(root / f"{kind}_intrinsics", (".pincam",))
    photos = _by_time(options.images or root / kind, PHOTO_SUFFIXES)
    repairs = Repairs()
    depths, confidences = _by_time(root / "lowres_depth", (".png",)), _by_time(root / "confidence", (".png",))
    drafts = []
    for time, photo in zip(photos.times.tolist(), photos.values, strict=True):
        draft = _draft(photo, time, poses, lenses, repairs)
        drafts.append(replace(draft, depth=_depth(time, depths, confidences)))
    return make_scene("arkitscenes", root, drafts, options, find_mesh("arkitscenes", root, MESHES, options), repairs)


def _place(path: Path) -> tuple[Path, str] | None:
    roots = [root for pattern in ROOTS for root in (sorted(path.glob(pattern)) if pattern else [path])]
    for root in roots:
        if is_file(root / TRAJECTORY):
            for kind in KINDS:
                if (root / kind).is_dir() and (root / f"{kind}_intrinsics").is_dir():
                    return root, kind
    return None


def _by_time(folder: Path, suffixes: tuple[str, ...]) -> _Timed:
    """The files of a folder by the number after the last underscore in their names; others are passed over."""
    found = []
    for file in folder.iterdir() if folder.is_dir() else []:
        number = file.name[: -len(file.suffix)].rsplit("_", 1)[-1] if file.suffix in suffixes else ""
        if number.replace(".", "", 1).isdecimal():
            found.append((float(number), file))
    found.sort()
    return _Timed(np.array([time for time, _ in found]), [file for _, file in found])


def _trajectory(file: Path) -> _Timed:
    rows = [numbers_in(line) for line in read_text(file).splitlines() if line.strip()]
    bad = next((row for row in rows if len(row) != 7), None)
    if bad is not None:
        raise ReaderError(f"arkitscenes: {file}: a line holds {len(bad)} numbers, not 7", fix="copy it again")
    return _Timed(np.array([row[0] for row in rows]), rows)


def _draft(photo: Path, time: float, poses: _Timed, lenses: _Timed, repairs: Repairs) -> Draft:
    try:
        row, pincam = poses.nearest(time, LATEST), lenses.nearest(time, NEAREST_PINCAM)
        if not isinstance(row, list):
            raise ReaderError(f"no pose within {LATEST} s of its time")
        if not isinstance(pincam, Path):
            raise ReaderError("no .pincam of its time")
        _, rx, ry, rz, tx, ty, tz = row
        pose = cam_from_world(pose_from_axis_angle((rx, ry, rz), (tx, ty, tz)), repairs, camera_to_world=False)
        lens = _lens(pincam)
    except ReaderError as error:
        return Draft(photo.name, photo, problem=error.message)
    return Draft(photo.name, photo, lens.model, lens.params, lens.size, pose)


def _depth(time: float, depths: _Timed, confidences: _Timed) -> DepthMap | None:
    depth, confidence = depths.nearest(time, LATEST), confidences.nearest(time, LATEST)
    if not isinstance(depth, Path):
        return None
    return DepthMap(depth, 0.001, mask=confidence if isinstance(confidence, Path) else None)


def _lens(pincam: Path) -> Lens:
    values = numbers_in(read_text(pincam))
    if len(values) != 6:
        raise ReaderError(f"{pincam.name} holds {len(values)} numbers, not w h fx fy cx cy")
    width, height, fx, fy, cx, cy = values
    return perspective((fx, fy, cx, cy), pixel_size(width, height))
