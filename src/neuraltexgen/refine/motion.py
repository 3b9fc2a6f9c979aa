"""Small rigid motions as six numbers: a rotation vector and a translation, applied in the camera's own axes."""

import numpy as np
from jaxtyping import Float64

from neuraltexgen.geometry import nearest_rotation
from neuraltexgen.types import Pose

Twist = Float64[np.ndarray, "6"]
"""(wx, wy, wz, tx, ty, tz): a rotation vector in radians and a translation in world units."""

SMALL = 1e-8
"""Radians below which a rotation is its first two terms."""


def moved(cam_from_world: Pose, twist: Twist) -> Pose:
    """The pose after a motion of the camera's axes: X becomes R(w) X + t. Its rotation is orthonormal to rounding."""
    result = np.eye(4)
    rotation = rotation_from_vector(twist[:3])
    result[:3, :3] = nearest_rotation(rotation @ cam_from_world[:3, :3])
    result[:3, 3] = rotation @ cam_from_world[:3, 3] + twist[3:]
    return result


def twist_between(start: Pose, end: Pose) -> Twist:
    """The motion that `moved` takes from one pose to the other. Unique below half a turn."""
    rotation = end[:3, :3] @ start[:3, :3].T
    return np.concatenate([vector_from_rotation(rotation), end[:3, 3] - rotation @ start[:3, 3]])


def rotation_from_vector(vector: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """The rotation by |vector| radians about the vector (Rodrigues' formula)."""
    angle = float(np.linalg.norm(vector))
    cross = cross_matrix(vector)
    if angle < SMALL:
        return np.eye(3) + cross + cross @ cross / 2
    return np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross


def vector_from_rotation(rotation: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3"]:
    """The inverse of `rotation_from_vector`, for less than half a turn."""
    odd = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine = float(np.linalg.norm(odd)) / 2
    angle = np.arctan2(sine, (np.trace(rotation) - 1) / 2)
    return odd / 2 if sine < SMALL else odd / 2 * (angle / sine)


def cross_matrix(vector: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """The matrix whose product with another vector is the cross product with it."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def cross_matrices(vectors: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3 3"]:
    """`cross_matrix` of each vector."""
    result = np.zeros((len(vectors), 3, 3))
    result[:, 0, 1], result[:, 0, 2] = -vectors[:, 2], vectors[:, 1]
    result[:, 1, 0], result[:, 1, 2] = vectors[:, 2], -vectors[:, 0]
    result[:, 2, 0], result[:, 2, 1] = -vectors[:, 1], vectors[:, 0]
    return result
