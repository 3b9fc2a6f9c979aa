"""Photos of the made-up room from places a step apart, as someone would take them who has no cameras yet."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuraltexgen.geometry import invert_pose
from neuraltexgen.images import write_png
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic import SyntheticSettings, make_scene
from neuraltexgen.synthetic.layout import Rectangle
from neuraltexgen.synthetic.render import render

PHOTOS = 12


@dataclass(frozen=True, eq=False)
class Walk:
    """A folder of photos `00.png` to `11.png`, the true camera and poses, and the room's rectangles."""

    folder: Path
    camera: Camera
    poses: list[np.ndarray]
    rectangles: tuple[Rectangle, ...]

    def distances(self, points: np.ndarray) -> np.ndarray:
        """How far points are from the room's surfaces, in metres."""
        nearest = np.full(len(points), np.inf)
        for r in self.rectangles:
            away = points - r.origin
            a, b = (np.clip(away @ side / (side @ side), 0, 1) for side in (r.right, r.down))
            nearest = np.minimum(nearest, np.linalg.norm(away - np.outer(a, r.right) - np.outer(b, r.down), axis=1))
        return nearest


def write_walk(folder: Path) -> Walk:
    """Twelve photos of 320x240 of a wall and the things before it, in three rows of four, all turned to one place."""
    settings = SyntheticSettings(views=4, width=320, height=240, supersampling=2, detail=150.0)
    scene = make_scene(settings)
    world_from_cam = invert_pose(scene.poses[3])
    poses = []
    for i in range(PHOTOS):
        across, up = (i % 4 - 1.5) * 0.3, (i // 4 - 1) * 0.22
        poses.append(invert_pose(world_from_cam @ _looking(np.array([across, up, 0.05 * (i % 3)]), 2.2)))
        write_png(folder / f"{i:02d}.png", np.clip(render(scene.surfaces, scene.camera, poses[-1], 2), 0, 1))
    return Walk(folder, scene.camera, poses, tuple(scene.surfaces.rectangles))


def aligned(centres: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """The similarity (rotation, scale, translation) that takes points nearest to others (Umeyama)."""
    a, b = centres - centres.mean(axis=0), wanted - wanted.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation, scale = u @ sign @ vt, float((s * np.diag(sign)).sum() / (a**2).sum())
    return rotation, scale, wanted.mean(axis=0) - scale * rotation @ centres.mean(axis=0)


def _looking(place: np.ndarray, far: float) -> np.ndarray:
    """A camera at a place that looks at the point `far` ahead of the origin."""
    z = np.array([0, 0, far]) - place
    z /= np.linalg.norm(z)
    x = np.cross([0, 1.0, 0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([x, np.cross(z, x), z], axis=1), place
    return pose
