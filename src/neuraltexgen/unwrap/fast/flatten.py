"""Charts laid flat: seen along their mean normal, then relaxed point by point until no face is folded."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float64
from numba import njit, prange

from neuraltexgen.unwrap.fast.layout import Layout, chart_sums, corners_at_points
from neuraltexgen.unwrap.fast.topology import Surface

THIN = 0.02
"""Triangles thinner than this (height by longest side) are relaxed as if they were that thick."""

FOLDED = 0.05
"""Below this ratio of areas a face counts as nearly folded, and the energy is the one that unfolds."""

STILL = 2e-3
"""A point whose step is shorter than this, by the size of its faces, rests until one of its neighbours moves."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """Each face laid flat by itself: the gradients of its three barycentric coordinates there, and its area."""

    gradients: Float64[np.ndarray, "f 3 2"]
    areas: Float64[np.ndarray, " f"]


def face_shapes(surface: Surface) -> Shapes:
    """The shapes of all faces, thin ones thickened (see THIN)."""
    gradients, areas = _shapes(surface.points, surface.faces)
    return Shapes(gradients, areas)


def project(surface: Surface, layout: Layout) -> Float64[np.ndarray, "p 2"]:
    """Where the charts' points lie seen along each chart's mean normal, against it: front faces counter-clockwise."""
    vectors = surface.normals * surface.areas[:, None]
    axis = np.stack([chart_sums(layout, vectors[:, k]) for k in range(3)], axis=1)
    size = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = np.where(size > 0, axis / np.where(size > 0, size, 1), (0.0, 0.0, 1.0))
    # The world axis least along the normal gives the second direction.
    helper = np.eye(3)[np.abs(axis).argmin(axis=1)]
    right = np.cross(helper, axis)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    up = np.cross(axis, right)
    chart = np.repeat(np.arange(layout.count), np.diff(layout.point_starts))
    at = surface.points[layout.places]
    return np.stack([(at * right[chart]).sum(axis=1), (at * up[chart]).sum(axis=1)], axis=1)


def relax(
    shapes: Shapes,
    layout: Layout,
    places: Float64[np.ndarray, "p 2"],
    charts: Bool[np.ndarray, " c"],
    sweeps: int,
) -> Float64[np.ndarray, "p 2"]:
    """The places after up to `sweeps` passes over the masked charts' points, each moved to where the energy is less.

    The energy is symmetric Dirichlet, |J|² (1 + 1 / det² J), averaged over area, so no face that is the right way round
    gets folded; where one is folded, det J is replaced by (det J + sqrt(det² J + e²)) / 2, which unfolds it
    (Garanzha et al. 2021, "Foldover-free maps in 50 lines of code"). Charts are relaxed one by one, in parallel.
    """
    result = places.copy()
    offsets, at = corners_at_points(layout.corners, len(places))
    which = np.flatnonzero(charts)
    order = which[np.argsort(-np.diff(layout.point_starts)[which], kind="stable")]
    _relax(shapes.gradients, shapes.areas, layout.corners, offsets, at, layout.point_starts, order, result, sweeps)
    return result


def least_scales(shapes: Shapes, layout: Layout, places: Float64[np.ndarray, "p 2"]) -> Float64[np.ndarray, " f"]:
    """By how much each face is scaled in the direction where that is least; negative where it is folded over."""
    jacobian = np.einsum("fka,fkb->fab", places[layout.corners], shapes.gradients)
    det = np.linalg.det(jacobian)
    square = (jacobian**2).sum(axis=(1, 2))
    most = np.sqrt((square + np.sqrt(np.maximum(square**2 - 4 * det**2, 0))) / 2)
    return np.divide(det, most, out=np.where(shapes.areas > 0, 0.0, 1.0), where=most > 0)


@njit(cache=True)
@no_type_check
def _shapes(points, faces):
    gradients = np.zeros((len(faces), 3, 2))
    areas = np.zeros(len(faces))
    for face in range(len(faces)):
        # The longest side lies along x, from corner k.
        k, longest = 0, 0.0
        for j in range(3):
            side = points[faces[face, (j + 1) % 3]] - points[faces[face, j]]
            size = np.sqrt((side**2).sum())
            if size > longest:
                k, longest = j, size
        a, b, c = faces[face, k], faces[face, (k + 1) % 3], faces[face, (k + 2) % 3]
        if longest <= 0 or a == b or b == c or c == a:
            continue
        along = (points[b] - points[a]) / longest
        third = points[c] - points[a]
        x = (third * along).sum()
        y = max(np.sqrt(((third - x * along) ** 2).sum()), THIN * longest)
        areas[face] = longest * y / 2
        gradients[face, k, 0], gradients[face, k, 1] = -1 / longest, (x / longest - 1) / y
        gradients[face, (k + 1) % 3, 0], gradients[face, (k + 1) % 3, 1] = 1 / longest, -x / longest / y
        gradients[face, (k + 2) % 3, 1] = 1 / y
    return gradients, areas


@njit(cache=True, parallel=True)
@no_type_check
def _relax(gradients, areas, corners, offsets, at, starts, order, places, sweeps):
    # Large charts are dealt out to threads in turn; charts share no point, so the result is the same always.
    deal = 16
    for hand in prange(deal):
        for turn in range(hand, len(order), deal):
            first, last = starts[order[turn]], starts[order[turn] + 1]
            awake = np.ones(last - first, np.bool_)
            for _ in range(sweeps):
                moved = False
                for point in range(first, last):
                    if awake[point - first]:
                        awake[point - first] = False
                        if relax_point(point, gradients, areas, corners, offsets, at, places):
                            moved = True
                            for n in range(offsets[point], offsets[point + 1]):
                                for k in range(3):
                                    awake[corners[at[n] // 3, k] - first] = True
                if not moved:
                    break


@njit(cache=True)
@no_type_check
def relax_point(point, gradients, areas, corners, offsets, at, places):
    """One damped Newton step of a point. Returns whether it moved farther than STILL."""
    x, y = places[point, 0], places[point, 1]
    least, size = np.inf, 0.0
    for n in range(offsets[point], offsets[point + 1]):
        face, k = at[n] // 3, at[n] % 3
        if areas[face] > 0:
            least = min(least, _jacobian(face, k, gradients, corners, places, x, y)[4])
            size = max(size, areas[face])
    if size == 0:
        return False
    soft = 0.0 if least > FOLDED else max(0.4 * FOLDED, 0.2 * abs(least))
    energy, gx, gy, hxx, hxy, hyy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(offsets[point], offsets[point + 1]):
        face, k = at[n] // 3, at[n] % 3
        if areas[face] > 0:
            a, b, c, d, det = _jacobian(face, k, gradients, corners, places, x, y)
            gu, gv = gradients[face, k, 0], gradients[face, k, 1]
            root = np.sqrt(det * det + soft * soft)
            chi = (det + root) / 2
            slope = chi / root
            curve = soft * soft / (2 * root**3)
            t = a * a + b * b + c * c + d * d
            tx, ty = 2 * (a * gu + b * gv), 2 * (c * gu + d * gv)
            dx, dy = gu * d - gv * c, a * gv - b * gu
            w = areas[face]
            f0, f1 = 1 + 1 / chi**2, -2 / chi**3 * slope
            f2 = 6 / chi**4 * slope * slope - 2 / chi**3 * curve
            energy += w * t * f0
            gx += w * (tx * f0 + t * f1 * dx)
            gy += w * (ty * f0 + t * f1 * dy)
            spread = 2 * (gu * gu + gv * gv) * f0
            hxx += w * (spread + 2 * tx * f1 * dx + t * f2 * dx * dx)
            hyy += w * (spread + 2 * ty * f1 * dy + t * f2 * dy * dy)
            hxy += w * (f1 * (tx * dy + ty * dx) + t * f2 * dx * dy)
    # The Hessian's smaller eigenvalue is raised to a share of the larger one's size.
    middle, radius = (hxx + hyy) / 2, np.sqrt(((hxx - hyy) / 2) ** 2 + hxy * hxy)
    lift = max(0.0, 0.05 * (abs(middle) + radius) - (middle - radius))
    hxx, hyy = hxx + lift, hyy + lift
    det = hxx * hyy - hxy * hxy
    if not det > 0:
        return False
    sx, sy = -(hyy * gx - hxy * gy) / det, -(hxx * gy - hxy * gx) / det
    for _ in range(8):
        if _energy(point, gradients, areas, corners, offsets, at, places, x + sx, y + sy, soft) < energy:
            places[point, 0], places[point, 1] = x + sx, y + sy
            return sx * sx + sy * sy > STILL * STILL * size
        sx, sy = sx / 3, sy / 3
    return False


@njit(cache=True, inline="always")
@no_type_check
def _jacobian(face, k, gradients, corners, places, x, y):
    """Entries of J and its determinant for a face whose corner k lies at (x, y)."""
    i, j = (k + 1) % 3, (k + 2) % 3
    p, q = corners[face, i], corners[face, j]
    px, py, qx, qy = places[p, 0] - x, places[p, 1] - y, places[q, 0] - x, places[q, 1] - y
    a = px * gradients[face, i, 0] + qx * gradients[face, j, 0]
    b = px * gradients[face, i, 1] + qx * gradients[face, j, 1]
    c = py * gradients[face, i, 0] + qy * gradients[face, j, 0]
    d = py * gradients[face, i, 1] + qy * gradients[face, j, 1]
    return a, b, c, d, a * d - b * c


@njit(cache=True)
@no_type_check
def singular_values(face, gradients, corners, places, first):
    """How much a face is scaled at least (negative: folded over) and at most; `places` begin at point `first`."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(3):
        p = corners[face, k] - first
        a += places[p, 0] * gradients[face, k, 0]
        b += places[p, 0] * gradients[face, k, 1]
        c += places[p, 1] * gradients[face, k, 0]
        d += places[p, 1] * gradients[face, k, 1]
    det, square = a * d - b * c, a * a + b * b + c * c + d * d
    most = np.sqrt((square + np.sqrt(max(square * square - 4 * det * det, 0.0))) / 2)
    return (det / most if most > 0 else 0.0), most


@njit(cache=True)
@no_type_check
def _energy(point, gradients, areas, corners, offsets, at, places, x, y, soft):
    energy = 0.0
    for n in range(offsets[point], offsets[point + 1]):
        face, k = at[n] // 3, at[n] % 3
        if areas[face] > 0:
            a, b, c, d, det = _jacobian(face, k, gradients, corners, places, x, y)
            if soft == 0.0 and det <= FOLDED / 5:
                return np.inf
            chi = (det + np.sqrt(det * det + soft * soft)) / 2
            energy += areas[face] * (a * a + b * b + c * c + d * d) * (1 + 1 / chi**2)
    return energy
