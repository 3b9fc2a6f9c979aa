"""Two pictures turned so that a point of the world lies on the same row of both: what stereo matching needs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from neuraltexgen.geometry import camera_centre, transform
from neuraltexgen.types import Points, Pose

LEAST_SINE = 0.4
"""Of the angle between the viewing direction and the line between the cameras: less is a step forward, not aside."""

LARGEST_GROWTH = 2.0
"""How many times the pixels of a picture its rectified one may have; beyond that it is made smaller."""

LEAST_SCALE = 0.25
"""How much smaller it may become: less would be matched too coarsely."""

RANGE_SHARE = 0.01
"""The share of points that may lie outside the range of disparities at either end."""

FAR_MARGIN, NEAR_MARGIN = 0.2, 0.4
"""Shares of the range that are added to it: what is close, such as the ground at one's feet, has few points."""

Matrix = Float64[np.ndarray, "3 3"]


@dataclass(frozen=True, eq=False)
class Pinhole:
    """A picture's calibration matrix (top-left pixel's centre at 0, as OpenCV has it), (width, height) and pose."""

    matrix: Matrix
    size: tuple[int, int]
    cam_from_world: Pose


@dataclass(frozen=True, eq=False)
class Rectified:
    """How two pinhole pictures, the first and the second, become rows that match.

    `from_first`, `from_second`: homographies from the pictures' pixels to those of the rectified ones, which have
    `size` (width, height). A point at depth z along the rectified axis lies at x in the first and at
    x - (`bridge` / z - `shift`) in the second; that difference is searched in [0, `disparities`). `rotation` turns the
    first camera's axes into the rectified ones.
    """

    from_first: Matrix
    from_second: Matrix
    rotation: Matrix
    size: tuple[int, int]
    bridge: float
    shift: int
    disparities: int


def rectify(first: Pinhole, second: Pinhole, points: Points, most: int) -> Rectified | None:
    """Rectifies two pictures for the depths of some points of the world; None where that makes no sense.

    That is: the cameras stand at one place or behind each other, one looks past the other, or they overlap too little.
    A picture that would grow too large, or need more than `most` disparities, is made smaller. Source: Fusiello et
    al., A compact algorithm for rectification of stereo pairs, 2000; here the rows always point to the second camera.
    """
    rotations, length = _rotations(first, second)
    if rotations is None:
        return None
    boxes = [_box(picture, rotation) for picture, rotation in zip((first, second), rotations, strict=True)]
    turned = np.eye(4)
    turned[:3, :3] = rotations[0]
    depths = transform(turned @ first.cam_from_world, points)[:, 2]
    if boxes[0] is None or boxes[1] is None or (depths > 0).sum() < 2:
        return None
    low, high = np.quantile(length / depths[depths > 0], [RANGE_SHARE, 1 - RANGE_SHARE])
    span = max(high - low, 0.05 * high)
    low, high = max(0.0, low - FAR_MARGIN * span), high + NEAR_MARGIN * span
    # What the second one can't show at any of the depths need not be looked at.
    left, right = max(boxes[0][0], boxes[1][0] + low), min(boxes[0][2], boxes[1][2] + high)
    top, bottom = max(boxes[0][1], boxes[1][1]), min(boxes[0][3], boxes[1][3])
    if right <= left or bottom <= top:
        return None
    full = float(np.sqrt(first.matrix[0, 0] * first.matrix[1, 1]))
    area = LARGEST_GROWTH * first.size[0] * first.size[1]
    focal = min(full, (most - 17) / (high - low), float(np.sqrt(area / ((right - left) * (bottom - top)))))
    if focal < LEAST_SCALE * full or min(right - left, bottom - top) * focal < 16:
        return None
    shift = int(np.floor(low * focal))
    disparities = int(-(-(np.ceil(high * focal) - shift + 1) // 16) * 16)
    # Room on the left, so that every pixel has a partner at each disparity.
    left, top = left * focal - disparities, top * focal
    size = int(np.ceil(right * focal - left)), int(np.ceil(bottom * focal - top))
    windows = [np.array([[focal, 0, -at], [0, focal, -top], [0, 0, 1.0]]) for at in (left, left - shift)]
    homographies = [
        window @ rotation @ np.linalg.inv(picture.matrix)
        for window, rotation, picture in zip(windows, rotations, (first, second), strict=True)
    ]
    return Rectified(homographies[0], homographies[1], rotations[0], size, focal * length, shift, disparities)


def _rotations(first: Pinhole, second: Pinhole) -> tuple[tuple[Matrix, Matrix] | None, float]:
    """From each camera's axes to the common ones, x along the line between the cameras; and that line's length."""
    turns = first.cam_from_world[:3, :3], second.cam_from_world[:3, :3]
    baseline = camera_centre(second.cam_from_world) - camera_centre(first.cam_from_world)
    length = float(np.linalg.norm(baseline))
    ahead = turns[0][2] + turns[1][2]
    if length < 1e-12 or np.linalg.norm(ahead) < 1e-6:
        return None, length
    x, z = baseline / length, ahead / np.linalg.norm(ahead)
    z = z - (z @ x) * x
    if np.linalg.norm(z) < LEAST_SINE:
        return None, length
    z /= np.linalg.norm(z)
    from_world = np.stack([x, np.cross(z, x), z])
    return (from_world @ turns[0].T, from_world @ turns[1].T), length


def _box(picture: Pinhole, rotation: Matrix) -> np.ndarray | None:
    """(left, top, right, bottom) of the turned picture on the plane at depth 1; None if it reaches behind that."""
    width, height = picture.size
    corners = [(x, y, 1) for x in (-0.5, width - 0.5) for y in (-0.5, height - 0.5)]
    rays = np.array(corners) @ np.linalg.inv(picture.matrix).T @ rotation.T
    if (rays[:, 2] < 0.2 * np.linalg.norm(rays, axis=1)).any():
        return None
    plane = rays[:, :2] / rays[:, 2:]
    return np.concatenate([plane.min(axis=0), plane.max(axis=0)])
