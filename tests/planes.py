"""A textured parallelogram with known uvs, and where a lens's rays meet it: the geometry behind several tests."""

from dataclasses import dataclass

import numpy as np

from neuraltexgen.geometry import nearest_rotation, rays_through
from neuraltexgen.scene import Camera, Mesh

WIDTH, HEIGHT = 40, 30
CAMERAS = {
    "PINHOLE": Camera("PINHOLE", WIDTH, HEIGHT, (38.0, 37.0, 21.0, 14.5)),
    "OPENCV": Camera("OPENCV", WIDTH, HEIGHT, (38.0, 37.0, 21.0, 14.5, 0.06, -0.02, 0.003, -0.002)),
    "OPENCV_FISHEYE": Camera("OPENCV_FISHEYE", WIDTH, HEIGHT, (30.0, 31.0, 21.0, 14.5, 0.03, -0.02, 0.004, 0.001)),
}


@dataclass(frozen=True, eq=False)
class Plane:
    """The points corner + u * along_u + v * along_v for u, v in [0, 1], each with the uv (u, v)."""

    corner: np.ndarray
    along_u: np.ndarray
    along_v: np.ndarray

    def mesh(self) -> Mesh:
        """Two faces, front where along_u x along_v points; they part along the diagonal from (0, 0) to (1, 1)."""
        uvs = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
        return Mesh(self.corner + uvs @ np.stack([self.along_u, self.along_v]), faces, uvs, faces.copy())

    def meet(self, origin: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """uv (n 2), distance and cosine, in double precision, of rays with the endless plane."""
        normal = np.cross(self.along_u, self.along_v)
        normal /= np.linalg.norm(normal)
        along = directions @ normal
        distance = (self.corner - origin) @ normal / along
        axes = np.stack([self.along_u, self.along_v], axis=1)
        uv = (origin + distance[:, None] * directions - self.corner) @ np.linalg.pinv(axes).T
        return uv, distance, -along


def pose(seed: int = 0, turn: float = 0.15) -> np.ndarray:
    """A camera from world pose near the identity: turned and shifted a little."""
    rng = np.random.default_rng(seed)
    result = np.eye(4)
    result[:3, :3] = nearest_rotation(np.eye(3) + turn * rng.standard_normal((3, 3)))
    result[:3, 3] = 0.3 * rng.standard_normal(3)
    return result


def sample_points(samples: int) -> np.ndarray:
    """Where in the photo the sub-samples lie, by the definition: (h * samples, w * samples, 2), x then y."""
    result = np.empty((HEIGHT * samples, WIDTH * samples, 2))
    for row in range(HEIGHT * samples):
        for col in range(WIDTH * samples):
            pixel, inside = np.divmod((col, row), samples)
            result[row, col] = pixel + (inside + 0.5) / samples
    return result


def world_rays(camera: Camera, cam_from_world: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """The camera centre and the unit directions (n 3) of all sub-samples in world space, in double precision."""
    rotation = cam_from_world[:3, :3]
    rays = rays_through(camera, sample_points(samples).reshape(-1, 2))
    return -rotation.T @ cam_from_world[:3, 3], rays @ rotation
