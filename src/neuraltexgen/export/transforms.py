"""Cameras and poses as nerfstudio's transforms.json, for the lenses that it has a name for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neuraltexgen.errors import ExportError
from neuraltexgen.files import write_json
from neuraltexgen.geometry import CV_FROM_GL, invert_pose
from neuraltexgen.scene import Camera, View


def write_transforms(
    file: Path, views: Sequence[View], names: Sequence[str], masks: Sequence[str | None] | None = None
) -> None:
    """Writes the file, with each frame's own lens.

    `names` and `masks`: of the photos and masks relative to the file, one per view. Poses are camera to world in OpenGL
    axes; numbers have all their digits. Raises ExportError: a lens that the format has no name for, counted.
    """
    check_lenses(views)
    frames = []
    for view, name, mask in zip(views, names, masks or [None] * len(names), strict=True):
        pose = invert_pose(view.cam_from_world) @ CV_FROM_GL
        frame: dict[str, Any] = {"file_path": name, **_lens(view.camera), "transform_matrix": pose.tolist()}
        if mask is not None:
            frame["mask_path"] = mask
        frames.append(frame)
    write_json(file, {"frames": frames})


def check_lenses(views: Sequence[View]) -> None:
    """Raises ExportError unless the format has a name for every view's lens."""
    refused = sorted({view.camera.model for view in views if view.camera.model not in KEYS})
    if refused:
        count = sum(view.camera.model in refused for view in views)
        raise ExportError(
            f"transforms: {count} of {len(views)} views have a lens that it has no name for: {', '.join(refused)}",
            fix="--to colmap",
        )


def _lens(camera: Camera) -> dict[str, Any]:
    model, names = KEYS[camera.model]
    values = dict(zip(names, camera.params, strict=True))
    if "f" in values:
        focal = values.pop("f")
        values = {"fl_x": focal, "fl_y": focal, **values}
    return {"camera_model": model, "w": camera.width, "h": camera.height, **values}


PINHOLE = ("fl_x", "fl_y", "cx", "cy")
SIMPLE = ("f", "cx", "cy")
KEYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "SIMPLE_PINHOLE": ("PINHOLE", SIMPLE),
    "PINHOLE": ("PINHOLE", PINHOLE),
    "SIMPLE_RADIAL": ("OPENCV", (*SIMPLE, "k1")),
    "RADIAL": ("OPENCV", (*SIMPLE, "k1", "k2")),
    "OPENCV": ("OPENCV", (*PINHOLE, "k1", "k2", "p1", "p2")),
    "FULL_OPENCV": ("FULL_OPENCV", (*PINHOLE, "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
    "OPENCV_FISHEYE": ("OPENCV_FISHEYE", (*PINHOLE, "k1", "k2", "k3", "k4")),
}
"""The format's camera_model and the keys of COLMAP's parameters in their order."""
