"""Patches in photos, by grey values whatever the exposure: how like two are, and where one lies."""

from typing import no_type_check

import numpy as np
from numba import njit

from neuraltexgen.doctor.evidence import GRAIN

NOISE = (GRAIN / 4) ** 2
"""Variance added to what the other view shows, so that flat grey correlates with nothing."""

ROUNDS, FAR, ALIKE = 12, 4.0, 0.8
"""A patch is followed in so many steps, so many shrunk pixels far, and counts as found at this correlation."""


@njit(cache=True, nogil=True)
@no_type_check
def correlate(images, usable, values, patch, place, sizes, pixels, result):
    """Per pair: the correlation of the patch's values with the photo's at `pixels`; NaN where one lies outside."""
    count = pixels.shape[1]
    seen = np.empty(count, np.float64)
    for m in range(len(patch)):
        v = place[m]
        for s in range(count):
            seen[s] = _grey(images[v], usable[v], sizes[v, 0], sizes[v, 1], pixels[m, s, 0], pixels[m, s, 1])
        mean = seen.mean()
        dot, square = 0.0, 0.0
        for s in range(count):
            dot += values[patch[m], s] * (seen[s] - mean)
            square += (seen[s] - mean) ** 2
        result[m] = dot / np.sqrt(square + count * NOISE)


@njit(cache=True, nogil=True)
@no_type_check
def align(images, usable, values, patch, place, sizes, pixels, result):
    """Per pair: the shift of the patch in the photo, by Gauss-Newton on grey values with a gain and an offset.

    NaN where it leaves the photo, has not come to rest, goes further than FAR, or what it finds is another thing.
    Source: Lucas and Kanade, An iterative image registration technique, IJCAI 1981.
    """
    count = pixels.shape[1]
    seen, across, down = np.empty(count), np.empty(count), np.empty(count)
    for m in range(len(patch)):
        v = place[m]
        image, free, width, height = images[v], usable[v], sizes[v, 0], sizes[v, 1]
        dx, dy, step, likeness = 0.0, 0.0, 1.0, 0.0
        for _ in range(ROUNDS):
            for s in range(count):
                x, y = pixels[m, s, 0] + dx, pixels[m, s, 1] + dy
                seen[s] = _grey(image, free, width, height, x, y)
                right, left = (
                    _grey(image, free, width, height, x + 0.5, y),
                    _grey(image, free, width, height, x - 0.5, y),
                )
                below, above = (
                    _grey(image, free, width, height, x, y + 0.5),
                    _grey(image, free, width, height, x, y - 0.5),
                )
                across[s], down[s] = right - left, below - above
            seen -= seen.mean()
            across -= across.mean()
            down -= down.mean()
            gain, square = 0.0, 0.0
            xx, xy, yy, xe, ye = 1e-9, 0.0, 1e-9, 0.0, 0.0
            for s in range(count):
                gain += values[patch[m], s] * seen[s]
                square += seen[s] * seen[s]
            for s in range(count):
                error = gain * values[patch[m], s] - seen[s]
                xx += across[s] * across[s]
                xy += across[s] * down[s]
                yy += down[s] * down[s]
                xe += across[s] * error
                ye += down[s] * error
            likeness = gain / np.sqrt(square + count * NOISE)
            determinant = xx * yy - xy * xy
            if not (likeness > 0 and determinant > 1e-3 * (xx + yy) ** 2):
                likeness = 0.0
                break
            step_x, step_y = (yy * xe - xy * ye) / determinant, (xx * ye - xy * xe) / determinant
            step = np.sqrt(step_x * step_x + step_y * step_y)
            if step > 1:
                step_x, step_y = step_x / step, step_y / step
            dx, dy = dx + step_x, dy + step_y
            if step < 0.02 or dx * dx + dy * dy > FAR * FAR:
                break
        if likeness > ALIKE and step < 0.1 and dx * dx + dy * dy <= FAR * FAR:
            result[m] = dx, dy


@njit(cache=True, nogil=True)
@no_type_check
def _grey(image, usable, width, height, x, y):
    """The image at a point (pixel centres at +0.5), bilinear; NaN outside, or beside a pixel that does not count."""
    x, y = x - 0.5, y - 0.5
    if not (x >= 0 and y >= 0 and x < width - 1 and y < height - 1):
        return np.nan
    i, j = int(y), int(x)
    if not (usable[i, j] and usable[i + 1, j + 1]):
        return np.nan
    a, b = y - i, x - j
    top = (1 - b) * image[i, j] + b * image[i, j + 1]
    low = (1 - b) * image[i + 1, j] + b * image[i + 1, j + 1]
    return (1 - a) * top + a * low
