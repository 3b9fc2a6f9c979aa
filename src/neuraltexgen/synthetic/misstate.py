"""What a capture with planted errors states of its cameras, and how its views are exposed."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Float64

from neuraltexgen.scene import Camera


def misstated_poses(
    poses: Float64[np.ndarray, "v 4 4"], error: tuple[float, float], rng: np.random.Generator
) -> Float64[np.ndarray, "v 4 4"]:
    """The poses, each turned and shifted a little at random, in the camera's own axes.

    `error`: the median over the views of the angle in degrees, and of how far the camera's place moves in millimetres;
    directions are uniform and lengths those of normal deviates.
    """
    turns, shifts = (_of_median(rng.standard_normal((len(poses), 3)), median) for median in error)
    if not turns.any() and not shifts.any():
        return poses.copy()
    errors = np.tile(np.eye(4), (len(poses), 1, 1))
    errors[:, :3, :3] = [_rotation(turn) for turn in np.radians(turns)]
    errors[:, :3, 3] = shifts / 1000
    return errors @ poses


def misstated_camera(camera: Camera, factor: float) -> Camera:
    """The camera with both focal lengths times a factor. Its model has two, as those of `settings.LENSES` have."""
    fx, fy, *rest = camera.params
    return replace(camera, params=(fx * factor, fy * factor, *rest))


def exposures(
    views: int, spread: float, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "v 3"], Float32[np.ndarray, "v 3"]]:
    """Gains and offsets: mostly brightness, a third of it white balance, a tenth of it offsets."""
    brightness, balance, offset = (rng.standard_normal((views, n)) for n in (1, 3, 3))
    gains = spread * (brightness + balance / 3)
    offsets = spread / 10 * offset
    return (
        np.exp(gains - gains.mean(axis=0)).astype(np.float32),
        (offsets - offsets.mean(axis=0)).astype(np.float32),
    )


def _of_median(vectors: Float64[np.ndarray, "v 3"], median: float) -> Float64[np.ndarray, "v 3"]:
    """The vectors, scaled so that their lengths have the median."""
    return vectors * (median / np.median(np.linalg.norm(vectors, axis=1)))


def _rotation(turn: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """The rotation about `turn` by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(turn))
    x, y, z = turn / max(angle, 1e-300)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
