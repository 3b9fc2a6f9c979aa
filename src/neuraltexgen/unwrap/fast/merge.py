"""Regions grown by merging: neighbours whose normals agree become one, the cheapest pair per seam saved first."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64
from numba import njit

from neuraltexgen.unwrap.fast.groups import group
from neuraltexgen.unwrap.fast.topology import Surface

BALANCE = 1e-3
"""What joining two regions costs besides, per area of the smaller: flat regions grow evenly, not face by face."""

STEEP = 0.3
"""Cosine to a region's mean normal below which a face counts as steep: laid flat it would be stretched, or folded."""

STEEP_COST = 2.0
"""What a region's steep faces add to its misfit, per area."""


class Growth(NamedTuple):
    """`price`: misfit that a unit of seam is worth (both in root areas); `bend`: most misfit by area of any region."""

    price: float
    bend: float


class _Graph(NamedTuple):
    """Regions, and the pairs of them that have a common border. `steep`: the area of a region's steep faces.

    `barred` pairs were found to be too dear once, and so is whatever grows from them.
    """

    areas: Float64[np.ndarray, " r"]
    sums: Float64[np.ndarray, "r 3"]
    steep: Float64[np.ndarray, " r"]
    a: Int32[np.ndarray, " e"]
    b: Int32[np.ndarray, " e"]
    length: Float64[np.ndarray, " e"]
    barred: Bool[np.ndarray, " e"]


class _Members(NamedTuple):
    """The faces of each region, in order: `faces[offsets[region]:offsets[region + 1]]`."""

    offsets: Int64[np.ndarray, " offsets"]
    faces: Int64[np.ndarray, " f"]


def merge_regions(surface: Surface, labels: Int32[np.ndarray, " f"], growth: Growth) -> Int32[np.ndarray, " f"]:
    """Labels with neighbouring regions joined, numbered from 0 as faces come.

    A region's misfit is its area less the length of its summed normals, 0 for a plane, and STEEP_COST times the area of
    its steep faces. Two regions are joined if that adds less misfit than `price` times their common border is long, and
    the joint region's misfit stays below `bend` of its area. In each round those pairs are joined that are each other's
    cheapest, so that the order is nearly that of rising cost (region merging for the piecewise constant Mumford-Shah
    functional: Koepfler, Lopez, Morel 1994).
    """
    labels = first_come(labels)
    graph = _graph(surface, labels)
    while True:
        parent, tried = _join(surface, graph, _Members(*group(labels, len(graph.areas))), growth)
        if not tried:
            return labels
        number = first_come(parent)
        labels = number[labels]
        graph = _shrink(graph, number, parent)


def first_come(labels: Int32[np.ndarray, " n"]) -> Int32[np.ndarray, " n"]:
    """The same partition, numbered from 0 in the order in which its labels come."""
    return _first_come(labels, int(labels.max()) + 1 if len(labels) else 0)


def _graph(surface: Surface, labels: np.ndarray) -> _Graph:
    count = int(labels.max()) + 1
    vectors = surface.smooth * surface.areas[:, None]
    sums = np.stack([np.bincount(labels, vectors[:, k], count) for k in range(3)], axis=1)
    axis = sums[labels]
    steep = (axis * surface.smooth).sum(axis=1) < STEEP * np.linalg.norm(axis, axis=1)
    flat = surface.neighbours.reshape(-1)
    edge = np.flatnonzero(flat > np.arange(flat.size))
    one, two = labels[edge // 3], labels[flat[edge] // 3]
    length = surface.lengths.reshape(-1)[edge]
    a, b, length, barred = _combine(one, two, length, np.zeros(len(edge), dtype=bool), count)
    areas = np.bincount(labels, surface.areas, count)
    return _Graph(areas, sums, np.bincount(labels, surface.areas * steep, count), a, b, length, barred)


def _shrink(graph: _Graph, number: np.ndarray, parent: np.ndarray) -> _Graph:
    """The graph of the joint regions, `number` of each old one; `steep` holds for those that `parent` names."""
    count = int(number.max()) + 1
    roots = np.empty(count, dtype=np.int64)
    roots[number] = parent
    return _Graph(
        np.bincount(number, graph.areas, count),
        np.stack([np.bincount(number, graph.sums[:, k], count) for k in range(3)], axis=1),
        graph.steep[roots],
        *_combine(number[graph.a], number[graph.b], graph.length, graph.barred, count),
    )


def _combine(
    a: np.ndarray, b: np.ndarray, length: np.ndarray, barred: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each pair of regions once, with the length of all their common edges."""
    apart = a != b
    a, b, length, barred = a[apart].astype(np.int64), b[apart], length[apart], barred[apart]
    key = np.minimum(a, b) * count + np.maximum(a, b)
    order = np.argsort(key, kind="stable")
    key, length, barred = key[order], length[order], barred[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    if len(first):
        length, barred = np.add.reduceat(length, first), np.logical_or.reduceat(barred, first)
    return (key[first] // count).astype(np.int32), (key[first] % count).astype(np.int32), length, barred


@njit(cache=True)
@no_type_check
def _first_come(labels, count):
    number = np.full(count, -1, np.int32)
    result = np.empty(len(labels), np.int32)
    used = 0
    for i in range(len(labels)):
        if number[labels[i]] < 0:
            number[labels[i]] = used
            used += 1
        result[i] = number[labels[i]]
    return result


@njit(cache=True)
@no_type_check
def _join(surface, graph, members, growth):
    """The region that each one is joined to, and whether any pair was tried.

    Those pairs are tried that are each other's cheapest. Too dear ones, with their steep faces, are barred for good.
    """
    cost, best = _cheapest(graph, growth)
    parent = np.arange(len(best)).astype(np.int32)
    tried = False
    for e in range(len(cost)):
        one, two = graph.a[e], graph.b[e]
        if best[one] == e and best[two] == e:
            tried = True
            joint = _steep_area(surface, members, one, two, graph.sums[one] + graph.sums[two])
            added = STEEP_COST * (joint - graph.steep[one] - graph.steep[two])
            if cost[e] + added / (graph.length[e] + 1e-12) < growth.price:
                parent[two] = one
                graph.steep[one] = joint
            else:
                graph.barred[e] = True
    return parent, tried


@njit(cache=True)
@no_type_check
def _cheapest(graph, growth):
    """What joining each pair costs, steep faces left aside, and each region's cheapest pair (-1: all are too dear)."""
    cost = np.full(len(graph.a), np.inf)
    best = np.full(len(graph.areas), -1, np.int64)
    for e in range(len(cost)):
        if not graph.barred[e]:
            cost[e] = _cost(graph, e, growth.bend)
            if cost[e] < growth.price:
                for node in (graph.a[e], graph.b[e]):
                    if best[node] < 0 or cost[e] < cost[best[node]]:
                        best[node] = e
    return cost, best


@njit(cache=True)
@no_type_check
def _steep_area(surface, members, one, two, axis):
    """The area of two regions' faces that are steep to `axis`, the sum of both regions' normals."""
    normals = surface.smooth
    limit = STEEP * np.sqrt((axis * axis).sum())
    area = 0.0
    for node in (one, two):
        for n in range(members.offsets[node], members.offsets[node + 1]):
            f = members.faces[n]
            if axis[0] * normals[f, 0] + axis[1] * normals[f, 1] + axis[2] * normals[f, 2] < limit:
                area += surface.areas[f]
    return area


@njit(cache=True)
@no_type_check
def _cost(graph, e, bend):
    """Misfit added by joining a pair per length of border removed; infinite where the joint region bends too much."""
    a, b, areas, sums = graph.a[e], graph.b[e], graph.areas, graph.sums
    x, y, z = sums[a, 0] + sums[b, 0], sums[a, 1] + sums[b, 1], sums[a, 2] + sums[b, 2]
    area = areas[a] + areas[b]
    joint = np.sqrt(x * x + y * y + z * z)
    if area - joint > bend * area:
        return np.inf
    one = np.sqrt(sums[a, 0] ** 2 + sums[a, 1] ** 2 + sums[a, 2] ** 2)
    two = np.sqrt(sums[b, 0] ** 2 + sums[b, 1] ** 2 + sums[b, 2] ** 2)
    return (one + two - joint + BALANCE * min(areas[a], areas[b])) / (graph.length[e] + 1e-12)
