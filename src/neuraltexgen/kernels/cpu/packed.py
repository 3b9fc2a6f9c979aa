"""numba twins for packed places: `look_up` and its adjoint `scatter`, for float32 arrays in C order.

Rows of the photo are shared out among threads while looking up, rows of the texture while scattering: no races, and
every texel sums its pixels in the order of the photo, whatever the number of threads. Codes are decoded a stretch at a
time, which vectorises; three channels have loops of their own, since constant inner loops are what lets LLVM unroll them.
"""

from typing import no_type_check

import numba
import numpy as np
from numba import njit, prange

CODE = 2.0**-20
"""A step of a coordinate."""

STRIP = 8
"""Photo rows that one thread takes at a time."""

SEGMENT = 32
"""Pixels of a row whose texture rows are noted together, so that a thread passes over those that are not its own."""

BAND = 16
"""Borders between the texture rows of threads are multiples of this."""

FLAGS = {"contract"}


def look_up(texture: np.ndarray, low: np.ndarray, high: np.ndarray, trust: np.ndarray, image: np.ndarray) -> None:
    """Writes the render (h w c) of a texture (H W c) at packed places into `image`; 0 where the trust is 0."""
    height, width, channels = texture.shape
    _look_up(texture.reshape(-1), (height, width, channels), low, high, trust, image)


def scatter(gradient: np.ndarray, low: np.ndarray, high: np.ndarray, trust: np.ndarray, result: np.ndarray) -> None:
    """Adds the adjoint of `look_up` applied to `gradient` (h w c) to `result` (H W c)."""
    height, width, channels = result.shape
    spans = np.empty((trust.shape[0], -(-trust.shape[1] // SEGMENT), 2), np.int32)
    _spans(low, high, trust, height, spans)
    bounds = _bounds(spans, height, numba.get_num_threads())
    _scatter(gradient, low, high, trust, spans, bounds, (height, width, channels), result.reshape(-1))


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _look_up(texture, size, low, high, trust, image):
    for strip in prange(-(-len(trust) // STRIP)):
        at, fx, fy = _buffers(high[0].size)
        for row in range(strip * STRIP, min((strip + 1) * STRIP, len(trust))):
            _decode(low[row], high[row], size, at, fx, fy)
            if size[2] == 3:
                _read_three(texture, size, at, fx, fy, trust[row], image[row])
            else:
                _read(texture, size, at, fx, fy, trust[row], image[row])


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _scatter(gradient, low, high, trust, spans, bounds, size, result):
    for thread in prange(len(bounds) - 1):
        own = (bounds[thread], bounds[thread + 1])
        at, fx, fy = _buffers(SEGMENT * high.shape[2])
        for row in range(len(trust)):
            for segment in range(spans.shape[1]):
                if spans[row, segment, 0] >= own[1] or spans[row, segment, 1] < own[0]:
                    continue
                a, b = segment * SEGMENT, min((segment + 1) * SEGMENT, trust.shape[1])
                _decode(low[row, a:b], high[row, a:b], size, at, fx, fy)
                if size[2] == 3:
                    _add_three(gradient[row, a:b], trust[row, a:b], at, fx, fy, own, size, result)
                else:
                    _add(gradient[row, a:b], trust[row, a:b], at, fx, fy, own, size, result)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _read_three(texture, size, at, fx, fy, trust, image):
    samples = len(at) // len(trust)
    share, (right, down) = np.float32(1.0 / samples), _steps(size)
    for col in range(len(trust)):
        red, green, blue = np.float32(0), np.float32(0), np.float32(0)
        if trust[col] > 0:
            for i in range(col * samples, (col + 1) * samples):
                a = np.uintp(at[i])
                b, d = a + right, a + down
                e = d + right
                red += _mix(texture[a], texture[b], texture[d], texture[e], fx[i], fy[i])
                green += _mix(texture[a + 1], texture[b + 1], texture[d + 1], texture[e + 1], fx[i], fy[i])
                blue += _mix(texture[a + 2], texture[b + 2], texture[d + 2], texture[e + 2], fx[i], fy[i])
        image[col, 0], image[col, 1], image[col, 2] = share * red, share * green, share * blue


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _read(texture, size, at, fx, fy, trust, image):
    samples = len(at) // len(trust)
    share, (right, down) = np.float32(1.0 / samples), _steps(size)
    for col in range(len(trust)):
        for k in range(size[2]):
            total = np.float32(0)
            if trust[col] > 0:
                for i in range(col * samples, (col + 1) * samples):
                    a = np.uintp(at[i] + k)
                    d = a + down
                    total += _mix(texture[a], texture[a + right], texture[d], texture[d + right], fx[i], fy[i])
            image[col, k] = share * total


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_three(gradient, trust, at, fx, fy, own, size, result):
    samples = len(at) // SEGMENT
    share, (right, down) = np.float32(1.0 / samples), _steps(size)
    first, end = np.uintp(own[0] * size[1] * 3), np.uintp(own[1] * size[1] * 3)
    for col in range(len(trust)):
        if trust[col] == 0:
            continue
        red, green, blue = share * gradient[col, 0], share * gradient[col, 1], share * gradient[col, 2]
        for i in range(col * samples, (col + 1) * samples):
            a = np.uintp(at[i])
            if first <= a < end:
                _add_pair(result, a, right, 1 - fy[i], fx[i], red, green, blue)
            if first <= a + down < end:
                _add_pair(result, a + down, right, fy[i], fx[i], red, green, blue)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add(gradient, trust, at, fx, fy, own, size, result):
    samples, channels = len(at) // SEGMENT, size[2]
    share, (right, down) = np.float32(1.0 / samples), _steps(size)
    first, end = np.uintp(own[0] * size[1] * channels), np.uintp(own[1] * size[1] * channels)
    for col in range(len(trust)):
        if trust[col] == 0:
            continue
        for i in range(col * samples, (col + 1) * samples):
            for k in range(channels):
                a, value = np.uintp(at[i] + k), share * gradient[col, k]
                if first <= a < end:
                    result[a] += (1 - fy[i]) * (1 - fx[i]) * value
                    result[a + right] += (1 - fy[i]) * fx[i] * value
                if first <= a + down < end:
                    result[a + down] += fy[i] * (1 - fx[i]) * value
                    result[a + down + right] += fy[i] * fx[i] * value


@njit(inline="always")
@no_type_check
def tap(code, size):
    """The first of the two texels around a coordinate's code, and the weight of the second."""
    place = np.float32(code) * np.float32(size * CODE) - np.float32(0.5)
    place = min(max(place, np.float32(0.0)), np.float32(size - 1))
    first = min(np.int32(place), np.int32(max(size - 2, 0)))
    return first, place - np.float32(first)


@njit
@no_type_check
def _buffers(length):
    return np.empty(length, np.int64), np.empty(length, np.float32), np.empty(length, np.float32)


@njit
@no_type_check
def _steps(size):
    """How far the next texel to the right and the one below are; 0 where there is none, and its weight is 0."""
    right = np.uintp(size[2] if size[1] > 1 else 0)
    return right, np.uintp(size[1] * size[2] if size[0] > 1 else 0)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _decode(low, high, size, at, fx, fy):
    """Writes where the upper left texel of each place begins, and the weights of its right and lower neighbours."""
    low, high = low.reshape(-1, 2), high.reshape(-1)
    for i in range(len(high)):
        upper = np.int32(high[i])
        x, fx[i] = tap(np.int32(low[i, 0]) | np.int32((upper >> 4) << 16), size[1])
        y, fy[i] = tap(np.int32(low[i, 1]) | np.int32((upper & 15) << 16), size[0])
        at[i] = (np.int64(y) * size[1] + x) * size[2]


@njit(inline="always")
@no_type_check
def _mix(a, b, d, e, u, v):
    top = a + u * (b - a)
    return top + v * (d + u * (e - d) - top)


@njit(inline="always")
@no_type_check
def _add_pair(result, a, right, weight, u, red, green, blue):
    far = weight * u
    near, b = weight - far, a + right
    result[a] += near * red
    result[a + 1] += near * green
    result[a + 2] += near * blue
    result[b] += far * red
    result[b + 1] += far * green
    result[b + 2] += far * blue


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _spans(low, high, trust, height, spans):
    """Writes the first and the last texture row that the pixels of each segment touch; of none, an empty span."""
    for strip in prange(-(-len(trust) // STRIP)):
        for row in range(strip * STRIP, min((strip + 1) * STRIP, len(trust))):
            _row_spans(low[row, :, :, 1], high[row], trust[row], height, spans[row])


@njit(error_model="numpy")
@no_type_check
def _row_spans(low, high, trust, height, spans):
    for segment in range(len(spans)):
        least, most = np.int32(1 << 20), np.int32(-1)
        for col in range(segment * SEGMENT, min((segment + 1) * SEGMENT, len(trust))):
            for i in range(high.shape[1]):
                code = np.int32(low[col, i]) | np.int32((np.int32(high[col, i]) & 15) << 16)
                least = min(least, code if trust[col] > 0 else least)
                most = max(most, code if trust[col] > 0 else most)
        spans[segment, 0] = tap(least, height)[0] if most >= 0 else height
        spans[segment, 1] = min(tap(most, height)[0] + 1, height - 1) if most >= 0 else -1


@njit(cache=True, error_model="numpy")
@no_type_check
def _bounds(spans, height, threads):
    """Texture rows at which one thread's end and the next one's begin, with about as many segments each."""
    bands = np.zeros(-(-height // BAND), np.int64)
    for row in range(spans.shape[0]):
        for segment in range(spans.shape[1]):
            if spans[row, segment, 1] >= 0:
                bands[(spans[row, segment, 0] + spans[row, segment, 1]) // (2 * BAND)] += 1
    bounds = np.full(threads + 1, height, np.int64)
    bounds[0] = 0
    total, done, thread = bands.sum(), 0, 1
    for band in range(len(bands)):
        done += bands[band]
        while thread < threads and done * threads >= total * thread:
            bounds[thread] = min((band + 1) * BAND, height)
            thread += 1
    return bounds
