"""From the pose that a file states to a rigid motion, with a count of what had to be repaired."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import CV_FROM_GL, invert_pose, nearest_rotation
from neuraltexgen.scene import ROTATION_TOLERANCE

ROUNDING = 0.02
"""How far R Rᵀ of a stated pose may be from the identity: fewer digits in a text file, or float32 drift. Within it the
nearest rotation is taken; beyond it the pose is scaled or sheared."""

LARGEST = 1e30
"""Beyond it a coordinate is damage, and its square would leave float32."""


@dataclass(frozen=True)
class Repairs:
    """How often each repair was made, as sentences with a place for the count."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, sentence: str) -> None:
        self.counts[sentence] += 1

    def notes(self) -> tuple[str, ...]:
        return tuple(sentence.format(n=count) for sentence, count in self.counts.items())


def rigid(
    matrix: Float64[np.ndarray, "4 4"], repairs: Repairs, *, any_scale: bool = False
) -> Float64[np.ndarray, "4 4"]:
    """The rigid motion that a stated 4x4 pose means: rounding of its rotation undone, and counted where it shows.

    With `any_scale`, a uniform scale of the 3x3 part is dropped: for a camera-to-world matrix that only scales the
    camera's own axes, which no photo shows; the centre stays. Raises ReaderError: NaN, mirrored, scaled, sheared.
    """
    if not np.isfinite(matrix).all():
        raise ReaderError("the pose holds a NaN or infinity: tracking was lost")
    if np.abs(matrix).max() > LARGEST:
        raise ReaderError(f"the pose holds {np.abs(matrix).max():.3g}: no such distance makes sense")
    if np.abs(matrix[3] - (0, 0, 0, 1)).max() > 1e-6:
        raise ReaderError(f"the pose's last row is {matrix[3].tolist()}, not 0 0 0 1")
    axes = matrix[:3, :3]
    scale = float(np.sqrt((axes**2).sum() / 3))
    if not scale > 1 / LARGEST:
        raise ReaderError("the pose's 3x3 part is zero")
    unit = axes / scale
    if any_scale and abs(scale - 1) > ROUNDING:
        repairs.add("{n} poses with a scaled rotation: the scale was dropped, camera centres kept")
        axes = unit
    error = float(np.abs(axes @ axes.T - np.eye(3)).max())
    if error > ROUNDING:
        kind = "scaled" if np.abs(unit @ unit.T - np.eye(3)).max() < ROUNDING else "sheared"
        raise ReaderError(f"the pose is {kind} (R Rᵀ is off by {error:.2g})")
    if np.linalg.det(axes) < 0:
        raise ReaderError("the pose mirrors the scene (determinant -1)")
    if error > ROTATION_TOLERANCE:
        repairs.add("{n} poses were slightly off a rotation: the nearest rotation was taken")
    result = matrix.copy()
    result[:3, :3] = nearest_rotation(axes)
    result[3] = (0, 0, 0, 1)
    return result


def pinhole_of(matrix: Float64[np.ndarray, "3 3"]) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of an intrinsics matrix. Raises ReaderError: skew, not finite, or not of that form."""
    if not np.isfinite(matrix).all():
        raise ReaderError("the intrinsics hold a NaN or infinity")
    (fx, skew, cx), (below, fy, cy), last = matrix.tolist()
    if abs(skew) > 1e-3:
        raise ReaderError(f"the intrinsics have a skew of {skew:g}: pixels that are no rectangles are not supported")
    if abs(below) > 1e-6 or last != [0, 0, 1]:
        raise ReaderError(f"the intrinsics are no matrix fx 0 cx / 0 fy cy / 0 0 1: {matrix.tolist()}")
    return fx, fy, cx, cy


def cam_from_world(
    stated: Float64[np.ndarray, "4 4"],
    repairs: Repairs,
    *,
    camera_to_world: bool,
    gl: bool = False,
    any_scale: bool = False,
) -> Float64[np.ndarray, "4 4"]:
    """Our pose from a stated matrix, in OpenCV's camera axes or with `gl` OpenGL's. Raises as `rigid`."""
    pose = rigid(stated, repairs, any_scale=any_scale)
    pose = invert_pose(pose) if camera_to_world else pose
    return CV_FROM_GL @ pose if gl else pose


def pose_from_quaternion(
    quaternion: tuple[float, float, float, float], translation: tuple[float, float, float]
) -> Float64[np.ndarray, "4 4"]:
    """The 4x4 pose of a quaternion w x y z, which need not have length 1. Raises ReaderError if it is zero."""
    w, x, y, z = quaternion
    length = w * w + x * x + y * y + z * z
    if not 1e-12 < length < 1e12:
        raise ReaderError("the pose's quaternion is zero or not finite")
    s = 2 / length
    rotation = [
        [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
    ]
    return matrix_of(np.array(rotation), np.array(translation, np.float64))


def pose_from_axis_angle(
    vector: tuple[float, float, float], translation: tuple[float, float, float]
) -> Float64[np.ndarray, "4 4"]:
    """The 4x4 pose of a rotation by |vector| radians about it. Raises ReaderError: not finite, or absurdly long."""
    angle = float(np.linalg.norm(vector))
    if not angle < 1e6:
        raise ReaderError("the pose's rotation vector is not finite")
    if angle < 1e-12:
        return matrix_of(np.eye(3), np.array(translation, np.float64))
    x, y, z = (np.sin(angle / 2) * component / angle for component in vector)
    return pose_from_quaternion((float(np.cos(angle / 2)), float(x), float(y), float(z)), translation)


def matrix_of(
    rotation: Float64[np.ndarray, "3 3"], translation: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "4 4"]:
    """The 4x4 matrix of a rotation and a translation, unchecked."""
    result = np.eye(4)
    result[:3, :3] = rotation
    result[:3, 3] = translation
    return result
