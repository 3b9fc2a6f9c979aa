"""The made-up room as an RGB-D capture: exact depth from the ray caster, in 7-Scenes' frame folder."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from neuraltexgen.geometry import invert_pose, pixel_rays
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.synthetic import SyntheticSettings, make_scene
from neuraltexgen.uvmap.raycast import RayCaster

WIDTH, HEIGHT, VIEWS = 96, 72, 16
SETTINGS = SyntheticSettings(views=VIEWS, width=WIDTH, height=HEIGHT, supersampling=1, detail=20.0)


@dataclass(frozen=True, eq=False)
class Room:
    """The true surface, the camera, a pose and the exact z-depth (0 where nothing is hit) per view."""

    mesh: Mesh
    camera: Camera
    poses: tuple[np.ndarray, ...]
    depths: tuple[np.ndarray, ...]


@lru_cache(maxsize=1)
def room() -> Room:
    scene = make_scene(SETTINGS)
    unit = np.zeros((3, 2))
    flat = Mesh(
        scene.mesh.vertices, scene.mesh.faces, unit, np.zeros_like(scene.mesh.faces) + np.arange(3, dtype=np.int32)
    )
    caster = RayCaster(flat)
    rays, _ = pixel_rays(scene.camera)
    depths = []
    for pose in scene.poses:
        seen = caster.uv_map(scene.camera, pose)
        depths.append(np.where(seen.face_ids >= 0, seen.distance * rays[..., 2], 0).astype(np.float32))
    return Room(scene.mesh, scene.camera, tuple(scene.poses), tuple(depths))


def write_room(root: Path, *, unit: float = 0.001, mesh: bool = False) -> Path:
    """A frame folder without a mesh; depth in counts of `unit` metres; photos of one colour a view."""
    made = room()
    root.mkdir(parents=True, exist_ok=True)
    fx, fy, cx, cy = made.camera.params
    np.savetxt(root / "camera-intrinsics.txt", [[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    for i, (pose, depth) in enumerate(zip(made.poses, made.depths, strict=True)):
        stem = f"frame-{i:06d}"
        np.savetxt(root / f"{stem}.pose.txt", invert_pose(pose), "%.12g")
        counts = np.clip(np.rint(depth / unit), 0, 65534).astype(np.uint16)
        Pillow.fromarray(counts).save(root / f"{stem}.depth.png")
        Pillow.fromarray(np.full((HEIGHT, WIDTH, 3), (200, 100, 10 * i), np.uint8)).save(root / f"{stem}.color.png")
    return root
