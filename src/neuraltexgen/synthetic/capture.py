"""The made-up capture on disk: photos, mesh and cameras as a user's own would be, and the truth beside them."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from neuraltexgen.files import write_json
from neuraltexgen.geometry import CV_FROM_GL, invert_pose
from neuraltexgen.images import write_png
from neuraltexgen.meshes import write_mesh
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic.photograph import photograph
from neuraltexgen.synthetic.scene import SyntheticScene
from neuraltexgen.synthetic.truth import write_truth
from neuraltexgen.types import Progress, no_progress

COEFFICIENTS = {
    "PINHOLE": (),
    "OPENCV": ("k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "OPENCV_FISHEYE": ("k1", "k2", "k3", "k4"),
}
"""transforms.json's names for the distortion coefficients, in the order of COLMAP's parameters."""


def write_capture(scene: SyntheticScene, folder: Path, progress: Progress = no_progress) -> Path:
    """Writes images/, mesh.ply, truth/ and, last of all, transforms.json with the stated cameras. Returns the folder.

    Each file is written whole or not at all, so a capture that was cut short has no cameras and is not taken for one.
    """
    names = tuple(photo_name(index) for index in range(len(scene.poses)))
    for index in progress(range(len(names)), "taking photos", len(names)):
        write_png(folder / names[index], photograph(scene, index))
    write_mesh(folder / "mesh.ply", scene.mesh)
    write_truth(scene, names, folder)
    frames = [
        {"file_path": name, "transform_matrix": _world_from_gl(pose)} for name, pose in zip(names, scene.stated_poses)
    ]
    write_json(folder / "transforms.json", {**_lens(scene.stated_camera), "frames": frames})
    return folder


def photo_name(index: int) -> str:
    """The path of a view's photo in the capture; also the view's name once it has been read back."""
    return f"images/{index:04d}.png"


def _lens(camera: Camera) -> dict[str, Any]:
    fl_x, fl_y, cx, cy, *distortion = camera.params
    lens = {"camera_model": camera.model, "w": camera.width, "h": camera.height}
    lens |= {"fl_x": fl_x, "fl_y": fl_y, "cx": cx, "cy": cy}
    return lens | dict(zip(COEFFICIENTS[camera.model], distortion))


def _world_from_gl(cam_from_world: Float64[np.ndarray, "4 4"]) -> list[list[float]]:
    return (invert_pose(cam_from_world) @ CV_FROM_GL).tolist()
