"""Charts packed into square pages by their true outlines, the largest first, each where it lies lowest."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64
from numba import njit, prange

from neuraltexgen.errors import UnwrapError
from neuraltexgen.unwrap.fast.layout import Layout, Triangles
from neuraltexgen.unwrap.fast.orient import orient_charts
from neuraltexgen.unwrap.fast.raster import runs_of, spread, touched, turned, widened

LADDER = np.array([0.955, 0.985, 1.015, 1.045])
"""Shares of a scale that are tried in parallel; after that, scales between the largest that fits and the next."""

NEAR = np.array([1.0, 1.009, 1.018, 1.027])
"""The same where the scale is nearly known already; finer ones are not tried after that."""

COARSE = 2048
"""Textures of at least twice this side are packed in cells of several texels first."""

FULL = 0.82
"""Share of the square that charts with half their gutters are expected to fill: where the search begins."""

FINEST = 0.01
"""The search ends when the scale is known to this share."""

SMALL = 32
"""Charts of up to so many texels with their gutters are tried upright and lying only, not upside down, too."""

LARGE = 96
"""Charts of fewer texels look for a place only from where the last one of their size found its."""

CLASSES = 64
"""Sizes that are told apart when a place is looked for: steps of an eighth."""


class _Problem(NamedTuple):
    """The charts upright, their lower left corners at the origin, and the order in which they look for a place.

    The arrays are those of `Layout` and of `Triangles`, all in one tuple: parallel loops don't take nested ones.
    """

    corners: Int32[np.ndarray, "f 3"]
    places: Float64[np.ndarray, "p 2"]
    faces: Int32[np.ndarray, " f"]
    starts: Int64[np.ndarray, " starts"]
    order: Int64[np.ndarray, " c"]
    resolution: int
    gutter: int
    pages: int
    evenly: bool


class Packed(NamedTuple):
    """Charts in pages. `texels`: the points, x to the right and y up within their page; `pages`: each chart's page.

    `scale`: texels a unit of the places that were packed. `page_count`: pages up to the last that has a chart.
    """

    texels: Float64[np.ndarray, "p 2"]
    pages: Int64[np.ndarray, " c"]
    scale: float
    page_count: int


class _Square(NamedTuple):
    """The texture while charts are put there. Its texel (row, column) is at (row + gutter, column + gutter).

    So masks with gutters may stick out. `ends`: where the run that a texel belongs to ends, negative for runs of taken
    texels. `known`: where the last chart of about this width and height found place; the next one need not look lower.
    """

    taken: Bool[np.ndarray, "side side"]
    ends: Int32[np.ndarray, "side side"]
    known: Int32[np.ndarray, "classes classes"]
    margin: int


def pack_charts(
    layout: Layout, places: Float64[np.ndarray, "p 2"], resolution: int, gutter: int, pages: int = 1
) -> Packed:
    """The points in texels, in [0, resolution]², charts at least `gutter` texels apart and half that from the sides.

    All charts are scaled alike, as much as lets them fit into `pages` squares, and turned; each goes to the page least
    filled that has room, so that pages are filled evenly. Raises UnwrapError where they don't fit at any scale,
    because there are more charts than gutters leave room for.
    """
    problem, area, outline = _problem(layout, places, resolution, gutter, pages, evenly=True)
    guess, ladder, cell = _guess(area, outline, resolution, gutter, pages), LADDER, resolution // COARSE
    if cell > 1:
        # Where texels are many, the scale is looked for on cells of several texels first.
        coarse = problem._replace(resolution=resolution // cell, gutter=-(-gutter // cell))
        found, _ = _search(coarse, guess / cell, LADDER)
        guess, ladder = (found * cell, NEAR) if found > 0 else (guess, LADDER)
    scale, spots = _search(problem, guess, ladder)
    if scale == 0:
        on = f"{pages} pages" if pages > 1 else "a texture"
        raise UnwrapError(
            f"unwrap: {layout.chart_count} charts with gutters of {gutter} texels don't fit "
            f"{on} of {resolution} x {resolution} texels",
            fix="a larger --resolution or a smaller --gutter",
        )
    return _put(problem.places * scale, layout, spots, scale)


def pack_at(
    layout: Layout, places: Float64[np.ndarray, "p 2"], resolution: int, gutter: int, pages: int, scale: float
) -> Packed | None:
    """The same at a given scale: as few pages as are found to do, filled evenly; None if `pages` are too few."""
    problem, _, _ = _problem(layout, places, resolution, gutter, pages, evenly=False)
    found, spots = _try(problem, np.array([scale]))
    if found == 0:
        return None
    packed = _put(problem.places * scale, layout, spots, scale)
    # One page after the other shows how many are needed; those are then filled alike where that fits, too.
    found, spots = _try(problem._replace(pages=packed.page_count, evenly=True), np.array([scale]))
    return packed if found == 0 else _put(problem.places * scale, layout, spots, scale)


def _search(problem: _Problem, guess: float, ladder: np.ndarray) -> tuple[float, np.ndarray]:
    """The largest scale found at which all charts fit, and where they lie; 0 where there is none."""
    scale, spots = 0.0, np.empty((0, 6), dtype=np.int64)
    for _ in range(40):
        scale, spots = _try(problem, guess * ladder)
        if scale == guess * ladder[-1]:
            guess *= ladder[-1] / ladder[0]
        elif scale > 0:
            break
        else:
            guess *= ladder[0] / ladder[-1]
    step = ladder[-1] - ladder[-2]
    while scale > 0 and step > FINEST:
        step /= len(ladder) + 1
        better, found = _try(problem, scale * (1 + step * np.arange(1, len(ladder) + 1)))
        if better > 0:
            scale, spots = better, found
    return scale, spots


def _problem(
    layout: Layout, places: np.ndarray, resolution: int, gutter: int, pages: int, evenly: bool
) -> tuple[_Problem, float, float]:
    """What is to be packed, its area, and the outline of the charts' rectangles."""
    upright, sizes = orient_charts(places, layout.point_starts)
    order = np.argsort(-sizes.prod(axis=1), kind="stable")
    problem = _Problem(layout.corners, upright, layout.faces, layout.starts, order, resolution, gutter, pages, evenly)
    corners = upright[layout.corners]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = float(np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).sum() / 2)
    return problem, area, float(sizes.sum()) * 2


def _guess(area: float, outline: float, resolution: int, gutter: int, pages: int) -> float:
    """The scale at which charts of this area, with half a gutter along their outline, fill FULL of the squares."""
    b, c = outline * (gutter + 1) / 2, -FULL * pages * resolution**2
    return (-b + np.sqrt(b * b - 4 * area * c)) / (2 * area) if area > 0 else 1.0


def _try(problem: _Problem, scales: np.ndarray) -> tuple[float, np.ndarray]:
    """The largest of the scales at which all charts fit, and where they lie; 0 where there is none."""
    spots = np.zeros((len(scales), len(problem.order), 6), dtype=np.int64)
    fits = np.zeros(len(scales), dtype=np.bool_)
    _pack_all(problem, scales, spots, fits)
    best = int(np.flatnonzero(fits)[-1]) if fits.any() else -1
    return (float(scales[best]), spots[best]) if best >= 0 else (0.0, spots[0])


def _put(places: np.ndarray, layout: Layout, spots: np.ndarray, scale: float) -> Packed:
    x0, y0, quarters, wide, tall, _ = spots[np.repeat(np.arange(layout.chart_count), np.diff(layout.point_starts))].T
    x, y = places.T
    across = np.choose(quarters, [x, tall - y, wide - x, y])
    down = np.choose(quarters, [y, x, tall - y, wide - x])
    pages = spots[:, 5].copy()
    return Packed(np.stack([x0 + across, y0 + down], axis=1), pages, scale, int(pages.max()) + 1)


@njit(cache=True, parallel=True)
@no_type_check
def _pack_all(problem, scales, spots, fits):
    for n in prange(len(scales)):
        fits[n] = _pack(problem, scales[n], spots[n])


@njit(cache=True)
@no_type_check
def _pack(problem, scale, spots):
    """Whether all charts fit. `spots`: x, y, quarter turns, the mask's width and height before them, the page."""
    triangles, starts, gutter = Triangles(problem.corners, problem.places), problem.starts, problem.gutter
    pages, side, margin = problem.pages, problem.resolution + 2 * gutter, (gutter + 1) // 2
    taken, ends = np.zeros((pages, side, side), np.bool_), np.full((pages, side, side), side, np.int32)
    known, used = np.full((pages, CLASSES, CLASSES), margin, np.int32), np.zeros(pages, np.int64)
    for chart in problem.order:
        mask = touched(triangles, problem.faces[starts[chart] : starts[chart + 1]], scale)
        if max(mask.shape) > problem.resolution - 2 * margin:
            return False
        wide, quarters = widened(mask, gutter), -1
        for page in np.argsort(used, kind="mergesort") if problem.evenly else np.arange(pages):
            square = _Square(taken[page], ends[page], known[page], margin)
            x, y, quarters = _lowest_place(square, wide)
            if quarters >= 0:
                spots[chart, 0], spots[chart, 1], spots[chart, 2] = x, y, quarters
                spots[chart, 3], spots[chart, 4], spots[chart, 5] = mask.shape[1], mask.shape[0], page
                _take(square, turned(mask, quarters), x + gutter, y + gutter)
                used[page] += wide.sum()
                break
        if quarters < 0:
            return False
    return True


@njit(cache=True)
@no_type_check
def _lowest_place(square, wide):
    """Where a mask with its gutters ends lowest: x, y and its quarter turns, which are -1 where it has no place."""
    best, left, lowest, top = -1, 0, 0, len(square.ends)
    for quarters in range(4 if max(wide.shape) > SMALL else 2):
        runs = spread(runs_of(turned(wide, quarters)))
        height, width = (wide.shape[1], wide.shape[0]) if quarters % 2 else wide.shape
        x, y = _first_place(square, runs, width, height, top - height)
        if y >= 0:
            best, left, lowest, top = quarters, x, y, y + height
    return left, lowest, best


@njit(cache=True)
@no_type_check
def _first_place(square, runs, width, height, limit):
    """A low place where no run meets a taken texel, below `limit`; (-1, -1) where none is found.

    Rows are tried in steps of a part of the height, then those just below the first that has room one by one.
    """
    a, b = _size_class(width), _size_class(height)
    lowest = square.known[a, b] if max(width, height) < LARGE else square.margin
    step = max(1, height // 16)
    top = min(len(square.ends) - square.margin - height + 1, limit)
    for coarse in range(lowest, top, step):
        x = _room(square, runs, width, coarse)
        if x >= 0:
            y = coarse
            for finer in range(max(coarse - step + 1, lowest), coarse):
                there = _room(square, runs, width, finer)
                if there >= 0:
                    x, y = there, finer
                    break
            square.known[a, b] = y
            return x, y
    return -1, -1


@njit(cache=True)
@no_type_check
def _size_class(texels):
    return min(int(np.log(texels) / np.log(1.125)), CLASSES - 1)


@njit(cache=True)
@no_type_check
def _room(square, runs, width, y):
    """The leftmost x at which no run meets a taken texel, y rows up; -1 where there is none."""
    ends, last = square.ends, len(square.ends) - square.margin - width
    likely = 0
    x = square.margin
    while x <= last:
        ahead = 0
        for n in range(-1, len(runs)):
            # The run that was met last is the likeliest to be met again.
            run = likely if n < 0 else n
            row = y + runs[run, 0]
            end = ends[row, x + runs[run, 1]]
            if end < 0:
                ahead = -end - runs[run, 1]
            elif end < x + runs[run, 2]:
                ahead = -ends[row, end] - runs[run, 1]
            if ahead > 0:
                likely = run
                break
        if ahead == 0:
            return x
        x = ahead
    return -1


@njit(cache=True)
@no_type_check
def _take(square, mask, x, y):
    """Takes the mask's texels, its lower left corner at (x, y), and finds the runs anew that they are part of."""
    taken, ends = square.taken, square.ends
    side = len(ends)
    for i in range(mask.shape[0]):
        first, last = -1, -1
        for j in range(mask.shape[1]):
            if mask[i, j]:
                taken[y + i, x + j] = True
                first, last = (x + j if first < 0 else first), x + j
        if first < 0:
            continue
        end = -ends[y + i, last + 1] if last + 1 < side and taken[y + i, last + 1] else last + 1
        for column in range(last, -1, -1):
            if column < last and taken[y + i, column] != taken[y + i, column + 1]:
                if column + 1 < first:
                    break
                end = column + 1
            ends[y + i, column] = -end if taken[y + i, column] else end
