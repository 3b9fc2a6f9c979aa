"""One reading of a capture's conventions: cameras, poses, the mesh's frame, how the photos are turned."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from neuraltexgen.scene import Camera, Scene
from neuraltexgen.types import Pose

Pixels = Float64[np.ndarray, "n 2"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """What a scene would be if it had been read otherwise; photos and mesh themselves are not touched.

    One camera and one pose (cam_from_world) per view of the scene. `world_from_mesh` takes the mesh's vertices to where
    they would be: a similarity, which may mirror. `turn` is how the stored photos are turned before the cameras apply
    to them, as an EXIF orientation (1 as they are, 2 to 8); the cameras' sizes are those of the turned photos.
    """

    cameras: tuple[Camera, ...]
    poses: Float64[np.ndarray, "v 4 4"]
    world_from_mesh: Pose
    turn: int = 1

    def cam_from_mesh(self, index: int) -> Pose:
        """View `index`'s camera axes from the mesh's own coordinates: a similarity."""
        return self.poses[index] @ self.world_from_mesh

    def subset(self, views: tuple[int, ...]) -> "Candidate":
        """The same reading of some of the views."""
        cameras = tuple(self.cameras[i] for i in views)
        return Candidate(cameras, self.poses[list(views)], self.world_from_mesh, self.turn)


def as_read(scene: Scene) -> Candidate:
    """The scene as its reader understood it."""
    poses = np.array([view.cam_from_world for view in scene.views], np.float64).reshape(-1, 4, 4)
    return Candidate(tuple(view.camera for view in scene.views), poses, np.eye(4))


def turned_pixels(points: Pixels, size: tuple[int, int], turn: int) -> Pixels:
    """Where points of a stored photo of (width, height) lie once it is turned (EXIF orientation 1 to 8)."""
    (width, height), result = size, points
    if turn >= 5:
        (width, height), result = (height, width), result[:, ::-1]
    if turn in (3, 4, 7, 8):
        result = np.stack([result[:, 0], height - result[:, 1]], axis=1)
    if turn in (2, 3, 6, 7):
        result = np.stack([width - result[:, 0], result[:, 1]], axis=1)
    return result


def stored_pixels(points: Pixels, size: tuple[int, int], turn: int) -> Pixels:
    """The inverse of `turned_pixels`; `size` is that of the stored photo."""
    turned_size = size if turn < 5 else (size[1], size[0])
    return turned_pixels(points, turned_size, INVERSE_TURNS[turn])


INVERSE_TURNS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The EXIF orientation that undoes each."""
