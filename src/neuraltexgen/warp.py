"""Smooth warps of photos: how far beside it a lens shows what a pixel has, as a cubic spline of a few numbers."""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float32, Float64
from numba import njit

ACROSS, DOWN = 8, 6
"""Coefficients of a warp along a photo's longer and its shorter side."""

TURNS = 6
"""Of the inversion: each leaves the warp's slope, a few hundredths, of the error."""

Coefficients = Float64[np.ndarray, "r c 2"]


def warp_shape(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of a photo's coefficients."""
    return (DOWN, ACROSS) if width >= height else (ACROSS, DOWN)


def warp_basis(
    points: Float64[np.ndarray, "n 2"], size: tuple[int, int], shape: tuple[int, int]
) -> Float64[np.ndarray, "n k"]:
    """How much each coefficient, row by row, counts at points (pixels) of a photo of `size` (width, height).

    The tensor product of uniform cubic B-splines whose pieces are equal parts of the photo's sides; they sum to 1.
    Beyond the photo the nearest point's; 0 where a point is NaN.
    """
    result = np.zeros((len(points), shape[0] * shape[1]))
    _fill_basis(np.ascontiguousarray(points), *size, *shape, result)
    return result


def warped_by(
    points: Float64[np.ndarray, "n 2"], size: tuple[int, int], coefficients: Coefficients
) -> Float64[np.ndarray, "n 2"]:
    """By how much a warp moves points (pixels)."""
    result = np.empty((len(points), 2))
    _evaluate(np.ascontiguousarray(points), *size, np.ascontiguousarray(coefficients), result)
    return result


def unwarped(
    points: Float64[np.ndarray, "n 2"], size: tuple[int, int], coefficients: Coefficients
) -> Float64[np.ndarray, "n 2"]:
    """The points that a warp moves to the given ones."""
    result = points
    for _ in range(TURNS):
        result = points - warped_by(result, size, coefficients)
    return result


def between_rays(
    rays: Float32[np.ndarray, "H W 3"], defined: Bool[np.ndarray, "H W"], samples: int, coefficients: Coefficients
) -> tuple[Float32[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
    """The rays of a grid of samples x samples points a pixel, each moved by a warp; and which are defined.

    Linear between the lens's four nearest rays, and on from the outermost ones beyond the photo. One that is not
    defined makes what lies beside it undefined.
    """
    moved, known = np.zeros_like(rays), np.zeros_like(defined)
    _move_rays(rays, defined, samples, np.ascontiguousarray(coefficients), moved, known)
    return moved, known


def as_warp(coefficients: Coefficients) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Coefficients as `scene.WarpedCamera` holds them."""
    return tuple(tuple((float(x), float(y)) for x, y in row) for row in coefficients)


@njit(cache=True, nogil=True)
@no_type_check
def _weights(place, count, weights):
    """Weights of four coefficients at a place, 0 to 1 along the side, into `weights`; returns the first's number."""
    pieces = count - 3
    x = min(max(place, 0.0), 1.0) * pieces
    first = min(int(x), pieces - 1)
    t = x - first
    u = 1 - t
    weights[0], weights[3] = u * u * u / 6, t * t * t / 6
    weights[1], weights[2] = 2 / 3 - t * t * (2 - t) / 2, 2 / 3 - u * u * (2 - u) / 2
    return first


@njit(cache=True, nogil=True)
@no_type_check
def _fill_basis(points, width, height, rows, columns, result):
    across, down = np.empty(4), np.empty(4)
    for n in range(len(points)):
        if np.isnan(points[n, 0]) or np.isnan(points[n, 1]):
            continue
        column = _weights(points[n, 0] / width, columns, across)
        row = _weights(points[n, 1] / height, rows, down)
        for i in range(4):
            for j in range(4):
                result[n, (row + i) * columns + column + j] = down[i] * across[j]


@njit(cache=True, nogil=True)
@no_type_check
def _evaluate(points, width, height, coefficients, result):
    across, down = np.empty(4), np.empty(4)
    rows, columns, _ = coefficients.shape
    for n in range(len(points)):
        if np.isnan(points[n, 0]) or np.isnan(points[n, 1]):
            result[n] = np.nan
            continue
        column = _weights(points[n, 0] / width, columns, across)
        row = _weights(points[n, 1] / height, rows, down)
        x, y = 0.0, 0.0
        for i in range(4):
            for j in range(4):
                weight = down[i] * across[j]
                x += weight * coefficients[row + i, column + j, 0]
                y += weight * coefficients[row + i, column + j, 1]
        result[n, 0], result[n, 1] = x, y


@njit(cache=True, nogil=True)
@no_type_check
def _move_rays(rays, defined, samples, coefficients, moved, known):
    height, width, _ = rays.shape
    rows, columns, _ = coefficients.shape
    across, down = np.empty(4), np.empty(4)
    for i in range(height):
        row = _weights((i + 0.5) / height, rows, down)
        for j in range(width):
            column = _weights((j + 0.5) / width, columns, across)
            x, y = np.float64(j), np.float64(i)
            for m in range(4):
                for n in range(4):
                    weight = samples * down[m] * across[n]
                    x += weight * coefficients[row + m, column + n, 0]
                    y += weight * coefficients[row + m, column + n, 1]
            left, top = min(max(int(x), 0), width - 2), min(max(int(y), 0), height - 2)
            if not (defined[top : top + 2, left : left + 2].all()):
                continue
            u, v, length = x - left, y - top, 0.0
            ray = np.empty(3)
            for k in range(3):
                above = (1 - u) * rays[top, left, k] + u * rays[top, left + 1, k]
                below = (1 - u) * rays[top + 1, left, k] + u * rays[top + 1, left + 1, k]
                ray[k] = (1 - v) * above + v * below
                length += ray[k] * ray[k]
            known[i, j] = True
            for k in range(3):
                moved[i, j, k] = ray[k] / np.sqrt(length)
