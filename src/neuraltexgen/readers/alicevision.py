"""AliceVision's and Meshroom's `.sfm` and `sfm.json`.

A pose is a rotation, written column by column, from world to camera, and a centre; OpenCV axes. What lengths mean
depends on the file's version: the principal point counts from the photo's middle since 1.2.1, the focal length is in
mm of `sensorWidth` since 1.2.2. Numbers may be strings.
Source: sfmDataIO/jsonIO and the camera module, https://github.com/alicevision/AliceVision.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, files_like, find_mesh, find_photo, floats, pixel_size, read_json
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, matrix_of
from neuraltexgen.scene import Scene

FILES = ("sfm.json", "*.sfm", "cameras.json", "*.json", "*sfm*/*.sfm", "*sfm*/*.json")
MARKS = ('"views"', '"poseid"')
MIDDLE, MILLIMETRES, TRUE_RATIO = (1, 2, 1), (1, 2, 2), (1, 2, 5)
"""Since when the principal point counts from the middle, lengths are in mm, and pixelRatio is that."""


@dataclass(frozen=True, eq=False)
class _Capture:
    """The file's tables by id, its version, and where photos are looked for."""

    version: tuple[int, ...]
    intrinsics: dict[str, dict[str, Any]]
    poses: dict[str, dict[str, Any]]
    folders: list[Path]
    repairs: Repairs


def detect(path: Path) -> bool:
    """Whether `path` is such a file, or a folder with one."""
    return bool(files_like(path, FILES, MARKS, size=1 << 16))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the views of the first file. Raises ReaderError: no JSON, tables missing, no view remains."""
    files = files_like(path, FILES, MARKS, size=1 << 16) or files_like(path, FILES)
    if not files:
        raise ReaderError(f"alicevision: no .sfm or sfm.json in {path}")
    file = files[0]
    whole = read_json("alicevision", file)
    if not isinstance(whole, dict) or not isinstance(whole.get("views"), list):
        raise ReaderError(f"alicevision: {file} has no list 'views'")
    root = file.parent
    version = tuple(int(value) for value in np.clip(floats(whole.get("version"), 3, "version"), 0, 1e6).tolist())
    folders = [options.images] if options.images is not None else [root, root / "images"]
    intrinsics, poses = _table(whole, "intrinsics", "intrinsicId"), _table(whole, "poses", "poseId")
    capture = _Capture(version, intrinsics, poses, folders, Repairs())
    drafts = [_draft(capture, view, i) for i, view in enumerate(whole["views"])]
    return make_scene(
        "alicevision", root, drafts, options, find_mesh("alicevision", root, (), options), capture.repairs
    )


def _table(whole: dict[str, Any], name: str, key: str) -> dict[str, dict[str, Any]]:
    rows = whole.get(name)
    return {str(row.get(key)): row for row in (rows if isinstance(rows, list) else []) if isinstance(row, dict)}


def _draft(capture: _Capture, view: Any, number: int) -> Draft:
    name = view.get("path") if isinstance(view, dict) else None
    if not isinstance(name, str) or not name:
        return Draft(f"view {number}", capture.folders[0], problem="it states no path")
    photo = find_photo(capture.folders, name)
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    try:
        intrinsic = capture.intrinsics.get(str(view.get("intrinsicId")))
        pose = capture.poses.get(str(view.get("poseId")))
        if "rigId" in view and str(view.get("isPoseIndependant", True)).lower() in ("false", "0"):
            raise ReaderError("it hangs on a rig's pose, which is not supported")
        if intrinsic is None or pose is None:
            raise ReaderError(f"it has no {'pose' if pose is None else 'intrinsics'}: it was not reconstructed")
        lens = _lens(capture.version, intrinsic)
        matrix = _pose(pose, capture.repairs)
    except ReaderError as error:
        return Draft(name, photo, problem=error.message)
    return Draft(name, photo, lens.model, lens.params, lens.size, matrix)


def _pose(stated: dict[str, Any], repairs: Repairs) -> Float64[np.ndarray, "4 4"]:
    pose = stated.get("pose")
    transform = pose.get("transform") if isinstance(pose, dict) else None
    if not isinstance(transform, dict):
        raise ReaderError("its pose has no 'transform'")
    rotation = floats(transform.get("rotation"), 9, "rotation").reshape(3, 3).T
    centre = floats(transform.get("center"), 3, "center")
    with np.errstate(invalid="ignore", over="ignore"):  # a lost pose, sorted out next
        return cam_from_world(matrix_of(rotation, -rotation @ centre), repairs, camera_to_world=False)


def _number(stated: dict[str, Any], key: str, default: float) -> float:
    return default if stated.get(key) is None else float(floats(stated[key], 1, key)[0])


def _lens(version: tuple[int, ...], stated: dict[str, Any]) -> Lens:
    size = pixel_size(_number(stated, "width", 0.0), _number(stated, "height", 0.0))
    focal = _focal(version, stated, size[0])
    centre = floats(stated.get("principalPoint"), 2, "principalPoint")
    if version >= MIDDLE:
        centre = centre + np.array(size) / 2
    pinhole = (*focal, float(centre[0]), float(centre[1]))
    kind = f"{stated.get('type')} {stated.get('distortionType') or ''}".strip().lower()
    terms = stated.get("distortionParams")
    terms = floats(terms, len(terms), "distortionParams").tolist() if isinstance(terms, list) and terms else []
    if kind not in KNOWN or len(terms) not in (0, KNOWN[kind]):
        raise ReaderError(f"its camera '{kind}' with {len(terms)} distortion terms has no COLMAP model"[:200])
    if "fisheye4" in kind:
        return Lens("OPENCV_FISHEYE", (*pinhole, *(terms or (0.0,) * 4)), size)
    k1, k2, k3, t1, t2 = (*terms, *(0.0,) * (5 - len(terms)))
    return perspective(pinhole, size, (k1, k2, k3), (t1, t2))


def _focal(version: tuple[int, ...], stated: dict[str, Any], width: int) -> tuple[float, float]:
    if version < MILLIMETRES:
        lengths = stated.get("pxFocalLength")
        fx, fy = floats(lengths if isinstance(lengths, list) else [lengths] * 2, 2, "pxFocalLength").tolist()
        return fx, fy
    sensor = _number(stated, "sensorWidth", 36.0)
    ratio = _number(stated, "pixelRatio", 1.0)
    if not (sensor > 0 and 1e-3 < ratio < 1e3):
        raise ReaderError(f"its sensorWidth is {sensor:g} and its pixelRatio {ratio:g}")
    fx = _number(stated, "focalLength", 0.0) / sensor * width
    return fx, fx * ratio if version >= TRUE_RATIO else fx / ratio


KNOWN = {
    "pinhole": 0,
    "radial1": 1,
    "radial3": 3,
    "brown": 5,
    "fisheye4": 4,
    "pinhole none": 0,
    "pinhole radialk1": 1,
    "pinhole radialk3": 3,
    "pinhole brown": 5,
    "pinhole fisheye4": 4,
}
"""How many terms the cameras have that a COLMAP model can say: k1 k2 k3, then OpenCV's p1 p2; or OpenCV's fisheye.
Until 1.2 the type alone says the camera, later type and distortion."""
