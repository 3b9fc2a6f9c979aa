"""numba twins of the figures in `metrics` and of SSIM's windows, for float32 images (h w c) in C order.

Rows, or bands of them, are shared out among threads and their sums added up in order: the same figures on any number.
"""

from typing import no_type_check

import numpy as np
from numba import njit, prange

BAND = 32
"""Rows that a thread takes at a time while it slides windows."""


def colour_sums(render: np.ndarray, photo: np.ndarray, mask: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Masked pixels; means (2 c) of render and photo; their variance and covariance (2 c) about these, in float64."""
    counts, sums = np.empty(len(mask), np.int64), np.empty((len(mask), 2, render.shape[2]))
    _sums(render, photo, mask, counts, sums)
    count = int(counts.sum())
    means = sums.sum(axis=0) / max(count, 1)
    _moments(render, photo, mask, means, sums)
    return count, means, sums.sum(axis=0) / max(count, 1)


def squared_error(
    render: np.ndarray, photo: np.ndarray, mask: np.ndarray, gain: np.ndarray, offset: np.ndarray
) -> float:
    """The sum over masked pixels and channels of (gain * render + offset, clipped to [0, 1], less photo)²."""
    rows = np.empty(len(mask))
    _squared_error(render, photo, mask, gain, offset, rows)
    return float(rows.sum())


def gradient_sums(
    render: np.ndarray, photo: np.ndarray, mask: np.ndarray, gain: np.ndarray, offset: np.ndarray
) -> tuple[int, float, float]:
    """Pixels whose right and lower neighbours are masked too; the sums of their gradients' magnitudes.

    Of gain * render + offset and of photo: forward differences of the mean over channels.
    """
    counts, sums = np.zeros(len(mask), np.int64), np.zeros((len(mask), 2))
    _gradients(render, photo, mask, gain, offset, counts, sums)
    of_render, of_photo = sums.sum(axis=0)
    return int(counts.sum()), float(of_render), float(of_photo)


def similarity(
    render: np.ndarray, photo: np.ndarray, mask: np.ndarray, window: np.ndarray, constants: tuple[float, float]
) -> float:
    """The sum over masked pixels and channels of SSIM; see `windows.dissimilarity`, whose formulas these are."""
    bands = np.zeros(-(-len(mask) // BAND))
    _similarity(render, photo, mask, window, np.float32(constants[0]), np.float32(constants[1]), bands)
    return float(bands.sum())


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _sums(render, photo, mask, counts, sums):
    for i in prange(len(mask)):
        counts[i] = 0
        sums[i] = 0.0
        for j in range(mask.shape[1]):
            if mask[i, j]:
                counts[i] += 1
                for c in range(render.shape[2]):
                    sums[i, 0, c] += render[i, j, c]
                    sums[i, 1, c] += photo[i, j, c]


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _moments(render, photo, mask, means, sums):
    for i in prange(len(mask)):
        sums[i] = 0.0
        for j in range(mask.shape[1]):
            if mask[i, j]:
                for c in range(render.shape[2]):
                    dx, dy = render[i, j, c] - means[0, c], photo[i, j, c] - means[1, c]
                    sums[i, 0, c] += dx * dx
                    sums[i, 1, c] += dx * dy


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _squared_error(render, photo, mask, gain, offset, rows):
    for i in prange(len(mask)):
        total = 0.0
        for j in range(mask.shape[1]):
            if mask[i, j]:
                for c in range(render.shape[2]):
                    shown = _clip(gain[c] * render[i, j, c] + offset[c])
                    error = np.float64(shown - photo[i, j, c])
                    total += error * error
        rows[i] = total


@njit(cache=True, inline="always")
@no_type_check
def _clip(value):
    # Comparisons, since a minimum or maximum may lose a NaN.
    return np.float32(0) if value < np.float32(0) else np.float32(1) if value > np.float32(1) else value


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _gradients(render, photo, mask, gain, offset, counts, sums):
    for i in prange(len(mask) - 1):
        for j in range(mask.shape[1] - 1):
            if mask[i, j] and mask[i + 1, j] and mask[i, j + 1]:
                counts[i] += 1
                right, down, right_photo, down_photo = 0.0, 0.0, 0.0, 0.0
                for c in range(render.shape[2]):
                    right += gain[c] * (render[i, j + 1, c] - render[i, j, c])
                    down += gain[c] * (render[i + 1, j, c] - render[i, j, c])
                    right_photo += photo[i, j + 1, c] - photo[i, j, c]
                    down_photo += photo[i + 1, j, c] - photo[i, j, c]
                sums[i, 0] += np.sqrt(right * right + down * down) / render.shape[2]
                sums[i, 1] += np.sqrt(right_photo * right_photo + down_photo * down_photo) / render.shape[2]


@njit(parallel=True, cache=True, error_model="numpy", fastmath={"contract"})
@no_type_check
def _similarity(render, photo, mask, window, c1, c2, bands):
    height, width, channels = render.shape
    radius = len(window) // 2
    for band in prange(len(bands)):
        first, last = band * BAND, min((band + 1) * BAND, height)
        top, bottom = max(first - radius, 0), min(last + radius, height)
        # Per row the mask and the four planes, with as many zeros on both sides as the window reaches over.
        padded = np.zeros((5, width + 2 * radius), np.float32)
        across = np.zeros((5, bottom - top, width), np.float32)
        sums = np.empty((5, width), np.float32)
        for c in range(channels):
            for i in range(top, bottom):
                _fill(padded, render, photo, mask, i, c, radius)
                for plane in range(0 if c == 0 else 1, 5):
                    _slide(padded[plane], window, across[plane, i - top])
            for i in range(first, last):
                sums[:] = 0.0
                for k in range(max(i - radius, 0), min(i + radius + 1, height)):
                    for plane in range(5):
                        _add(window[k - i + radius], across[plane, k - top], sums[plane])
                bands[band] += _row_similarity(sums, mask[i], c1, c2)


@njit(cache=True)
@no_type_check
def _fill(padded, render, photo, mask, i, c, radius):
    for j in range(mask.shape[1]):
        seen, at = mask[i, j], j + radius
        shown = _clip(render[i, j, c])
        plus = shown + photo[i, j, c] if seen else np.float32(0)
        minus = shown - photo[i, j, c] if seen else np.float32(0)
        padded[0, at] = np.float32(1) if seen else np.float32(0)
        padded[1, at], padded[2, at], padded[3, at], padded[4, at] = plus, minus, plus * plus, minus * minus


@njit(cache=True, fastmath={"contract"})
@no_type_check
def _slide(padded, window, result):
    result[:] = 0.0
    for k in range(len(window)):
        _add(window[k], padded[k : k + len(result)], result)


@njit(cache=True, fastmath={"contract"})
@no_type_check
def _add(factor, values, result):
    for j in range(len(result)):
        result[j] += factor * values[j]


@njit(cache=True, error_model="numpy")
@no_type_check
def _row_similarity(sums, mask, c1, c2):
    total, half, zero = 0.0, np.float32(0.5), np.float32(0)
    for j in range(len(mask)):
        if mask[j]:
            norm = sums[0, j]
            plus, minus = sums[1, j] / norm, sums[2, j] / norm
            plus, minus = plus * plus, minus * minus
            of_plus, of_minus = sums[3, j] / norm - plus, sums[4, j] / norm - minus
            of_plus, of_minus = zero if of_plus < zero else of_plus, zero if of_minus < zero else of_minus
            luminance = minus / ((plus + minus) * half + c1)
            structure = of_minus / ((of_plus + of_minus) * half + c2)
            total += np.float64((np.float32(1) - luminance) * (np.float32(1) - structure))
    return total
