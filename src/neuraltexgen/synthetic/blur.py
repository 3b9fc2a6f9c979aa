"""Photos that are not sharp: a camera that moved, or was out of focus, as one point-spread function a photo."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64

FINE = 9
"""Points along each side of a pixel, or along a pixel of a path, that a point-spread function is summed over."""


@dataclass(frozen=True)
class Blur:
    """`motion`: the image of a point is a path of `pixels`, at `angle` degrees from the rows; `defocus`: a disc of that
    diameter, and no angle.
    """

    kind: Literal["motion", "defocus"]
    pixels: float
    angle: float = 0.0


def choose_blurs(views: int, amount: tuple[float, float], rng: np.random.Generator) -> tuple[Blur | None, ...]:
    """The blur of each view, None for the sharp ones. `amount`: the share of blurred views, half of them by motion, and
    the mean size in pixels; each one's is uniform between half and one and a half of that.
    """
    share, pixels = amount
    blurs: list[Blur | None] = [None] * views
    for number, view in enumerate(rng.permutation(views)[: round(share * views)].tolist()):
        size, angle = float(pixels * rng.uniform(0.5, 1.5)), float(rng.uniform(0, 180))
        blurs[view] = Blur("motion", size, angle) if number % 2 == 0 else Blur("defocus", size)
    return tuple(blurs)


def point_spread(blur: Blur) -> Float64[np.ndarray, "k k"]:
    """What a photo makes of one bright pixel; its sum is 1, its middle the pixel's place, k is odd."""
    if blur.kind == "motion":
        count = max(2, round(FINE * blur.pixels))
        along = (np.arange(count) + 0.5) / count - 0.5
        angle = np.radians(blur.angle)
        points = blur.pixels * along[:, None] * (np.cos(angle), np.sin(angle))
    else:
        side = max(3, round(FINE * blur.pixels))
        grid = ((np.arange(side) + 0.5) / side - 0.5) * blur.pixels
        points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
        points = points[np.linalg.norm(points, axis=1) <= blur.pixels / 2]
    reach = int(np.ceil(blur.pixels / 2)) + 1
    spread = np.zeros((2 * reach + 1, 2 * reach + 1))
    first = np.floor(points).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            weights = np.abs(1 - dx - (points[:, 0] - first[:, 0])) * np.abs(1 - dy - (points[:, 1] - first[:, 1]))
            np.add.at(spread, (first[:, 1] + dy + reach, first[:, 0] + dx + reach), weights)
    return spread / spread.sum()


def apply_blur(image: Float32[np.ndarray, "h w c"], blur: Blur) -> Float32[np.ndarray, "h w c"]:
    """The image as the blur shows it; its border's pixels are repeated beyond it."""
    spread = point_spread(blur)
    reach, (height, width) = len(spread) // 2, image.shape[:2]
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    result = np.zeros_like(image)
    for y, x in np.argwhere(spread > 0):
        result += np.float32(spread[y, x]) * padded[y : y + height, x : x + width]
    return result
