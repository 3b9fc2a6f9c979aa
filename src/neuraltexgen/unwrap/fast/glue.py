"""Charts joined again where they fit: one is laid against another along their common border, if it lies flat there."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float64, Int32
from numba import njit

from neuraltexgen.unwrap.fast.against import Pins, Rims, align_with_border, fits_there, is_free, pin_border
from neuraltexgen.unwrap.fast.flatten import Shapes
from neuraltexgen.unwrap.fast.halve import FILL, LARGE
from neuraltexgen.unwrap.fast.injective import covers_itself
from neuraltexgen.unwrap.fast.layout import Layout, Triangles, carry, chart_sums, faces_of, find_fans
from neuraltexgen.unwrap.fast.merge import first_come
from neuraltexgen.unwrap.fast.orient import orient_charts
from neuraltexgen.unwrap.fast.relax import Cloth, relax_chart
from neuraltexgen.unwrap.fast.topology import Surface

PASSES = 4
"""How often all charts are tried: what was joined may be joined further."""

ATTEMPTS = 4
"""How many of its neighbours a chart is laid against in each pass, those with the longest common border."""

SWEEPS = 12
"""Passes over the points of a chart that is laid against another."""

SQUEEZED = 0.2
"""A chart doesn't fit where one of its faces would be scaled by less than this, or by more than its inverse."""

PRICE = 0.02
"""Distortion added (symmetric Dirichlet energy less its least, times area) that a unit of seam saved is worth."""

SCRAP = 1e-4
"""Charts of up to this share of the whole area are joined to others whatever becomes of the rectangle round them."""


class _Filling(NamedTuple):
    """From which share of the whole area charts count as large, and the share of their rectangle that they must fill.

    An argument, because numba keeps compiled code when a constant in another file changes.
    """

    large: float
    fill: float


class _State(NamedTuple):
    """What becomes of the charts in a pass.

    `joint` is the chart that each one is part of, `changed` says whether it was joined to another or another to it,
    and `fresh` whether that happened in the pass before. `areas`, `boxes` (x0, y0, x1, y1) and `rims` are those of what
    is joined, and `total` is the area of all. `shared` is the length of the border to each neighbour of the chart that
    is being tried, `pins` hold its points. `skip` has no face: all are looked at for overlaps.
    """

    joint: Int32[np.ndarray, " c"]
    changed: Bool[np.ndarray, " c"]
    fresh: Bool[np.ndarray, " c"]
    areas: Float64[np.ndarray, " c"]
    total: float
    boxes: Float64[np.ndarray, "c 4"]
    rims: Rims
    shared: Float64[np.ndarray, " c"]
    pins: Pins
    skip: Bool[np.ndarray, " f"]
    filling: _Filling


def glue_charts(
    surface: Surface, shapes: Shapes, layout: Layout, places: Float64[np.ndarray, "p 2"]
) -> tuple[Layout, Float64[np.ndarray, "q 2"]]:
    """Fewer charts, each still flat, without folds and without overlaps of its own if the given ones are.

    Small charts come first. A chart's border points on the other chart take their places there, its other points are
    relaxed (see `relax`), and the other chart stays as it is. Large charts go on filling their rectangles (see
    `halve`).
    """
    fresh = np.ones(layout.chart_count, dtype=np.bool_)
    for _ in range(PASSES):
        places, _ = orient_charts(places, layout.point_starts)
        joint, places, changed = _one_pass(surface, shapes, layout, places, fresh)
        labels = joint[layout.labels]
        if not changed.any():
            break
        number = first_come(labels)
        fresh = np.zeros(int(number.max()) + 1, dtype=np.bool_)
        fresh[number] = changed[labels]
        layout, places = carry(surface, layout, places, number)
    return layout, places


def _one_pass(
    surface: Surface, shapes: Shapes, layout: Layout, places: np.ndarray, fresh: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which chart each one is part of, where the points are, and which charts changed."""
    triangles = Triangles(layout.corners, places.copy())
    cloth = Cloth(triangles, shapes, find_fans(triangles))
    areas = chart_sums(layout, surface.areas)
    order = np.argsort(areas, kind="stable")
    joint, changed = _glue(surface, layout, cloth, areas, fresh, order, _Filling(LARGE, FILL))
    return joint, triangles.places, changed


@njit(cache=True)
@no_type_check
def _glue(surface, layout, cloth, areas, fresh, order, filling):
    """Which chart each one is part of, and which changed; the cloth's points move. Charts come in the given order."""
    state = _begin(surface, layout, cloth.triangles.places, areas, fresh, filling)
    changed = state.changed
    for x in order:
        if changed[x]:
            continue
        for y in _neighbours_of(surface, layout, state, x)[:ATTEMPTS]:
            if (fresh[x] or fresh[y] or changed[y]) and _lay_against(surface, layout, cloth, state, x, y):
                _join(state, x, y)
                break
    return state.joint, changed


@njit(cache=True)
@no_type_check
def _begin(surface, layout, places, areas, fresh, filling):
    """The state before anything is joined."""
    boxes = np.empty((len(areas), 4))
    for chart in range(len(areas)):
        _bound(boxes, layout, places, chart)
    return _State(
        joint=np.arange(len(areas)).astype(np.int32),
        changed=np.zeros(len(areas), np.bool_),
        fresh=fresh,
        areas=areas.copy(),
        total=areas.sum(),
        boxes=boxes,
        rims=_find_rims(surface, layout),
        shared=np.zeros(len(areas)),
        pins=Pins(np.zeros(len(places), np.bool_), np.zeros(places.shape)),
        skip=np.zeros(len(layout.labels), np.bool_),
        filling=filling,
    )


@njit(cache=True)
@no_type_check
def _find_rims(surface, layout):
    labels, neighbours = layout.labels, surface.neighbours
    rims = Rims(np.full(len(layout.starts) - 1, -1, np.int32), np.full(len(labels), -1, np.int32))
    for face in range(len(labels)):
        for k in range(3):
            if neighbours[face, k] < 0 or labels[neighbours[face, k] // 3] != labels[face]:
                rims.after[face] = rims.head[labels[face]]
                rims.head[labels[face]] = face
                break
    return rims


@njit(cache=True)
@no_type_check
def _lay_against(surface, layout, cloth, state, x, y):
    """Lays chart x against y. Returns whether it fits; where it doesn't, its points are back where they were."""
    first, last = layout.point_starts[x], layout.point_starts[x + 1]
    places, pins = cloth.triangles.places, state.pins
    before = places[first:last].copy()
    fits = pin_border(surface, layout, places, state.joint, pins, x, y)
    if fits:
        align_with_border(places, pins, first, last)
        _bound(state.boxes, layout, places, x)
        fits = not _sparse(state, x, y)
    if fits:
        relax_chart(cloth, pins.fixed, first, last, SWEEPS)
        mine = faces_of(layout, x)
        budget = PRICE * state.shared[y]
        fits = (
            fits_there(cloth.shapes, cloth.triangles, before, first, mine, SQUEEZED, budget)
            and is_free(cloth.triangles, state.rims, x, y)
            and not covers_itself(cloth.triangles, mine, state.skip)
        )
    pins.fixed[first:last] = False
    if not fits:
        places[first:last] = before
    # Where it doesn't fit, too: the box is that of the try, and others are laid against this chart.
    _bound(state.boxes, layout, places, x)
    return fits


@njit(cache=True)
@no_type_check
def _sparse(state, x, y):
    """Whether both charts together are large and fill too little of their box; scraps are welcome always."""
    area = state.areas[x] + state.areas[y]
    if not (area > state.filling.large * state.total and state.areas[x] > SCRAP * state.total):
        return False
    boxes = state.boxes
    wide = max(boxes[x, 2], boxes[y, 2]) - min(boxes[x, 0], boxes[y, 0])
    tall = max(boxes[x, 3], boxes[y, 3]) - min(boxes[x, 1], boxes[y, 1])
    return area < state.filling.fill * (wide * tall)


@njit(cache=True)
@no_type_check
def _join(state, x, y):
    """Makes chart x part of y."""
    state.joint[x] = y
    state.changed[x] = state.changed[y] = True
    state.areas[y] += state.areas[x]
    boxes = state.boxes
    for k in range(2):
        boxes[y, k] = min(boxes[y, k], boxes[x, k])
        boxes[y, k + 2] = max(boxes[y, k + 2], boxes[x, k + 2])
    head, after = state.rims
    end = head[x]
    while after[end] >= 0:
        end = after[end]
    after[end] = head[y]
    head[y] = head[x]


@njit(cache=True)
@no_type_check
def _bound(boxes, layout, places, chart):
    """Puts the box round a chart's points into `boxes`."""
    boxes[chart, 0], boxes[chart, 1], boxes[chart, 2], boxes[chart, 3] = np.inf, np.inf, -np.inf, -np.inf
    for point in range(layout.point_starts[chart], layout.point_starts[chart + 1]):
        for k in range(2):
            boxes[chart, k] = min(boxes[chart, k], places[point, k])
            boxes[chart, k + 2] = max(boxes[chart, k + 2], places[point, k])


@njit(cache=True)
@no_type_check
def _neighbours_of(surface, layout, state, x):
    """The charts next to x, that with the longest common border first; `state.shared` is left with the lengths."""
    neighbours, joint, shared = surface.neighbours, state.joint, state.shared
    mine = faces_of(layout, x)
    for face in mine:
        for k in range(3):
            if neighbours[face, k] >= 0:
                shared[joint[layout.labels[neighbours[face, k] // 3]]] = 0.0
    near = np.empty(3 * len(mine), np.int32)
    count = 0
    for face in mine:
        for k in range(3):
            if neighbours[face, k] >= 0:
                y = joint[layout.labels[neighbours[face, k] // 3]]
                if y != x:
                    if shared[y] == 0.0:
                        near[count] = y
                        count += 1
                    shared[y] += surface.lengths[face, k] + 1e-30
    near = near[:count]
    return near[np.argsort(-shared[near], kind="mergesort")]
