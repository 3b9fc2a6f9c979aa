"""Faces and charts laid flat: each face by itself, a chart seen along its mean normal; how that scales the faces."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from neuraltexgen.unwrap.fast.layout import Layout, chart_sums
from neuraltexgen.unwrap.fast.topology import Surface

THIN = 0.02
"""Triangles thinner than this (height by longest side) are relaxed as if they were that thick."""


class Shapes(NamedTuple):
    """Each face laid flat by itself: the gradients of its three barycentric coordinates there, and its area."""

    gradients: Float64[np.ndarray, "f 3 2"]
    areas: Float64[np.ndarray, " f"]


def face_shapes(surface: Surface) -> Shapes:
    """The shapes of all faces, thin ones thickened (see THIN)."""
    return Shapes(*_shapes(surface.points, surface.faces))


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
    chart = np.repeat(np.arange(layout.chart_count), np.diff(layout.point_starts))
    at = surface.points[layout.places]
    return np.stack([(at * right[chart]).sum(axis=1), (at * up[chart]).sum(axis=1)], axis=1)


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


@njit(cache=True)
@no_type_check
def singular_values(shapes, triangles, face, first):
    """How much a face is scaled at least (negative: folded over) and at most; places begin at point `first`."""
    corners, places = triangles
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(3):
        p = corners[face, k] - first
        a += places[p, 0] * shapes.gradients[face, k, 0]
        b += places[p, 0] * shapes.gradients[face, k, 1]
        c += places[p, 1] * shapes.gradients[face, k, 0]
        d += places[p, 1] * shapes.gradients[face, k, 1]
    det, square = a * d - b * c, a * a + b * b + c * c + d * d
    most = np.sqrt((square + np.sqrt(max(square * square - 4 * det * det, 0.0))) / 2)
    return (det / most if most > 0 else 0.0), most
