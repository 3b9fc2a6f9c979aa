"""A row of pixels read from a texture's texels, or added to them: the inner loops of `packed`.

`at`: per sample the number of its upper left texel; `fx`, `fy`: the weights of the right and the lower ones. `size`:
(rows, columns, channels); the texture is flat. Photos look at many charts, row by row, which no processor foresees: so
texels are fetched ahead of their use.
"""

from typing import no_type_check

import numpy as np
from numba import njit

from neuraltexgen.kernels.cpu.vectors import (
    add_product,
    apart,
    fetch_to_read,
    fetch_to_write,
    four_from_0,
    four_from_3,
    load8,
    minus,
    plus,
    scaled,
    store,
    times,
    vector_of,
)

ZERO, WHOLE = np.float32(0), np.float32(1)

SEGMENT = 32
"""Pixels of a row that are taken together: texels are fetched so far ahead."""

PLACES = 8
"""Places along a segment that take turns while it is added to texels: what one pixel stores its neighbour would load at
once, not quite at the same address, and wait until the store is through."""

FLAGS = {"contract"}

ONE, TWO, THREE, EIGHT = (np.uintp(number) for number in (1, 2, 3, 8))
"""Unsigned sums index without a test for negative numbers."""


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def read_row(texture, size, places, trust, image):
    """Writes each pixel's mean lookup into `image` (w c), 0 where its trust is 0."""
    at, fx, fy = places
    channels, samples = np.uintp(size[2]), len(at) // len(trust)
    right, down = steps(size)
    if size[2] == 3:
        _read_three(texture, right, down, places, trust, image)
        return
    share = np.float32(1.0 / samples)
    for col in range(len(trust)):
        if col % SEGMENT == 0:
            _fetch_to_read(texture, channels, down, at, (col + SEGMENT) * samples, SEGMENT * samples)
        for k in range(size[2]):
            total = ZERO
            if trust[col] > 0:
                for i in range(col * samples, (col + 1) * samples):
                    total += _mix(texture, np.uintp(at[i]) * channels + np.uintp(k), right, down, fx[i], fy[i])
            image[col, k] = share * total


@njit(error_model="numpy")
@no_type_check
def fetch_segment(places, count, size, result):
    """Brings the texels that so many samples look at near, to be written to; every other one, which is near enough."""
    channels, down = np.uintp(size[2]), steps(size)[1]
    for i in range(0, count, 2):
        a = np.uintp(places[0][i]) * channels
        fetch_to_write(result, a)
        fetch_to_write(result, a + down)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def add_segment(gradient, trust, pixels, places, own, size, result):
    """Adds the gradient of `pixels`, (first, how many) of flat arrays, to the texels in the rows from own[0] to own[1]
    that they look at."""
    first, end = np.uintp(own[0] * size[1] * size[2]), np.uintp(own[1] * size[1] * size[2])
    right, down = steps(size)
    texels = (first, end, right, down)
    if size[2] == 3:  # a constant lets LLVM unroll
        _add_vectors(gradient, trust, pixels, places, texels, 3, result)
    elif size[2] == 4:
        _add_vectors(gradient, trust, pixels, places, texels, 4, result)
    elif size[2] == 1:
        _add_values(gradient, trust, pixels, places, texels, 1, result)
    else:
        _add_values(gradient, trust, pixels, places, texels, size[2], result)


@njit
@no_type_check
def steps(size):
    """How far the next texel to the right and the one below are; 0 where there is none, and its weight is 0."""
    right = np.uintp(size[2] if size[1] > 1 else 0)
    return right, np.uintp(size[1] * size[2] if size[0] > 1 else 0)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _read_three(texture, right, down, places, trust, image):
    at, fx, fy = places
    samples, three = len(at) // len(trust), np.uintp(3)
    last = np.uintp(len(texture) - 8) if len(texture) >= 8 and right > 0 else np.uintp(0)
    for col in range(len(trust)):
        if col % SEGMENT == 0:
            _fetch_to_read(texture, three, down, at, (col + SEGMENT) * samples, SEGMENT * samples)
        total = vector_of((ZERO, ZERO, ZERO, ZERO))
        if trust[col] > 0:
            for sample in range(samples):
                i = np.uintp(col * samples + sample)
                a = np.uintp(at[i]) * three
                if a + down < last:  # two texels are six values, and eight are loaded
                    above = load8(texture, a)
                    mixed = add_product(above, fy[i], minus(load8(texture, a + down), above))
                    near = four_from_0(mixed)
                    total = plus(total, add_product(near, fx[i], minus(four_from_3(mixed), near)))
                else:
                    red = _mix(texture, a, right, down, fx[i], fy[i])
                    green = _mix(texture, a + np.uintp(1), right, down, fx[i], fy[i])
                    blue = _mix(texture, a + np.uintp(2), right, down, fx[i], fy[i])
                    total = plus(total, vector_of((red, green, blue, ZERO)))
        red, green, blue, _ = apart(scaled(np.float32(1.0 / samples), total))
        image[col, 0], image[col, 1], image[col, 2] = red, green, blue


@njit(fastmath=FLAGS, error_model="numpy", inline="always")
@no_type_check
def _add_vectors(gradient, trust, pixels, places, texels, count, result):
    """Of three or four channels: both texels of a row are one vector, whose values beyond them get 0 added."""
    (at, fx, fy), (first, end, right, down) = places, texels
    channels, samples = np.uintp(count), len(at) // SEGMENT
    # Vectors want two rows and two columns, and their own rows' ends at a distance.
    last = end - EIGHT if end >= first + EIGHT and right > 0 and down > 0 else np.uintp(0)
    share, one, none = np.float32(1.0 / samples), WHOLE, ZERO
    near = vector_of((one, one, one, one, none, none, none, none))
    far = vector_of((-one, -one, -one, -one, one, one, one, one))
    if count == 3:
        near = vector_of((one, one, one, none, none, none, none, none))
        far = vector_of((-one, -one, -one, one, one, one, none, none))
    for number in range(pixels[1]):
        col = _in_turn(number, pixels[1])
        pixel = np.uintp(pixels[0]) + np.uintp(col)
        if trust[pixel] == 0:
            continue
        g = pixel * channels
        red, green, blue = share * gradient[g], share * gradient[g + ONE], share * gradient[g + TWO]
        pair = vector_of((red, green, blue, red, green, blue, none, none))
        if count == 4:
            other = share * gradient[g + THREE]
            pair = vector_of((red, green, blue, other, red, green, blue, other))
        for sample in range(samples):
            i = np.uintp(col * samples + sample)
            a = np.uintp(at[i]) * channels
            if first <= a < last and a + down < last:
                shares = times(add_product(near, fx[i], far), pair)
                above, below = load8(result, a), load8(result, a + down)
                store(result, a, add_product(above, WHOLE - fy[i], shares))
                store(result, a + down, add_product(below, fy[i], shares))
                continue
            if first <= a < end:
                _add_pair(result, a, right, (WHOLE - fy[i], fx[i], share), gradient, g, channels)
            if first <= a + down < end:
                _add_pair(result, a + down, right, (fy[i], fx[i], share), gradient, g, channels)


@njit(fastmath=FLAGS, error_model="numpy", inline="always")
@no_type_check
def _add_values(gradient, trust, pixels, places, texels, count, result):
    """Of any number of channels."""
    (at, fx, fy), (first, end, right, down) = places, texels
    channels, samples = np.uintp(count), len(at) // SEGMENT
    share = np.float32(1.0 / samples)
    for number in range(pixels[1]):
        col = _in_turn(number, pixels[1])
        pixel = np.uintp(pixels[0]) + np.uintp(col)
        if trust[pixel] == 0:
            continue
        for sample in range(samples):
            i = np.uintp(col * samples + sample)
            a = np.uintp(at[i]) * channels
            if first <= a < end:
                _add_pair(result, a, right, (WHOLE - fy[i], fx[i], share), gradient, pixel * channels, channels)
            if first <= a + down < end:
                _add_pair(result, a + down, right, (fy[i], fx[i], share), gradient, pixel * channels, channels)


@njit(inline="always")
@no_type_check
def _in_turn(number, count):
    """The pixel of a segment of so many whose turn it is; those that are left over come last."""
    each = count // PLACES
    return (number % PLACES) * each + number // PLACES if number < PLACES * each else number


@njit(inline="always")
@no_type_check
def _mix(texture, a, right, down, u, v):
    b, d = a + right, a + down
    top = texture[a] + u * (texture[b] - texture[a])
    return top + v * (texture[d] + u * (texture[d + right] - texture[d]) - top)


@njit(fastmath=FLAGS, error_model="numpy", inline="always")
@no_type_check
def _add_pair(result, a, right, weights, gradient, g, channels):
    """In the order of the vectors' products: a texel's sum is the same, whichever way it was made."""
    weight, u, share = weights
    near = WHOLE - u
    for k in range(channels):
        k = np.uintp(k)
        value, place = share * gradient[g + k], a + k
        result[place] += weight * (near * value)
        result[place + right] += weight * (u * value)


@njit(error_model="numpy")
@no_type_check
def _fetch_to_read(texture, channels, down, at, start, count):
    for i in range(start, min(start + count, len(at))):
        a = np.uintp(at[i]) * channels
        fetch_to_read(texture, a)
        fetch_to_read(texture, a + down)
