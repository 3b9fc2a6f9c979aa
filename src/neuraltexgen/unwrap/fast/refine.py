"""Charts made flat for good: what folds, is squeezed or overlaps is cut out, until nothing does."""

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from neuraltexgen.unwrap.fast.borders import connected
from neuraltexgen.unwrap.fast.flatten import Shapes, least_scales, project
from neuraltexgen.unwrap.fast.injective import overlapping
from neuraltexgen.unwrap.fast.layout import Layout, lay_out
from neuraltexgen.unwrap.fast.merge import Growth, first_come, merge_regions
from neuraltexgen.unwrap.fast.relax import relax
from neuraltexgen.unwrap.fast.topology import Surface

ROUNDS = 5
"""How often charts are cut and relaxed again. After the last, what is bad is cut face by face and nothing moves."""

SWEEPS = 10
"""Passes over a chart's points each time it is laid flat."""

SQUEEZED = 0.12
"""A face that some direction is shortened to less than this in is cut out."""

FLAT = 1e-3
"""The same where nothing moves any more: faces that are merely thin stay."""

LOCAL = 0.2
"""Price of seams where what was cut out is grown anew, per root of its own area; halved in each round."""

BEND = 0.2
"""Most misfit by area there (see `merge`)."""

RING = 1
"""How far round a bad face the cut is made, in faces: a fold needs cloth."""


def flatten_charts(
    surface: Surface, shapes: Shapes, labels: Int32[np.ndarray, " f"]
) -> tuple[Layout, Float64[np.ndarray, "p 2"]]:
    """Charts that are flat, face no face the wrong way and don't overlap themselves, from connected regions.

    Every chart is a region or a part of one.
    """
    layout = lay_out(surface, labels)
    changed = np.ones(layout.chart_count, dtype=np.bool_)
    places = project(surface, layout)
    for turn in range(ROUNDS):
        places = relax(shapes, layout, places, changed, SWEEPS)
        bad = _ringed(surface, layout.labels, least_scales(shapes, layout, places) < SQUEEZED)
        bad |= overlapping(surface, layout, places, bad, changed)
        if not bad.any():
            return layout, places
        finer = Growth(LOCAL / 2**turn, BEND)
        labels, kept = _cut(surface, layout.labels, bad, finer)
        layout, places, changed = _carry(surface, layout, places, labels, kept)
    places = relax(shapes, layout, places, changed, SWEEPS)
    bad = least_scales(shapes, layout, places) < FLAT
    bad |= overlapping(surface, layout, places, bad, changed)
    labels = connected(surface, np.where(bad, layout.chart_count + np.arange(len(bad)), layout.labels).astype(np.int32))
    layout, places, _ = _carry(surface, layout, places, labels, ~bad)
    return layout, places


def _inside(surface: Surface, labels: Int32[np.ndarray, " f"]) -> Bool[np.ndarray, "f 3"]:
    """Edges across which the chart goes on."""
    return (surface.neighbours >= 0) & (labels[surface.neighbours // 3] == labels[:, None])


def _ringed(surface: Surface, labels: Int32[np.ndarray, " f"], bad: Bool[np.ndarray, " f"]) -> Bool[np.ndarray, " f"]:
    """Bad faces and those of their chart round them, RING wide."""
    near, inside = surface.neighbours // 3, _inside(surface, labels)
    for _ in range(RING):
        bad = bad | (bad[near] & inside).any(axis=1)
    return bad


def _cut(
    surface: Surface, labels: Int32[np.ndarray, " f"], bad: Bool[np.ndarray, " f"], finer: Growth
) -> tuple[Int32[np.ndarray, " f"], Bool[np.ndarray, " f"]]:
    """New labels, and which faces stay where they are: the largest good part of each chart.

    The rest is grown anew, from its faces' own normals and at a price that fits its size.
    """
    cut, inside = bad, _inside(surface, labels)
    pieces = connected(surface, np.where(cut, labels + labels.max() + 1, labels).astype(np.int32))
    areas = np.bincount(pieces, np.where(cut, -1.0, surface.areas))
    # Per chart the piece with the largest area; those of cut faces have less than none.
    chart = np.empty(len(areas), dtype=np.int64)
    chart[pieces] = labels
    order = np.lexsort((-areas, chart))
    main = order[np.flatnonzero(np.diff(chart[order], prepend=-1))]
    stays = np.zeros(len(areas), dtype=np.bool_)
    stays[main[areas[main] > 0]] = True
    kept = stays[pieces]
    pieces = connected(surface, np.where(kept, labels, labels + labels.max() + 1).astype(np.int32))
    size = np.sqrt(np.bincount(pieces, surface.areas))[pieces]
    loose = np.flatnonzero(~kept)
    scraps = _part(surface, loose, inside, size)
    regrown = np.zeros(len(labels), dtype=np.int32)
    regrown[loose] = merge_regions(scraps, np.arange(len(loose), dtype=np.int32), finer)
    return first_come(np.where(kept, pieces, regrown + pieces.max() + 1).astype(np.int32)), kept


def _part(
    surface: Surface,
    faces: Int64[np.ndarray, " n"],
    inside: Bool[np.ndarray, "f 3"],
    size: Float64[np.ndarray, " f"],
) -> Surface:
    """These faces alone, joined across edges that are inside a chart, lengths times `size`, normals not smoothed."""
    number = np.full(len(size), -1, dtype=np.int32)
    number[faces] = np.arange(len(faces), dtype=np.int32)
    across = surface.neighbours[faces]
    other = np.where(inside[faces], number[across // 3], -1)
    return surface._replace(
        faces=surface.faces[faces],
        neighbours=np.where(other >= 0, 3 * other + across % 3, -1).astype(np.int32),
        lengths=surface.lengths[faces] * size[faces, None],
        areas=surface.areas[faces],
        normals=surface.normals[faces],
        smooth=surface.normals[faces],
    )


def _carry(
    surface: Surface,
    layout: Layout,
    places: Float64[np.ndarray, "p 2"],
    labels: Int32[np.ndarray, " f"],
    kept: Bool[np.ndarray, " f"],
) -> tuple[Layout, Float64[np.ndarray, "q 2"], Bool[np.ndarray, " c"]]:
    """The layout of the new labels: kept faces where they were, others projected. And which charts changed."""
    after = lay_out(surface, labels)
    result = project(surface, after)
    result[after.corners[kept]] = places[layout.corners[kept]]
    sizes = np.diff(layout.starts)[layout.labels]
    changed = np.zeros(after.chart_count, dtype=np.bool_)
    changed[labels[~kept | (sizes != np.diff(after.starts)[labels])]] = True
    return after, result, changed
