"""Colours along the surface: vertices near seen texels keep their mean, the others are harmonic in between."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64
from numba import njit, prange

from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap.charts import components

ITERATIONS = 60
"""Steps on each level: the coarser one has already brought the long waves, these smooth the short ones."""

STIFFNESS = 0.01
"""An edge's pull against one texel right at a vertex: small, so that seen vertices keep to what was seen."""

COARSEST = 500
"""A graph of so few nodes is solved to the end."""

TOLERANCE = 1e-6
"""The solver also stops when colours (range 1) are off by about this at each vertex, judged by its neighbours."""


@dataclass(frozen=True, eq=False)
class _Graph:
    """Nodes with edges, from both ends, as sparse rows: node n has neighbours[starts[n]:starts[n + 1]] and pulls."""

    starts: np.ndarray
    neighbours: np.ndarray
    pulls: np.ndarray


def diffuse_colours(
    mesh: Mesh, sums: Float64[np.ndarray, "n c"], weights: Float64[np.ndarray, " n"]
) -> Float32[np.ndarray, "n c"]:
    """A colour for each vertex from the weighted sums of the texels seen around some of them.

    Minimises  Σ_vertices weight |colour - mean|²  +  stiffness Σ_edges |difference|² / length  (lengths relative to
    the average), with vertices at one position taken as one, so that seams don't hold colours up. All weights are
    positive, so no colour leaves the range of the means. A connected part without any weight gets the mean of all.

    Weights must not all be zero.
    """
    welded, vertices, faces = _weld(mesh)
    count = len(vertices)
    mass = np.bincount(welded, weights=weights, minlength=count)
    total = np.stack([np.bincount(welded, weights=column, minlength=count) for column in sums.T], axis=1)
    mean = total.sum(axis=0) / mass.sum()
    part = components(faces, count)
    orphans = np.bincount(part, weights=mass, minlength=count)[part] == 0
    mass[orphans], total[orphans] = 1.0, mean
    return _solve(_edges(vertices, faces), mass, total)[welded].astype(np.float32)


def _weld(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which distinct position each vertex has, the positions, and the faces between them."""
    order = np.lexsort(mesh.vertices.T)
    ordered = mesh.vertices[order]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    welded = np.empty(len(order), dtype=np.int32)
    welded[order] = np.cumsum(new, dtype=np.int32) - 1
    return welded, ordered[new], welded[mesh.faces]


def _edges(vertices: np.ndarray, faces: np.ndarray) -> _Graph:
    """The mesh's edges; an edge pulls with the mean length over its own, times the stiffness."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    a, b = np.concatenate([ends, ends[:, ::-1]])[np.r_[ends[:, 0] != ends[:, 1], ends[:, 0] != ends[:, 1]]].T
    lengths = np.linalg.norm(vertices[a] - vertices[b], axis=1)
    typical = float(lengths.mean()) if len(lengths) else 1.0
    # The bounds keep the system well conditioned where a few edges are absurdly short or long.
    pulls = STIFFNESS * np.clip(typical / np.maximum(lengths, 1e-12 * typical), 1e-2, 1e2)
    return _graph(a, b, pulls, len(vertices))


def _graph(a: np.ndarray, b: np.ndarray, pulls: np.ndarray, count: int) -> _Graph:
    """Sparse rows from edges a-b that may come several times; their pulls add up."""
    pairs, which = np.unique(a * count + b, return_inverse=True)
    summed = np.bincount(which.reshape(-1), weights=pulls, minlength=len(pairs))
    starts = np.searchsorted(pairs, np.arange(count + 1) * count)
    return _Graph(starts, (pairs % count).astype(np.int32), summed)


def _solve(graph: _Graph, mass: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Coarse to fine: solve with neighbours taken together, hand the answer down, smooth it (cascadic multigrid)."""
    count = len(mass)
    iterations = ITERATIONS
    groups = _group_neighbours(graph.starts, graph.neighbours)
    size = int(groups.max()) + 1
    if count <= COARSEST or size == count:
        guess, iterations = right / np.maximum(mass, 1e-12)[:, None] * (mass > 0)[:, None], 4 * count
    else:
        a = groups[np.repeat(np.arange(count), np.diff(graph.starts))].astype(np.int64)
        b = groups[graph.neighbours].astype(np.int64)
        # Between groups there lies a path of several edges: it pulls as much less as it is longer.
        length = np.sqrt(count / size)
        coarse = _graph(a[a != b], b[a != b], graph.pulls[a != b] / length, size)
        coarse_right = np.stack([np.bincount(groups, weights=column, minlength=size) for column in right.T], axis=1)
        guess = _solve(coarse, np.bincount(groups, weights=mass, minlength=size), coarse_right)[groups]
    return _conjugate_gradients(graph.starts, graph.neighbours, graph.pulls, mass, right, guess, iterations)


@njit(cache=True)
@no_type_check
def _group_neighbours(starts, neighbours):
    """Numbers disjoint groups: a node with all its neighbours where none is taken; leftovers join one next to them."""
    count = len(starts) - 1
    groups, size = np.full(count, -1, dtype=np.int32), 0
    for n in range(count):
        free = groups[n] < 0
        for e in range(starts[n], starts[n + 1]):
            free = free and groups[neighbours[e]] < 0
        if free:
            groups[n] = size
            for e in range(starts[n], starts[n + 1]):
                groups[neighbours[e]] = size
            size += 1
    for n in range(count):
        for e in range(starts[n], starts[n + 1]):
            if groups[n] < 0 and groups[neighbours[e]] >= 0:
                groups[n] = groups[neighbours[e]]
    return groups


@njit(cache=True)
@no_type_check
def _conjugate_gradients(starts, neighbours, pulls, mass, right, x, iterations):
    """Solves for all channels side by side, each with its own step; preconditioned by the diagonal."""
    diagonal = mass.copy()
    for n in range(len(x)):
        for e in range(starts[n], starts[n + 1]):
            diagonal[n] += pulls[e]
    residual = right - _apply(starts, neighbours, pulls, mass, x)
    direction = residual / diagonal.reshape(-1, 1)
    energy = _dot(residual, direction)
    goal = TOLERANCE**2 * diagonal.sum()
    for _ in range(iterations):
        if energy.max() <= goal:
            break
        image = _apply(starts, neighbours, pulls, mass, direction)
        step = energy / np.maximum(_dot(direction, image), 1e-300)
        x = x + step * direction
        residual -= step * image
        scaled = residual / diagonal.reshape(-1, 1)
        before, energy = energy, _dot(residual, scaled)
        direction = scaled + energy / np.maximum(before, 1e-300) * direction
    return x


@njit(cache=True)
@no_type_check
def _dot(a, b):
    total = np.zeros(a.shape[1])
    for n in range(a.shape[0]):
        for c in range(a.shape[1]):
            total[c] += a[n, c] * b[n, c]
    return total


@njit(cache=True, parallel=True)
@no_type_check
def _apply(starts, neighbours, pulls, mass, x):
    result = np.empty_like(x)
    for n in prange(len(x)):
        for c in range(x.shape[1]):
            total = mass[n] * x[n, c]
            for e in range(starts[n], starts[n + 1]):
                total += pulls[e] * (x[n, c] - x[neighbours[e], c])
            result[n, c] = total
    return result
