"""Tiny captures in further formats, made exactly as each system writes them, from the scene of `tiny`.

Each writer takes the folder and the poses (camera from world, OpenCV axes) and returns what is given to the reader.
A NaN in a pose stands for a view whose tracking was lost.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

import tiny
from neuraltexgen.geometry import CV_FROM_GL, invert_pose
from neuraltexgen.meshes import write_mesh
from neuraltexgen.scene import Camera
from tiny import HEIGHT, OPENCV, PINHOLE, WIDTH

Poses = dict[str, np.ndarray]
FOCAL = 30.0
CENTRED = (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2)
"""For formats with one focal length and the principal point in the middle."""


@dataclass(frozen=True)
class Capture:
    """A writer, the reader it is for, and the camera and the precision that must come back."""

    reader: str
    write: Callable[[Path, Poses], Path]
    camera: Camera
    atol: float = 1e-8
    has_mesh: bool = True


def pinhole(params: tuple[float, ...] = PINHOLE) -> Camera:
    return Camera("PINHOLE", WIDTH, HEIGHT, params)


def opencv() -> Camera:
    return Camera("OPENCV", WIDTH, HEIGHT, OPENCV)


def mesh_of(root: Path, name: str = "mesh.ply") -> None:
    write_mesh(root / name, tiny.tiny().mesh)


def words(values: object) -> str:
    """Numbers with all their digits."""
    return " ".join(repr(float(value)) for value in np.ravel(np.asarray(values, np.float64)))


def write_blender(root: Path, poses: Poses) -> Path:
    """NeRF's synthetic scenes: one file a split, RGBA photos named without their suffix, a field of view."""
    for split, (name, pose) in zip(("train", "val", "test"), poses.items(), strict=True):
        tiny.photo(root / split / f"r_{name}.png", int(name))
        matrix = (invert_pose(pose) @ CV_FROM_GL).tolist()
        frame = {"file_path": f"./{split}/r_{name}", "rotation": 0.01, "transform_matrix": matrix}
        whole = {"camera_angle_x": 2 * np.arctan(0.5 * WIDTH / FOCAL), "frames": [frame]}
        (root / f"transforms_{split}.json").write_text(json.dumps(whole, indent=4))
    mesh_of(root)
    return root


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """x y z w."""
    if not np.isfinite(rotation).all():
        return np.full(4, np.nan)
    return np.asarray(pycolmap.Rotation3d(rotation).quat)


def write_tum(root: Path, poses: Poses) -> Path:
    """Times of photos and poses differ a little; the calibration counts from the first pixel's centre."""
    photos, tracks = ["# color images"], ["# ground truth trajectory", "# timestamp tx ty tz qx qy qz qw"]
    for name, pose in poses.items():
        time = 1305031102.0 + int(name)
        tiny.photo(root / "rgb" / f"{time:.6f}.png", int(name))
        photos.append(f"{time:.6f} rgb/{time:.6f}.png")
        back = np.linalg.inv(pose) if np.isfinite(pose).all() else pose
        tracks += [f"{time - 0.004:.4f} {words(back[:3, 3])} {words(quaternion(back[:3, :3]))}"]
        tracks += [f"{time + 0.3:.4f} 0 0 0 0 0 0 1"]
    (root / "rgb.txt").write_text("\n".join(photos))
    (root / "groundtruth.txt").write_text("\n".join(tracks))
    fx, fy, cx, cy = PINHOLE
    (root / "calibration.txt").write_text(words((fx, fy, cx - 0.5, cy - 0.5, *OPENCV[4:], 0)))
    mesh_of(root)
    return root


EMBEDDED: tuple[str, ...] = ()
"""Readers whose photos lie inside a larger file."""

CAPTURES: dict[str, Capture] = {
    "blender": Capture("transforms", write_blender, pinhole(CENTRED)),
    "tum": Capture("tum", write_tum, opencv()),
}
