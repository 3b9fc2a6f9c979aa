"""Light baked into the albedo: a window and a lamp, soft shadows and four bounces (radiosity on a coarse grid).

The photos need no shading then, and yet look like a room: corners darken, a red box tints the wall beside it.
Method: gathering radiosity over cosine-weighted rays, Cohen & Wallace, Radiosity and Realistic Image Synthesis, ch. 4.
"""

from collections.abc import Sequence
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from numba import njit, prange
from PIL import Image as Pillow

from neuraltexgen.synthetic.cast import blocked, nearest, pack_planes
from neuraltexgen.synthetic.layout import Rectangle

CELLS_PER_METRE = 10.0
GATHERED = 64
"""Rays from each cell over its hemisphere; and points on each light."""
BOUNCES = 4
EXPOSURE = 1.8
Bytes = UInt8[np.ndarray, "_ _ 3"]


def bake_light(rectangles: Sequence[Rectangle], images: Sequence[Bytes], rng: np.random.Generator) -> list[Bytes]:
    """The painted images as they look under the room's light. Lights themselves stay as they are painted."""
    grids = [_grid(rectangle) for rectangle in rectangles]
    painted = [_cell_colours(image, grid) for image, grid in zip(images, grids)]
    light = _radiosity(rectangles, grids, painted, rng)
    lit = []
    for rectangle, image, cells in zip(rectangles, images, light):
        out = image if any(rectangle.glow) else np.empty_like(image)
        if out is not image:
            _shade(image, _smooth(cells), _LINEAR, out)
        lit.append(out)
    return lit


def _grid(rectangle: Rectangle) -> tuple[int, int]:
    """Rows and columns of the coarse cells."""
    width, height = rectangle.size
    return max(2, round(height * CELLS_PER_METRE)), max(2, round(width * CELLS_PER_METRE))


def _radiosity(
    rectangles: Sequence[Rectangle],
    grids: Sequence[tuple[int, int]],
    painted: Sequence[Float32[np.ndarray, "_ _ 3"]],
    rng: np.random.Generator,
) -> list[Float32[np.ndarray, "_ _ 3"]]:
    """Light that falls on each cell, per rectangle."""
    planes = pack_planes(rectangles)
    places = np.concatenate([_cell_centres(r, grid) for r, grid in zip(rectangles, grids)])
    owners = np.repeat(np.arange(len(rectangles)), [rows * cols for rows, cols in grids])
    frames = np.array([_frame(rectangle) for rectangle in rectangles])
    starts = np.cumsum([0] + [rows * cols for rows, cols in grids])
    albedo = np.concatenate([cells.reshape(-1, 3) for cells in painted])
    albedo[np.array([any(rectangle.glow) for rectangle in rectangles])[owners]] = 0
    turns = rng.random((len(places), 2))
    hits = np.empty((len(places), GATHERED), np.int64)
    _gather(planes, places, owners, frames, turns, starts, np.array(grids), hits)
    direct = np.zeros((len(places), 3))
    for q, rectangle in enumerate(rectangles):
        if any(rectangle.glow):
            spans = np.stack([rectangle.right, rectangle.down])
            _shine(planes, places, owners, planes[q], spans, turns, np.array(rectangle.glow), direct)
    light = direct
    for _ in range(BOUNCES):
        sent = np.vstack([light * albedo, np.zeros((1, 3))])
        light = direct + sent[hits].mean(axis=1)
    split = np.split(light.astype(np.float32), starts[1:-1])
    return [cells.reshape(*grid, 3) for cells, grid in zip(split, grids)]


def _cell_centres(rectangle: Rectangle, grid: tuple[int, int]) -> Float64[np.ndarray, "n 3"]:
    rows, cols = np.mgrid[: grid[0], : grid[1]] + 0.5
    b, a = (rows / grid[0]).reshape(-1, 1), (cols / grid[1]).reshape(-1, 1)
    return rectangle.origin + a * rectangle.right + b * rectangle.down + 1e-4 * rectangle.normal


def _frame(rectangle: Rectangle) -> Float64[np.ndarray, "3 3"]:
    """Unit vectors along right, down and the normal."""
    width, height = rectangle.size
    return np.stack([rectangle.right / width, rectangle.down / height, rectangle.normal])


def _smooth(cells: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Two passes of a 1 2 1 blur along both axes: hides the grain of the few rays."""
    for _ in range(2):
        for axis in (0, 1):
            pad = [(1, 1) if k == axis else (0, 0) for k in range(3)]
            padded = np.pad(cells, pad, mode="edge")
            size = cells.shape[axis]
            before, after = (np.take(padded, np.arange(size) + shift, axis) for shift in (0, 2))
            cells = (0.25 * (before + after) + 0.5 * cells).astype(np.float32)
    return cells


def _cell_colours(image: Bytes, grid: tuple[int, int]) -> Float32[np.ndarray, "_ _ 3"]:
    """The mean colour in each cell, decoded."""
    rows, cols = grid
    return _LINEAR[np.asarray(Pillow.fromarray(image).resize((cols, rows), Pillow.Resampling.BOX))]


_CODES = np.arange(256) / 255
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""sRGB's decoding of each byte, IEC 61966-2-1."""


@njit(cache=True, parallel=True)
@no_type_check
def _gather(planes, places, owners, frames, turns, starts, grids, hits):
    """For every cell and ray the index of the cell that the ray meets; the last index + 1 if none."""
    for n in prange(len(places)):
        frame = frames[owners[n]]
        for k in range(hits.shape[1]):
            # A rank-1 lattice, turned differently for every cell, spread by cosine over the hemisphere.
            square = ((k + 0.5) / hits.shape[1] + turns[n, 0]) % 1.0
            angle = 2 * np.pi * ((k * 0.6180339887498949 + turns[n, 1]) % 1.0)
            x, y, z = np.sqrt(square) * np.cos(angle), np.sqrt(square) * np.sin(angle), np.sqrt(1 - square)
            dx = x * frame[0, 0] + y * frame[1, 0] + z * frame[2, 0]
            dy = x * frame[0, 1] + y * frame[1, 1] + z * frame[2, 1]
            dz = x * frame[0, 2] + y * frame[1, 2] + z * frame[2, 2]
            q, _, a, b = nearest(planes, places[n, 0], places[n, 1], places[n, 2], dx, dy, dz)
            hits[n, k] = starts[-1]
            if q >= 0:
                row = min(max(int(b * grids[q, 0]), 0), grids[q, 0] - 1)
                col = min(max(int(a * grids[q, 1]), 0), grids[q, 1] - 1)
                hits[n, k] = starts[q] + row * grids[q, 1] + col


@njit(cache=True, parallel=True)
@no_type_check
def _shine(planes, places, owners, light, spans, turns, glow, direct):
    """Adds the light that one glowing rectangle sends straight to every cell."""
    area = np.sqrt(_dot(spans[0], spans[0]) * _dot(spans[1], spans[1]))
    for n in prange(len(places)):
        total = 0.0
        d = np.empty(3)
        for k in range(GATHERED):
            a = ((k + 0.5) / GATHERED + turns[n, 0]) % 1.0
            b = (k * 0.6180339887498949 + turns[n, 1]) % 1.0
            for i in range(3):
                d[i] = light[i] + a * spans[0, i] + b * spans[1, i] - places[n, i]
            squared = _dot(d, d)
            leaving, arriving = -_dot(d, light[3:6]), _dot(d, planes[owners[n], 3:6])
            if (
                leaving > 0
                and arriving > 0
                and not blocked(planes, places[n, 0], places[n, 1], places[n, 2], d[0], d[1], d[2], 1 - 1e-6)
            ):
                total += leaving * arriving / (squared * max(squared, 0.01))
        for c in range(3):
            direct[n, c] += glow[c] * total / GATHERED * area / np.pi


@njit(cache=True)
@no_type_check
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, parallel=True)
@no_type_check
def _shade(image, cells, linear, out):
    """Image times light, through a film-like shoulder, encoded as sRGB."""
    height, width = image.shape[:2]
    rows, cols = cells.shape[:2]
    for i in prange(height):
        y = min(max((i + 0.5) / height * rows - 0.5, 0.0), rows - 1.0)
        y0 = min(int(y), rows - 2)
        for j in range(width):
            x = min(max((j + 0.5) / width * cols - 0.5, 0.0), cols - 1.0)
            x0 = min(int(x), cols - 2)
            u, v = x - x0, y - y0
            for c in range(3):
                above = cells[y0, x0, c] * (1 - u) + cells[y0, x0 + 1, c] * u
                below = cells[y0 + 1, x0, c] * (1 - u) + cells[y0 + 1, x0 + 1, c] * u
                light = EXPOSURE * (above * (1 - v) + below * v)
                value = linear[image[i, j, c]] * light
                value = value * (1 + value / 7) / (1 + value)
                code = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
                out[i, j, c] = min(max(int(255 * code + 0.5), 0), 255)
