"""Charts relaxed point by point, each to where the faces round it are distorted less, until no face is folded."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float64
from numba import njit, prange

from neuraltexgen.unwrap.fast.flatten import Shapes
from neuraltexgen.unwrap.fast.layout import Fans, Layout, Triangles, find_fans

FOLDED = 0.05
"""Below this ratio of areas a face counts as nearly folded, and the energy is the one that unfolds."""

STILL = 2e-3
"""A point whose step is shorter than this, by the size of its faces, rests until one of its neighbours moves."""


class Cloth(NamedTuple):
    """Faces on the plane that know their shapes and the faces round them: what moving a point needs."""

    triangles: Triangles
    shapes: Shapes
    fans: Fans


class _Expansion(NamedTuple):
    """The energy round a point to second order in where the point is: value, gradient, Hessian."""

    value: float
    gx: float
    gy: float
    hxx: float
    hxy: float
    hyy: float


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
    triangles = Triangles(layout.corners, places.copy())
    which = np.flatnonzero(charts)
    order = which[np.argsort(-np.diff(layout.point_starts)[which], kind="stable")]
    fixed = np.zeros(len(places), dtype=np.bool_)
    _relax(triangles, shapes, find_fans(triangles), layout.point_starts, fixed, order, sweeps)
    return triangles.places


@njit(cache=True, parallel=True)
@no_type_check
def _relax(triangles, shapes, fans, starts, fixed, order, sweeps):
    # Large charts are dealt out to threads in turn; charts share no point, so the result is the same always.
    deal = 16
    for hand in prange(deal):
        for turn in range(hand, len(order), deal):
            # Numba takes no tuple of tuples into a parallel loop: the cloth is put together inside.
            cloth = Cloth(triangles, shapes, fans)
            relax_chart(cloth, fixed, starts[order[turn]], starts[order[turn] + 1], sweeps)


@njit(cache=True)
@no_type_check
def relax_chart(cloth, fixed, first, last, sweeps):
    """Passes over the points first..last-1 that aren't fixed, each resting (see STILL) until a neighbour moves."""
    corners, fans = cloth.triangles.corners, cloth.fans
    awake = ~fixed[first:last]
    for _ in range(sweeps):
        moved = False
        for point in range(first, last):
            if awake[point - first]:
                awake[point - first] = False
                if _relax_point(cloth, point):
                    moved = True
                    for n in range(fans.offsets[point], fans.offsets[point + 1]):
                        for k in range(3):
                            near = corners[fans.corners[n] // 3, k]
                            awake[near - first] = not fixed[near]
        if not moved:
            break


@njit(cache=True)
@no_type_check
def _relax_point(cloth, point):
    """One damped Newton step of a point. Returns whether it moved farther than STILL."""
    least, size = _worst_face(cloth, point)
    if size == 0:
        return False
    soft = 0.0 if least > FOLDED else max(0.4 * FOLDED, 0.2 * abs(least))
    here = _expand_energy(cloth, point, soft)
    convex, sx, sy = _newton_step(here)
    if not convex:
        return False
    places = cloth.triangles.places
    x, y = places[point, 0], places[point, 1]
    for _ in range(8):
        if _energy(cloth, point, x + sx, y + sy, soft) < here.value:
            places[point, 0], places[point, 1] = x + sx, y + sy
            return sx * sx + sy * sy > STILL * STILL * size
        sx, sy = sx / 3, sy / 3
    return False


@njit(cache=True)
@no_type_check
def _worst_face(cloth, point):
    """The least det J of the faces round the point, and the largest of their areas (0: none has any)."""
    areas, fans, places = cloth.shapes.areas, cloth.fans, cloth.triangles.places
    least, size = np.inf, 0.0
    for n in range(fans.offsets[point], fans.offsets[point + 1]):
        face, k = fans.corners[n] // 3, fans.corners[n] % 3
        if areas[face] > 0:
            least = min(least, _jacobian(cloth, face, k, places[point, 0], places[point, 1])[4])
            size = max(size, areas[face])
    return least, size


@njit(cache=True)
@no_type_check
def _expand_energy(cloth, point, soft):
    """The energy of the faces round the point, `soft` being the e of `relax`, to second order."""
    gradients, areas = cloth.shapes
    fans, places = cloth.fans, cloth.triangles.places
    value, gx, gy, hxx, hxy, hyy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(fans.offsets[point], fans.offsets[point + 1]):
        face, k = fans.corners[n] // 3, fans.corners[n] % 3
        if areas[face] > 0:
            a, b, c, d, det = _jacobian(cloth, face, k, places[point, 0], places[point, 1])
            gu, gv = gradients[face, k, 0], gradients[face, k, 1]
            f0, f1, f2 = _barrier(det, soft)
            # |J|² and its gradient, and the gradient of det J.
            t = a * a + b * b + c * c + d * d
            tx, ty = 2 * (a * gu + b * gv), 2 * (c * gu + d * gv)
            dx, dy = gu * d - gv * c, a * gv - b * gu
            w = areas[face]
            value += w * t * f0
            gx += w * (tx * f0 + t * f1 * dx)
            gy += w * (ty * f0 + t * f1 * dy)
            spread = 2 * (gu * gu + gv * gv) * f0
            hxx += w * (spread + 2 * tx * f1 * dx + t * f2 * dx * dx)
            hyy += w * (spread + 2 * ty * f1 * dy + t * f2 * dy * dy)
            hxy += w * (f1 * (tx * dy + ty * dx) + t * f2 * dx * dy)
    return _Expansion(value, gx, gy, hxx, hxy, hyy)


@njit(cache=True, inline="always")
@no_type_check
def _barrier(det, soft):
    """1 + 1 / chi² and its first and second derivative in det, where chi = (det + sqrt(det² + soft²)) / 2."""
    root = np.sqrt(det * det + soft * soft)
    chi = (det + root) / 2
    slope = chi / root
    curve = soft * soft / (2 * root**3)
    return 1 + 1 / chi**2, -2 / chi**3 * slope, 6 / chi**4 * slope * slope - 2 / chi**3 * curve


@njit(cache=True)
@no_type_check
def _newton_step(at):
    """Whether there is a step downhill, and the step.

    The Hessian's smaller eigenvalue is raised to a share of the larger one's size.
    """
    middle, radius = (at.hxx + at.hyy) / 2, np.sqrt(((at.hxx - at.hyy) / 2) ** 2 + at.hxy * at.hxy)
    lift = max(0.0, 0.05 * (abs(middle) + radius) - (middle - radius))
    hxx, hxy, hyy = at.hxx + lift, at.hxy, at.hyy + lift
    det = hxx * hyy - hxy * hxy
    if not det > 0:
        return False, 0.0, 0.0
    return True, -(hyy * at.gx - hxy * at.gy) / det, -(hxx * at.gy - hxy * at.gx) / det


@njit(cache=True)
@no_type_check
def _energy(cloth, point, x, y, soft):
    """The energy of the faces round the point if it were at (x, y)."""
    areas, fans = cloth.shapes.areas, cloth.fans
    energy = 0.0
    for n in range(fans.offsets[point], fans.offsets[point + 1]):
        face, k = fans.corners[n] // 3, fans.corners[n] % 3
        if areas[face] > 0:
            a, b, c, d, det = _jacobian(cloth, face, k, x, y)
            if soft == 0.0 and det <= FOLDED / 5:
                return np.inf
            chi = (det + np.sqrt(det * det + soft * soft)) / 2
            energy += areas[face] * (a * a + b * b + c * c + d * d) * (1 + 1 / chi**2)
    return energy


@njit(cache=True, inline="always")
@no_type_check
def _jacobian(cloth, face, k, x, y):
    """Entries of J and its determinant for a face whose corner k lies at (x, y)."""
    corners, places = cloth.triangles
    gradients = cloth.shapes.gradients
    i, j = (k + 1) % 3, (k + 2) % 3
    p, q = corners[face, i], corners[face, j]
    px, py, qx, qy = places[p, 0] - x, places[p, 1] - y, places[q, 0] - x, places[q, 1] - y
    a = px * gradients[face, i, 0] + qx * gradients[face, j, 0]
    b = px * gradients[face, i, 1] + qx * gradients[face, j, 1]
    c = py * gradients[face, i, 0] + qy * gradients[face, j, 0]
    d = py * gradients[face, i, 1] + qy * gradients[face, j, 1]
    return a, b, c, d, a * d - b * c
