"""Record3D's EXR + RGB export: `metadata` (or `metadata.json`) and photos `rgb/0.jpg` and so on.

`poses` has a row qx qy qz qw tx ty tz per photo, camera to world, OpenGL axes; `K` is 3x3, column by column, for w x h
pixels. Depth lies in `depth/0.exr` and so on, in metres. The principal point is taken as counted from the top-left
pixel's corner; no source says otherwise.
Sources: https://github.com/marek-simonik/record3d, nerfstudio's process_data/record3d_utils.py.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import (
    ReadOptions,
    files_like,
    find_mesh,
    floats,
    pixel_size,
    read_json,
    with_suffix_of,
)
from neuraltexgen.readers.lenses import perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, pinhole_of, pose_from_quaternion
from neuraltexgen.scene import DepthMap, Scene

FILES = ("metadata", "metadata.json", "EXR_RGBD/metadata", "EXR_RGBD/metadata.json")
MARKS = ('"poses"', '"k"')
FOLDER, DEPTHS = "rgb", "depth"


def detect(path: Path) -> bool:
    """Whether `path` is such a metadata file, or a folder with one."""
    return bool(files_like(path, FILES, MARKS, size=1 << 24))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the frames. Raises ReaderError: no JSON, no poses or intrinsics, no view remains."""
    files = files_like(path, FILES)
    if not files:
        raise ReaderError(f"record3d: no metadata in {path}")
    file = files[0]
    whole: Any = read_json("record3d", file)
    if not isinstance(whole, dict) or not isinstance(whole.get("poses"), list):
        raise ReaderError(f"record3d: {file} has no list 'poses'")
    width, height = (float(floats(whole.get(key), 1, key)[0]) for key in ("w", "h"))
    matrix = floats(whole.get("K"), 9, "K").reshape(3, 3).T
    lens = perspective(pinhole_of(matrix), pixel_size(width, height))
    repairs = Repairs()
    drafts = []
    for i, row in enumerate(whole["poses"]):
        photo = with_suffix_of((options.images or file.parent / FOLDER) / str(i))
        try:
            depth = DepthMap(file.parent / DEPTHS / f"{i}.exr", 1.0)
            drafts.append(Draft(str(i), photo, lens.model, lens.params, lens.size, _pose(row, repairs), depth=depth))
        except ReaderError as error:
            drafts.append(Draft(str(i), photo, problem=error.message))
    mesh = find_mesh("record3d", file.parent, (), options)
    return make_scene("record3d", file.parent, drafts, options, mesh, repairs)


def _pose(row: Any, repairs: Repairs) -> Float64[np.ndarray, "4 4"]:
    qx, qy, qz, qw, tx, ty, tz = floats(row, 7, "a row of poses").tolist()
    stated = pose_from_quaternion((qw, qx, qy, qz), (tx, ty, tz))
    return cam_from_world(stated, repairs, camera_to_world=True, gl=True)
