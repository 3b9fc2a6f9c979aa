"""`transforms.json` of nerfstudio and instant-ngp, and the `transforms_train.json` family of Blender-NeRF scenes.

Camera to world, OpenGL axes. nerfstudio's `applied_transform` and `applied_scale` are undone, so that poses are in the
frame of the original reconstruction and of its mesh. instant-ngp's `scale`, `offset` and `aabb_scale` leave the file's
poses alone. `depth_file_path` counts millimetres of the original frame, or what `depth_unit_scale_factor` says;
instant-ngp's `depth_path` counts `integer_depth_scale` of the file's own units. Sources:
https://docs.nerf.studio/quickstart/data_conventions.html, https://github.com/NVlabs/instant-ngp.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.images import photo_size
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, find_photo, is_file, read_json, read_text
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world
from neuraltexgen.scene import DepthMap, Scene

FILE = "transforms.json"
MILLIMETRE = 0.001
SPLITS = ("transforms_train.json", "transforms_val.json", "transforms_test.json")
"""Of NeRF's synthetic scenes: the same format, one file a split. All are read; one can be named instead."""
MODELS = {
    "OPENCV": "OPENCV",
    "PERSPECTIVE": "OPENCV",
    "PINHOLE": "OPENCV",
    "SIMPLE_PINHOLE": "OPENCV",
    "SIMPLE_RADIAL": "OPENCV",
    "RADIAL": "OPENCV",
    "FULL_OPENCV": "FULL_OPENCV",
    "OPENCV_FISHEYE": "OPENCV_FISHEYE",
    "EQUIRECTANGULAR": "EQUIRECTANGULAR",
}
"""Which family a `camera_model` belongs to. Within OPENCV the coefficients that are not 0 decide the exact model."""


@dataclass(frozen=True)
class _Keys:
    """A frame's keys over the file's: what a frame states itself wins."""

    frame: dict[str, Any]
    whole: dict[str, Any]

    def number(self, name: str) -> float | None:
        """A finite number, None if neither states it. Raises ReaderError: something else."""
        value = self.frame.get(name, self.whole.get(name))
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
            raise ReaderError(f"'{name}' is {value!r}, not a number"[:200])
        return float(value)

    def coefficient(self, name: str) -> float:
        """As `number`, 0 if it is not stated."""
        return self.number(name) or 0.0

    def first(self, *names: str) -> tuple[str, float] | None:
        """The first of the names that the frame states, else the first that the file states."""
        for layer in (self.frame, self.whole):
            for name in names:
                if layer.get(name) is not None:
                    value = _Keys(layer, {}).number(name)
                    return None if value is None else (name, value)
        return None


@dataclass(frozen=True, eq=False)
class _Undo:
    """Takes a camera-to-world matrix of the file to the original reconstruction's frame."""

    original_from_file: Float64[np.ndarray, "4 4"]
    scale: float

    def pose(self, stated: Float64[np.ndarray, "r 4"]) -> Float64[np.ndarray, "4 4"]:
        """The scale was applied to camera centres alone, after the transform."""
        pose = np.eye(4)
        pose[: len(stated)] = stated
        pose[:3, 3] /= self.scale
        with np.errstate(invalid="ignore", over="ignore"):  # a lost pose holds NaN, and is sorted out later
            return self.original_from_file @ pose


@dataclass(frozen=True, eq=False)
class _Capture:
    """What all frames share."""

    root: Path
    whole: dict[str, Any]
    options: ReadOptions
    undo: _Undo
    repairs: Repairs


def detect(path: Path) -> bool:
    """Whether `path` is a .json file with frames, or a folder with transforms.json."""
    if path.suffix.lower() == ".json" and is_file(path):
        return '"frames"' in read_text(path)
    return is_file(path / FILE) or is_file(path / SPLITS[0])


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the frames. Raises ReaderError: no JSON, no frames, unknown `camera_model`, no view remains."""
    files = _files(path)
    root = files[0].parent
    notes: list[str] = []
    drafts: list[Draft] = []
    repairs = Repairs()
    for file in files:
        whole = _parse(file)
        undo, undone = _undo_applied(whole)
        if len(files) > 1:
            undone.insert(0, f"{len(whole['frames'])} frames of {file.name} (give one file to read it alone)")
        if isinstance(whole.get("test_frames"), list) and whole["test_frames"]:
            undone.append(f"{len(whole['test_frames'])} test_frames are not used")
        _check_models(whole)
        capture = _Capture(root, whole, options, undo, repairs)
        drafts += [_draft(capture, frame, i) for i, frame in enumerate(whole["frames"])]
        notes += undone
    return make_scene("transforms", root, drafts, options, find_mesh("transforms", root, (), options), repairs, notes)


def _files(path: Path) -> list[Path]:
    """The file given; else transforms.json; else the splits that there are."""
    if is_file(path):
        return [path]
    splits = [path / name for name in SPLITS if is_file(path / name)]
    return splits if splits and not is_file(path / FILE) else [path / FILE]


def _parse(file: Path) -> dict[str, Any]:
    whole = read_json("transforms", file)
    if not isinstance(whole, dict) or not isinstance(whole.get("frames"), list):
        raise ReaderError(f"transforms: {file} has no list 'frames'")
    return whole


def _check_models(whole: dict[str, Any]) -> None:
    for layer in (whole, *(frame for frame in whole["frames"] if isinstance(frame, dict))):
        model = layer.get("camera_model")
        if model is not None and (not isinstance(model, str) or model.upper() not in MODELS):
            raise ReaderError(f"transforms: unknown camera_model {model!r}"[:200], fix=f"one of {', '.join(MODELS)}")


def _undo_applied(whole: dict[str, Any]) -> tuple[_Undo, list[str]]:
    """What undoes `applied_transform` and `applied_scale`, and notes that it was done."""
    notes, file_from_original, scale = [], np.eye(4), 1.0
    if whole.get("applied_transform") is not None:
        file_from_original[:3] = _numbers(whole["applied_transform"], "applied_transform")[:12].reshape(3, 4)
        if not abs(np.linalg.det(file_from_original[:3, :3])) > 1e-9:
            raise ReaderError("transforms: 'applied_transform' can't be undone: it is singular or not finite")
        if not np.array_equal(file_from_original, np.eye(4)):
            notes.append("applied_transform undone: poses are in the frame of the original reconstruction")
    if whole.get("applied_scale") is not None:
        scale = _Keys(whole, {}).coefficient("applied_scale")
        if not scale > 1e-9:
            raise ReaderError(f"transforms: 'applied_scale' is {scale}: it must be positive")
        if scale != 1:
            notes.append(f"applied_scale {scale:g} undone: poses are in the scale of the original reconstruction")
    return _Undo(np.linalg.inv(file_from_original), scale), notes


def _draft(capture: _Capture, frame: Any, number: int) -> Draft:
    name = frame.get("file_path") if isinstance(frame, dict) else None
    if not isinstance(name, str) or not name:
        return Draft(f"frame {number}", capture.root, problem="it states no file_path")
    name = name.removeprefix("./")
    folders = [capture.root] if capture.options.images is None else [capture.options.images]
    photo = find_photo(folders, name)
    if not is_file(photo):
        return Draft(name, photo)
    try:
        keys = _Keys(frame, capture.whole)
        lens, depth = _lens(keys, photo), _depth(capture, keys)
        stated = _numbers(frame.get("transform_matrix"), "transform_matrix").reshape(-1, 4)
        stated = capture.undo.pose(stated)
        pose = cam_from_world(stated, capture.repairs, camera_to_world=True, gl=True, any_scale=True)
    except (ReaderError, ImageError) as error:
        return Draft(name, photo, problem=error.message)
    mask = _beside(capture.root, frame.get("mask_path"))
    return Draft(name, photo, lens.model, lens.params, lens.size, pose, mask, depth)


def _depth(capture: _Capture, keys: _Keys) -> DepthMap | None:
    """The frame's depth map in units of the original frame; None, and counted, if its unit makes no sense.

    nerfstudio multiplies depth by `applied_scale` itself, so its files are without it; instant-ngp's have the scale of
    the file's poses.
    """
    unit = keys.number("depth_unit_scale_factor")
    unit = MILLIMETRE if unit is None else unit
    path = _beside(capture.root, keys.frame.get("depth_file_path"))
    scale = keys.number("integer_depth_scale")
    if path is None and scale is not None:
        path, unit = _beside(capture.root, keys.frame.get("depth_path")), scale / capture.undo.scale
    if path is None:
        return None
    if not 0 < unit < 1e9:
        capture.repairs.add("{n} depth maps are not used: their scale is not positive")
        return None
    return DepthMap(path, unit)


def _numbers(value: Any, what: str) -> Float64[np.ndarray, " k"]:
    """A 3x4 or 4x4 matrix as 12 or 16 numbers. Raises ReaderError: another shape, or no numbers."""
    try:
        matrix = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ReaderError(f"'{what}' is not a matrix of numbers") from error
    if matrix.shape not in ((3, 4), (4, 4)):
        raise ReaderError(f"'{what}' has the shape {matrix.shape}, not 4x4 or 3x4")
    return matrix.ravel()


def _lens(keys: _Keys, photo: Path) -> Lens:
    """The lens of a frame. Raises ReaderError: no focal length, or a k4 that no camera model here has."""
    width, height = keys.number("w"), keys.number("h")
    size = (int(width), int(height)) if width is not None and height is not None else photo_size(photo)
    model = str(keys.frame.get("camera_model") or keys.whole.get("camera_model") or "OPENCV").upper()
    family = MODELS[model]
    if keys.frame.get("is_fisheye", keys.whole.get("is_fisheye")):
        family = "OPENCV_FISHEYE"
    if family == "EQUIRECTANGULAR":
        return Lens(family, (float(size[0]), float(size[1])), size)
    focal_x = _focal(keys, size[0], "fl_x", "camera_angle_x")
    focal_y = _focal(keys, size[1], "fl_y", "camera_angle_y")
    if focal_x is None and focal_y is None:
        raise ReaderError("it states neither fl_x nor camera_angle_x")
    centre = [keys.number("cx"), keys.number("cy")]
    centre = [side / 2 if value is None else value for side, value in zip(size, centre)]
    pinhole = (focal_x or focal_y or 0.0, focal_y or focal_x or 0.0, centre[0], centre[1])
    k1, k2, k3, k4, k5, k6, p1, p2 = (keys.coefficient(k) for k in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2"))
    if family == "OPENCV_FISHEYE":
        return Lens(family, (*pinhole, k1, k2, k3, k4), size)
    if family == "FULL_OPENCV":
        return Lens(family, (*pinhole, k1, k2, p1, p2, k3, k4, k5, k6), size)
    if k4 != 0:
        # nerfstudio means a fourth radial term, OpenCV a denominator; nerfstudio itself refuses to undistort with it.
        raise ReaderError(f"k4 = {k4:g} has no agreed meaning for the camera_model {model}")
    return perspective(pinhole, size, (k1, k2, k3), (p1, p2))


def _focal(keys: _Keys, side: int, length: str, angle: str) -> float | None:
    """Focal length in pixels, stated as such or as the field of view in radians along a side."""
    stated = keys.first(length, angle)
    if stated is None:
        return None
    name, value = stated
    if name == length:
        return value
    if not 0 < value < math.pi:
        raise ReaderError(f"'{angle}' is {value:g}: a field of view lies between 0 and pi radians")
    return 0.5 * side / math.tan(0.5 * value)


def _beside(root: Path, name: Any) -> Path | None:
    return root / name if isinstance(name, str) and name else None
