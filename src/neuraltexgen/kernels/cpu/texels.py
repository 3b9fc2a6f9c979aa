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

FLAGS = {"contract"}

EIGHT = np.uintp(8)
"""Unsigned sums index without a test for negative numbers."""


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def read_row(texture, size, at, fx, fy, trust, image):
    """Writes each pixel's mean lookup into `image` (w c), 0 where its trust is 0."""
    channels, samples = np.uintp(size[2]), len(at) // len(trust)
    right, down = steps(size)
    if size[2] == 3:
        _read_three(texture, right, down, at, fx, fy, trust, image)
        return
    share = np.float32(1.0 / samples)
    for col in range(len(trust)):
        if col % SEGMENT == 0:
            _fetch_to_read(texture, channels, down, at[(col + SEGMENT) * samples : (col + 2 * SEGMENT) * samples])
        for k in range(size[2]):
            total = ZERO
            if trust[col] > 0:
                for i in range(col * samples, (col + 1) * samples):
                    total += _mix(texture, np.uintp(at[i]) * channels + np.uintp(k), right, down, fx[i], fy[i])
            image[col, k] = share * total


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def add_segment(gradient, trust, at, fx, fy, own, size, result):
    """Adds the pixels' gradient (w c) to the texels in the rows from own[0] to own[1] that they look at."""
    samples, channels = len(at) // SEGMENT, np.uintp(size[2])
    right, down = steps(size)
    first, end = np.uintp(own[0] * size[1] * size[2]), np.uintp(own[1] * size[1] * size[2])
    _fetch_to_write(result, channels, down, at[: len(trust) * samples], first, end)
    if size[2] == 3 or size[2] == 4:
        _add_vectors(gradient, trust, at, fx, fy, (first, end), right, down, result)
        return
    share = np.float32(1.0 / samples)
    for col in range(len(trust)):
        if trust[col] == 0:
            continue
        for i in range(col * samples, (col + 1) * samples):
            a = np.uintp(at[i]) * channels
            if first <= a < end:
                _add_pair(result, a, right, WHOLE - fy[i], fx[i], share, gradient[col])
            if first <= a + down < end:
                _add_pair(result, a + down, right, fy[i], fx[i], share, gradient[col])


@njit
@no_type_check
def steps(size):
    """How far the next texel to the right and the one below are; 0 where there is none, and its weight is 0."""
    right = np.uintp(size[2] if size[1] > 1 else 0)
    return right, np.uintp(size[1] * size[2] if size[0] > 1 else 0)


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _read_three(texture, right, down, at, fx, fy, trust, image):
    samples, three = len(at) // len(trust), np.uintp(3)
    last = np.uintp(len(texture) - 8) if len(texture) >= 8 and right > 0 else np.uintp(0)
    for col in range(len(trust)):
        if col % SEGMENT == 0:
            _fetch_to_read(texture, three, down, at[(col + SEGMENT) * samples : (col + 2 * SEGMENT) * samples])
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


@njit(fastmath=FLAGS, error_model="numpy")
@no_type_check
def _add_vectors(gradient, trust, at, fx, fy, own, right, down, result):
    """Of three or four channels: both texels of a row are one vector, whose values beyond them get 0 added."""
    (first, end), samples, channels = own, len(at) // SEGMENT, gradient.shape[1]
    share, last = np.float32(1.0 / samples), end - EIGHT if end >= first + EIGHT and right > 0 else np.uintp(0)
    one, none = WHOLE, ZERO
    near = vector_of((one, one, one, one, none, none, none, none))
    far = vector_of((-one, -one, -one, -one, one, one, one, one))
    if channels == 3:
        near = vector_of((one, one, one, none, none, none, none, none))
        far = vector_of((-one, -one, -one, one, one, one, none, none))
    for col in range(len(trust)):
        if trust[col] == 0:
            continue
        red, green, blue = share * gradient[col, 0], share * gradient[col, 1], share * gradient[col, 2]
        pair = vector_of((red, green, blue, red, green, blue, none, none))
        if channels == 4:
            other = share * gradient[col, 3]
            pair = vector_of((red, green, blue, other, red, green, blue, other))
        for sample in range(samples):
            i = np.uintp(col * samples + sample)
            a = np.uintp(at[i]) * np.uintp(channels)
            if first <= a < last and a + down < last:
                shares = times(add_product(near, fx[i], far), pair)
                store(result, a, add_product(load8(result, a), WHOLE - fy[i], shares))
                store(result, a + down, add_product(load8(result, a + down), fy[i], shares))
                continue
            if first <= a < end:
                _add_pair(result, a, right, WHOLE - fy[i], fx[i], share, gradient[col])
            if first <= a + down < end:
                _add_pair(result, a + down, right, fy[i], fx[i], share, gradient[col])


@njit(inline="always")
@no_type_check
def _mix(texture, a, right, down, u, v):
    b, d = a + right, a + down
    top = texture[a] + u * (texture[b] - texture[a])
    return top + v * (texture[d] + u * (texture[d + right] - texture[d]) - top)


@njit(fastmath=FLAGS, error_model="numpy", inline="always")
@no_type_check
def _add_pair(result, a, right, weight, u, share, gradient):
    """In the order of the vectors' products: a texel's sum is the same, whichever way it was made."""
    near = WHOLE - u
    for k in range(len(gradient)):
        value, place = share * gradient[k], a + np.uintp(k)
        result[place] += weight * (near * value)
        result[place + right] += weight * (u * value)


@njit(error_model="numpy")
@no_type_check
def _fetch_to_read(texture, channels, down, at):
    for i in range(len(at)):
        a = np.uintp(at[i]) * channels
        fetch_to_read(texture, a)
        fetch_to_read(texture, a + down)


@njit(error_model="numpy")
@no_type_check
def _fetch_to_write(result, channels, down, at, first, end):
    for i in range(len(at)):
        a = np.uintp(at[i]) * channels
        if first <= a < end:
            fetch_to_write(result, a)
        if first <= a + down < end:
            fetch_to_write(result, a + down)
