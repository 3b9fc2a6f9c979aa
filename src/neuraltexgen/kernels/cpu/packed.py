"""numba twins for packed places: `look_up` and its adjoint `scatter`, for float32 arrays in C order.

Rows of the photo are shared out among threads while looking up, rows of the texture while scattering: no races, and
every texel sums its pixels in one order, whatever the number of threads. Codes are decoded a stretch at a
time, which vectorises; `texels` has what is done with them.
"""

from typing import no_type_check

import numba
import numpy as np
from numba import njit, prange

from neuraltexgen.kernels.cpu.texels import FLAGS, SEGMENT, add_segment, fetch_segment, read_row

ZERO, HALF = np.float32(0), np.float32(0.5)
ONE, TWO = np.uintp(1), np.uintp(2)

CODE = 2.0**-20
"""A step of a coordinate."""

STRIP = 8
"""Photo rows that one thread takes at a time."""

BAND = 16
"""Borders between the texture rows of threads are multiples of this."""


def look_up(texture: np.ndarray, low: np.ndarray, high: np.ndarray, trust: np.ndarray, image: np.ndarray) -> None:
    """Writes the render (h w c) of a texture (H W c) at packed places into `image`; 0 where the trust is 0."""
    height, width, channels = texture.shape
    _look_up(texture.reshape(-1), (height, width, channels), low, high, trust, image)


def scatter(gradient: np.ndarray, low: np.ndarray, high: np.ndarray, trust: np.ndarray, result: np.ndarray) -> None:
    """Adds the adjoint of `look_up` applied to `gradient` (h w c) to `result` (H W c)."""
    height, width, channels = result.shape
    spans, bounds = shared_out(low, high, trust, height)
    shape, size = high.shape[1:], (height, width, channels)
    gradient, low, high, trust = (field.reshape(-1) for field in (gradient, low, high, trust))
    _scatter(gradient, low, high, trust, shape, spans, bounds, size, result.reshape(-1))


def shared_out(low: np.ndarray, high: np.ndarray, trust: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray]:
    """What threads need to know to add to a texture of so many rows without races: the first and the last row that
    each segment of the photo touches (h, segments, 2), and the rows at which one thread's end and the next's begin.
    """
    spans = np.empty((trust.shape[0], -(-trust.shape[1] // SEGMENT), 2), np.int32)
    _spans(low.reshape(-1), high.reshape(-1), trust.reshape(-1), high.shape[1:], height, spans)
    return spans, _bounds(spans, height, numba.get_num_threads())


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def pack_uv(uv, low, high):
    """Writes the codes of uvs (n 2) into `low` (n 2) and `high` (n)."""
    for n in range(len(uv)):
        u, v = _code(uv[n, 0]), _code(uv[n, 1])
        low[n, 0], low[n, 1] = u & 0xFFFF, v & 0xFFFF
        high[n] = u >> 16 << 4 | v >> 16


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
@no_type_check
def _code(coordinate):
    scaled = np.rint(coordinate * np.float32(2**20))
    # What is no number fails both comparisons.
    return np.int32(scaled) if np.float32(0) < scaled < np.float32(2**20) else np.int32((2**20 - 1) * (scaled > 0))


@njit(nogil=True, cache=True, error_model="numpy")
@no_type_check
def pack_share(share, packed):
    """Writes shares (n) in 255ths into `packed` (n); what is above 0 stays above."""
    for n in range(len(share)):
        code = np.rint(min(max(share[n], np.float32(0)), np.float32(1)) * np.float32(255))
        packed[n] = 1 if code == 0 and share[n] > 0 else np.uint8(code)


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _look_up(texture, size, low, high, trust, image):
    for strip in prange(-(-len(trust) // STRIP)):
        count = high.shape[1] * high.shape[2]
        places = _buffers(count)
        for row in range(strip * STRIP, min((strip + 1) * STRIP, len(trust))):
            _decode(low[row].reshape(-1), high[row].reshape(-1), 0, count, size, places)
            read_row(texture, size, places, trust[row], image[row])


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _scatter(gradient, low, high, trust, shape, spans, bounds, size, result):
    """`shape`: (width, samples) of the photo; its arrays are flat, and no slices of them are taken: threads would take
    turns at counting who refers to the array."""
    width, samples = shape
    for thread in prange(len(bounds) - 1):
        own = (bounds[thread], bounds[thread + 1])
        places, waiting = _buffers(SEGMENT * samples), _buffers(SEGMENT * samples)
        before = (0, 0)
        for row in range(len(spans)):
            for segment in range(spans.shape[1]):
                if spans[row, segment, 0] >= own[1] or spans[row, segment, 1] < own[0]:
                    continue
                count = min(SEGMENT, width - segment * SEGMENT)
                pixels = (row * width + segment * SEGMENT, count)
                _decode(low, high, pixels[0] * samples, count * samples, size, places)
                # Its texels are on their way while those of the segment before are added to.
                fetch_segment(places, count * samples, size, result)
                add_segment(gradient, trust, before, waiting, own, size, result)
                before, places, waiting = pixels, waiting, places
        add_segment(gradient, trust, before, waiting, own, size, result)


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
    return np.empty(length, np.int32), np.empty(length, np.float32), np.empty(length, np.float32)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _decode(low, high, start, count, size, places):
    """Writes of so many codes the number of the upper left texel, and the weights of its right and lower neighbours."""
    at, fx, fy = places
    width, height = np.float32(size[1] * CODE), np.float32(size[0] * CODE)
    right, down = np.float32(size[1] - 1), np.float32(size[0] - 1)
    last_x, last_y = np.int32(max(size[1] - 2, 0)), np.int32(max(size[0] - 2, 0))
    stride, start = np.int32(size[1]), np.uintp(start)
    for number in range(count):
        i = np.uintp(number)
        upper = np.int32(high[start + i])
        u = np.int32(low[TWO * (start + i)]) | np.int32((upper >> np.int32(4)) << np.int32(16))
        v = _v(low, high, start + i)
        x = np.float32(u) * width - HALF
        y = np.float32(v) * height - HALF
        x = ZERO if x < ZERO else (right if x > right else x)
        y = ZERO if y < ZERO else (down if y > down else y)
        column, row = np.int32(x), np.int32(y)
        column = last_x if column > last_x else column
        row = last_y if row > last_y else row
        fx[i], fy[i] = x - np.float32(column), y - np.float32(row)
        at[i] = np.int32(row * stride) + column


@njit(inline="always")
@no_type_check
def _v(low, high, i):
    """The code of v at an unsigned index."""
    return np.int32(low[TWO * i + ONE]) | np.int32((np.int32(high[i]) & np.int32(15)) << np.int32(16))


@njit(parallel=True, cache=True, error_model="numpy")
@no_type_check
def _spans(low, high, trust, shape, height, spans):
    """Writes the first and the last texture row that the pixels of each segment touch; of none, an empty span."""
    width, samples = shape
    for strip in prange(-(-len(spans) // STRIP)):
        for row in range(strip * STRIP, min((strip + 1) * STRIP, len(spans))):
            for segment in range(spans.shape[1]):
                start, count = row * width + segment * SEGMENT, min(SEGMENT, width - segment * SEGMENT)
                least, most = _extremes(low, high, trust, start, count, samples)
                spans[row, segment, 0] = tap(least, height)[0] if most >= 0 else height
                spans[row, segment, 1] = min(tap(most, height)[0] + 1, height - 1) if most >= 0 else -1


@njit(error_model="numpy")
@no_type_check
def _extremes(low, high, trust, start, count, samples):
    """The least and the largest code of v among pixels with trust; past the ends, the wrong way round, of none."""
    least, most, start = np.int32(1 << 20), np.int32(-1), np.uintp(start)
    if samples == 1:
        for number in range(count):
            i = start + np.uintp(number)
            code = _v(low, high, i)
            least = min(least, code if trust[i] > 0 else np.int32(1 << 20))
            most = max(most, code if trust[i] > 0 else np.int32(-1))
        return least, most
    for number in range(count):
        pixel = start + np.uintp(number)
        if trust[pixel] > 0:
            for sample in range(samples):
                code = _v(low, high, pixel * np.uintp(samples) + np.uintp(sample))
                least, most = min(least, code), max(most, code)
    return least, most


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
