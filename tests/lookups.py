"""Bilinear lookups at places on the charts, and the mip levels that they read: plain formulas for tests."""

import numpy as np

from neuraltexgen.scene import Mesh


def bilinear(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    x, y = uv[:, 0] * width - 0.5, uv[:, 1] * height - 0.5
    j, i = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - j)[:, None], (y - i)[:, None]

    def at(row: np.ndarray, col: np.ndarray) -> np.ndarray:
        return image[np.clip(row, 0, height - 1), np.clip(col, 0, width - 1)].astype(np.float64)

    top, bottom = at(i, j) * (1 - fx) + at(i, j + 1) * fx, at(i + 1, j) * (1 - fx) + at(i + 1, j + 1) * fx
    return top * (1 - fy) + bottom * fy


def halved(image: np.ndarray) -> np.ndarray:
    """The next mip level: means of 2 x 2 texels. Both sides are even."""
    return image.reshape(len(image) // 2, 2, image.shape[1] // 2, 2, -1).mean(axis=(1, 3))


def surface_places(mesh: Mesh, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random places on the charts, corners and edges among them: uvs, and the face of each."""
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet((0.3, 0.3, 0.3), count)
    weights[: count // 3, 0] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    faces = rng.integers(0, len(mesh.faces), count)
    return (mesh.uvs[mesh.uv_faces[faces]] * weights[..., None]).sum(axis=1), faces


def surface_uvs(mesh: Mesh, count: int, seed: int) -> np.ndarray:
    """The places alone."""
    return surface_places(mesh, count, seed)[0]
