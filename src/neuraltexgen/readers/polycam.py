"""Polycam's raw export: `keyframes/` with cameras and images by time, the corrected ones where there are any.

A camera file holds fx fy cx cy width height and t_00 .. t_23, camera to world, row by row, OpenGL axes. The principal
point is taken as counted from the top-left pixel's corner; no source says otherwise. Depth is in millimetres, seen
through the photo's camera at a lower resolution; pixels of the lowest confidence, which are black, are not used.
Sources: https://github.com/PolyCam/polyform, nerfstudio's process_data/polycam_utils.py.
"""

from pathlib import Path
from typing import Any

import numpy as np

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, floats, natural, pixel_size, read_json, with_suffix_of
from neuraltexgen.readers.lenses import perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world
from neuraltexgen.scene import DepthMap, Scene

PAIRS = (("corrected_cameras", "corrected_images"), ("cameras", "images"))


def detect(path: Path) -> bool:
    """Whether there are camera files in `keyframes`; `keyframes` itself stands for its folder."""
    return _pair(_root(path)) is not None


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the frames in the order of their times. Raises ReaderError: no camera files, no view remains."""
    root = _root(path)
    pair = _pair(root)
    if pair is None:
        raise ReaderError(f"polycam: no keyframes/cameras with .json files in {root}")
    cameras, images = pair
    repairs = Repairs()
    files = sorted(cameras.glob("*.json"), key=lambda file: natural(file.name))
    drafts = [_draft(file, options.images or images, root, repairs) for file in files]
    notes = [] if cameras.name == PAIRS[0][0] else ["the poses are the phone's own: Polycam has not corrected them"]
    return make_scene("polycam", root, drafts, options, find_mesh("polycam", root, (), options), repairs, notes)


def _root(path: Path) -> Path:
    return path.parent if path.name == "keyframes" else path


def _pair(root: Path) -> tuple[Path, Path] | None:
    """The folders of cameras and images."""
    pairs = [(root / "keyframes" / cameras, root / "keyframes" / images) for cameras, images in PAIRS]
    return next((pair for pair in pairs if pair[1].is_dir() and any(pair[0].glob("*.json"))), None)


def _draft(file: Path, images: Path, root: Path, repairs: Repairs) -> Draft:
    photo = with_suffix_of(images / file.stem)
    try:
        stated: Any = read_json("polycam", file)
        if not isinstance(stated, dict):
            raise ReaderError(f"{file.name} is no object")
        numbers = [stated.get(f"t_{row}{col}") for row in range(3) for col in range(4)]
        if any(number is None for number in numbers):
            raise ReaderError(f"{file.name} does not state t_00 to t_23")
        matrix = np.eye(4)
        matrix[:3] = floats(numbers, 12, "t_00 to t_23").reshape(3, 4)
        fx, fy, cx, cy, width, height = (
            float(floats(stated.get(key), 1, key)[0]) for key in ("fx", "fy", "cx", "cy", "width", "height")
        )
        lens = perspective((fx, fy, cx, cy), pixel_size(width, height))
        pose = cam_from_world(matrix, repairs, camera_to_world=True, gl=True)
    except ReaderError as error:
        return Draft(file.stem, photo, problem=error.message)
    depth, confidence = (root / "keyframes" / folder / f"{file.stem}.png" for folder in ("depth", "confidence"))
    return Draft(
        file.stem, photo, lens.model, lens.params, lens.size, pose, depth=DepthMap(depth, 0.001, mask=confidence)
    )
