"""Photos as pyramids of brightness, and what a level shows at any place between its pixels, with its slope there."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64
from numba import njit

from neuraltexgen.fall_off import Correction
from neuraltexgen.images import read_photo
from neuraltexgen.refine.features import grey
from neuraltexgen.scene import View
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.view_cache import hidden_pixels

LONGEST = 1024
"""Larger photos are halved until their longer side is at most so many pixels: finer ones cost memory and tell no more
of a camera than their number does."""

SMALLEST = 24
"""Pixels of the shorter side of the coarsest level, at least."""

Brightnesses = Float32[np.ndarray, "_ _"]


@dataclass(frozen=True, eq=False)
class Pyramid:
    """`levels[k]`: brightness in [0, 1], NaN where it is hidden, finest first; its pixels are `pixel(k)` wide."""

    levels: tuple[Brightnesses, ...]
    first: int

    def pixel(self, level: int) -> int:
        """Side of a pixel of a level, in pixels of the photo. The level's place x is the photo's x over this."""
        return 2 ** (self.first + level)


def photo_pyramids(views: Sequence[View], depth: int, progress: Progress = no_progress) -> list[Pyramid]:
    """The pyramids of the views' photos, up to `depth` levels each. Raises ImageError: a photo that can't be read."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        coming = pool.map(lambda view: photo_pyramid(view, depth), views)
        return list(progress(coming, "shrink photos", len(views)))


def photo_pyramid(view: View, depth: int) -> Pyramid:
    """The same of one photo."""
    loaded = read_photo(view.photo, upright=view.exif_upright)
    image = grey(loaded.pixels)
    image[hidden_pixels(view, loaded)] = np.nan
    return make_pyramid(image, depth)


def make_pyramid(image: Float32[np.ndarray, "h w"], depth: int) -> Pyramid:
    """The pyramid of an image; a level's pixel is the mean of four of the finer one, an odd last row or column lost."""
    first = 0
    while max(image.shape) > LONGEST:
        image, first = halved(image), first + 1
    levels = [image]
    while len(levels) < depth and min(levels[-1].shape) >= 2 * SMALLEST:
        levels.append(halved(levels[-1]))
    return Pyramid(tuple(levels), first)


def evened(pyramid: Pyramid, correction: Correction) -> Pyramid:
    """The pyramid of the photo as it would be, straightened and without the lens's fall-off."""
    response, fall_off = correction.response, correction.fall_off
    levels = (response.straight(level) / fall_off.plane(*level.shape).numpy() for level in pyramid.levels)
    return Pyramid(tuple(level.astype(np.float32) for level in levels), pyramid.first)


def halved(image: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h2 w2"]:
    """The means of 2 x 2 pixels."""
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    blocks = image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)
    return np.ascontiguousarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def sampled(image: Brightnesses, points: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 3"]:
    """What an image shows at points (pixels, x then y): its value, and its slopes along x and y, each per pixel.

    The image is the cubic B-spline with the pixels as coefficients: a slight blur, the same wherever between pixels a
    point lies, so that no place is preferred; value and slope are continuous. NaN within 1.5 pixels of the border, and
    where a pixel of the 4 x 4 around is NaN.
    """
    result = np.empty((len(points), 3))
    _sample(image, np.ascontiguousarray(points), result)
    return result


def splined(image: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """The values of `sampled` at all pixels' centres; NaN in the outermost ones."""
    result = np.full(image.shape, np.nan)
    rows = (image[:-2] + 4 * image[1:-1] + image[2:]) / 6
    result[1:-1, 1:-1] = (rows[:, :-2] + 4 * rows[:, 1:-1] + rows[:, 2:]) / 6
    return result


@njit(cache=True, nogil=True)
@no_type_check
def _weights(t, value, slope):
    """Of the four coefficients around, for a place t beyond the second one."""
    u = 1 - t
    value[0], value[3] = u * u * u / 6, t * t * t / 6
    value[1], value[2] = 2 / 3 - t * t * (2 - t) / 2, 2 / 3 - u * u * (2 - u) / 2
    slope[0], slope[3] = -u * u / 2, t * t / 2
    slope[1], slope[2] = t * (1.5 * t - 2), u * (2 - 1.5 * u)


@njit(cache=True, nogil=True)
@no_type_check
def _sample(image, points, result):
    height, width = image.shape
    across, along, down, upright = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    for n in range(len(points)):
        x, y = points[n, 0] - 0.5, points[n, 1] - 0.5
        if not (1 <= x < width - 2 and 1 <= y < height - 2):
            result[n] = np.nan
            continue
        column, row = int(x), int(y)
        _weights(x - column, across, along)
        _weights(y - row, down, upright)
        value, by_x, by_y = 0.0, 0.0, 0.0
        for i in range(4):
            mean, slope = 0.0, 0.0
            for j in range(4):
                pixel = image[row - 1 + i, column - 1 + j]
                mean += across[j] * pixel
                slope += along[j] * pixel
            value += down[i] * mean
            by_x += down[i] * slope
            by_y += upright[i] * mean
        result[n, 0], result[n, 1], result[n, 2] = value, by_x, by_y
