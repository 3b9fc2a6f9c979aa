"""The known texture: rectangles with their albedo images, bilinear lookups in them and averages over small squares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8
from numba import njit, prange

from neuraltexgen.synthetic.cast import Planes, pack_planes
from neuraltexgen.synthetic.layout import Rectangle
from neuraltexgen.types import Points


@dataclass(frozen=True, eq=False)
class Surfaces:
    """All rectangles, and all their albedo images in one long row of pixels, so that one kernel can read any of them.

    Image i has `sizes[i]` (rows, columns), starts at pixel `starts[i]`, and fills its rectangle exactly: pixel (0, 0)
    is the one at `origin`, columns run along `right`.
    """

    rectangles: tuple[Rectangle, ...]
    planes: Planes
    starts: Int64[np.ndarray, " q"]
    sizes: Int64[np.ndarray, "q 2"]
    pixels: UInt8[np.ndarray, "p 3"]

    def albedo(self, index: int) -> UInt8[np.ndarray, "h w 3"]:
        """The albedo image of one rectangle; a view, not a copy."""
        height, width = self.sizes[index]
        start = self.starts[index]
        return self.pixels[start : start + height * width].reshape(height, width, 3)


def join_surfaces(rectangles: Sequence[Rectangle], images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> Surfaces:
    """The rectangles and their images, one each."""
    sizes = np.array([image.shape[:2] for image in images], np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes.prod(axis=1))[:-1]]).astype(np.int64)
    pixels = np.concatenate([image.reshape(-1, 3) for image in images])
    return Surfaces(tuple(rectangles), pack_planes(rectangles), starts, sizes, pixels)


def mean_colours(
    surfaces: Surfaces, indices: Int32[np.ndarray, " n"], points: Points, footprint: float
) -> Float32[np.ndarray, "n 3"]:
    """The albedo at points on the given rectangles, averaged over squares of side `footprint` metres around them.

    The squares lie along the rectangle's sides; what reaches over its edge is left out. A footprint of 0 gives the
    bilinear lookup itself, a larger one the mean of such lookups, about 3 per albedo pixel and axis.
    """
    # The length of a plane row's `right` vector is one over the rectangle's width, and likewise for `down`.
    lengths = np.linalg.norm(surfaces.planes[:, 6:].reshape(-1, 2, 3), axis=2)
    spans = footprint * lengths
    taps = np.maximum(1, np.ceil(3 * spans * surfaces.sizes[:, ::-1]).astype(np.int64))
    out = np.empty((len(points), 3), np.float32)
    _average(surfaces.pixels, surfaces.starts, surfaces.sizes, surfaces.planes, indices, points, spans, taps, out)
    return out


@njit(cache=True, inline="always")
@no_type_check
def lookup(pixels, start, height, width, a, b):
    """Bilinear lookup in an image of bytes at a (along the columns) and b in [0, 1]; the edge pixels reach outwards."""
    x = min(max(a * width - 0.5, 0.0), width - 1.0)
    y = min(max(b * height - 0.5, 0.0), height - 1.0)
    x0, y0 = int(x), int(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    u, v = x - x0, y - y0
    p, q = start + y0 * width, start + y1 * width
    w00, w01, w10, w11 = (1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u
    red = w00 * pixels[p + x0, 0] + w01 * pixels[p + x1, 0] + w10 * pixels[q + x0, 0] + w11 * pixels[q + x1, 0]
    green = w00 * pixels[p + x0, 1] + w01 * pixels[p + x1, 1] + w10 * pixels[q + x0, 1] + w11 * pixels[q + x1, 1]
    blue = w00 * pixels[p + x0, 2] + w01 * pixels[p + x1, 2] + w10 * pixels[q + x0, 2] + w11 * pixels[q + x1, 2]
    return red, green, blue


@njit(cache=True, parallel=True)
@no_type_check
def _average(pixels, starts, sizes, planes, indices, points, spans, taps, out):
    for n in prange(len(points)):
        q = indices[n]
        a, b = 0.0, 0.0
        for k in range(3):
            offset = points[n, k] - planes[q, k]
            a += offset * planes[q, 6 + k]
            b += offset * planes[q, 9 + k]
        a, b = min(max(a, 0.0), 1.0), min(max(b, 0.0), 1.0)
        red, green, blue, count = 0.0, 0.0, 0.0, 0
        for j in range(taps[q, 1]):
            y = b + ((j + 0.5) / taps[q, 1] - 0.5) * spans[q, 1]
            for i in range(taps[q, 0]):
                x = a + ((i + 0.5) / taps[q, 0] - 0.5) * spans[q, 0]
                if 0 <= x <= 1 and 0 <= y <= 1:
                    r, g, c = lookup(pixels, starts[q], sizes[q, 0], sizes[q, 1], x, y)
                    red, green, blue, count = red + r, green + g, blue + c, count + 1
        scale = 1 / (255.0 * max(count, 1))
        out[n, 0], out[n, 1], out[n, 2] = red * scale, green * scale, blue * scale


def corner_points(rectangle: Rectangle) -> Float64[np.ndarray, "4 3"]:
    """The corners: top left, top right, bottom right, bottom left, as seen from the visible side."""
    o, r, d = rectangle.origin, rectangle.right, rectangle.down
    return np.stack([o, o + r, o + r + d, o + d])
