"""OpenMVG's `sfm_data.json`.

World to camera as a rotation (rows) and a centre, OpenCV axes. What an intrinsic's distortion is called says its kind:
disto_k1, disto_k3, disto_t2 (k1 k2 k3 t1 t2, t as OpenCV's p), fisheye (k1..k4 as OpenCV's). The principal point is
taken as counted from the top-left pixel's corner; no source says otherwise.
Source: sfm_data_io and the cameras module, https://github.com/openMVG/openMVG.
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

FILES = ("sfm_data.json", "*.json", "reconstruction*/sfm_data.json")
MARK = '"sfm_data_version"'


@dataclass(frozen=True, eq=False)
class _Capture:
    """The file's three tables by id, and where photos are looked for."""

    views: list[dict[str, Any]]
    intrinsics: dict[Any, dict[str, Any]]
    poses: dict[Any, dict[str, Any]]
    folders: list[Path]
    repairs: Repairs


def detect(path: Path) -> bool:
    """Whether `path` is an OpenMVG file, or a folder with one."""
    return bool(files_like(path, FILES, (MARK,), size=512))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the views. Raises ReaderError: no JSON, tables missing, no view remains."""
    files = files_like(path, FILES, (MARK,), size=512) or files_like(path, FILES)
    if not files:
        raise ReaderError(f"openmvg: no sfm_data.json in {path}")
    file = files[0]
    whole = read_json("openmvg", file)
    if not isinstance(whole, dict) or not isinstance(whole.get("views"), list):
        raise ReaderError(f"openmvg: {file} has no list 'views'")
    root = file.parent
    stated = whole.get("root_path")
    places = [Path(stated)] if isinstance(stated, str) and stated else []
    folders = [options.images] if options.images is not None else [*places, root, root / "images"]
    views = [_inner(entry.get("value")) for entry in whole["views"] if isinstance(entry, dict)]
    capture = _Capture(views, _table(whole, "intrinsics"), _table(whole, "extrinsics"), folders, Repairs())
    drafts = [_draft(capture, view, i) for i, view in enumerate(views)]
    return make_scene("openmvg", root, drafts, options, find_mesh("openmvg", root, (), options), capture.repairs)


def _table(whole: dict[str, Any], name: str) -> dict[Any, dict[str, Any]]:
    """Key to value; keys that can't be keys are dropped."""
    rows = whole.get(name)
    entries = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {row["key"]: _inner(row.get("value")) for row in entries if isinstance(row.get("key"), (int, str))}


def _inner(value: Any) -> dict[str, Any]:
    """What lies in the wrappers that the serialiser puts around shared and derived objects, laid into one table."""
    result: dict[str, Any] = {}
    for _ in range(8):
        if not isinstance(value, dict):
            break
        result |= value
        value = next(
            (value[key] for key in ("ptr_wrapper", "data", "value0") if isinstance(value.get(key), dict)), None
        )
    return result


def _draft(capture: _Capture, view: dict[str, Any], number: int) -> Draft:
    name, folder = view.get("filename"), view.get("local_path")
    if not isinstance(name, str) or not name:
        return Draft(f"view {number}", capture.folders[-1], problem="it states no filename")
    full = f"{folder.rstrip('/')}/{name}" if isinstance(folder, str) and folder else name
    photo = find_photo(capture.folders, full)
    try:
        lens = _lens(_row(capture.intrinsics, view.get("id_intrinsic"), "intrinsics"))
        pose = _pose(_row(capture.poses, view.get("id_pose"), "pose"), capture.repairs)
    except ReaderError as error:
        return Draft(full, photo, problem=error.message)
    return Draft(full, photo, lens.model, lens.params, lens.size, pose)


def _row(table: dict[Any, dict[str, Any]], key: Any, what: str) -> dict[str, Any]:
    if not isinstance(key, (int, str)) or key not in table:
        raise ReaderError(f"it has no {what}: it was not reconstructed")
    return table[key]


def _pose(stated: dict[str, Any], repairs: Repairs) -> Float64[np.ndarray, "4 4"]:
    rotation = floats(stated.get("rotation"), 9, "rotation").reshape(3, 3)
    centre = floats(stated.get("center"), 3, "center")
    with np.errstate(invalid="ignore", over="ignore"):  # a lost pose, sorted out next
        return cam_from_world(matrix_of(rotation, -rotation @ centre), repairs, camera_to_world=False)


def _lens(stated: dict[str, Any]) -> Lens:
    width, height = (float(floats(stated.get(side), 1, side)[0]) for side in ("width", "height"))
    size = pixel_size(width, height)
    if "focal_length" not in stated:
        return Lens("EQUIRECTANGULAR", (float(size[0]), float(size[1])), size)
    focal = float(floats(stated["focal_length"], 1, "focal_length")[0])
    cx, cy = floats(stated.get("principal_point"), 2, "principal_point").tolist()
    pinhole = (focal, focal, cx, cy)
    if "fisheye" in stated:
        return Lens("OPENCV_FISHEYE", (*pinhole, *floats(stated["fisheye"], 4, "fisheye").tolist()), size)
    if "disto_t2" in stated:
        k1, k2, k3, t1, t2 = floats(stated["disto_t2"], 5, "disto_t2").tolist()
        return perspective(pinhole, size, (k1, k2, k3), (t1, t2))
    for name, count in (("disto_k3", 3), ("disto_k1", 1)):
        if name in stated:
            return perspective(pinhole, size, tuple(floats(stated[name], count, name).tolist()))
    return perspective(pinhole, size)
