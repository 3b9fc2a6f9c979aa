"""What may be wrong about poses, mesh and photos, one frozen row each: a name, a sentence, and how it is put right."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
import pycolmap
from jaxtyping import Float64

from neuraltexgen.doctor.candidate import Candidate
from neuraltexgen.geometry import CV_FROM_GL
from neuraltexgen.scene import Camera

Rotations = Float64[np.ndarray, "v 3 3"]
Translations = Float64[np.ndarray, "v 3"]
PoseForm = Callable[[Rotations, Translations], tuple[Rotations, Translations]]


@dataclass(frozen=True)
class Hypothesis:
    """A convention that may have been misread.

    `group`: what it is about; two of one group are never combined. `sentence` completes "probably, ...".
    `apply` returns the candidate with the convention put right, or None where that makes no sense or changes nothing (a
    lens without such a parameter, say). `common`: seen often in practice, so that it is tried in larger combinations.
    """

    name: str
    group: str
    sentence: str
    apply: Callable[[Candidate], Candidate | None]
    common: bool = False


def pose_hypotheses() -> tuple[Hypothesis, ...]:
    """How rotation and translation were stored: inverted, transposed, the camera's centre, another quaternion order."""
    return tuple(
        Hypothesis(f"poses:{name}", "poses", sentence, _posed(form), common)
        for name, sentence, form, common in POSE_FORMS
    )


def camera_axis_hypotheses() -> tuple[Hypothesis, ...]:
    """The 23 other ways in which a right-handed camera's axes may lie."""
    return tuple(
        Hypothesis(f"camera-axes:{name}", "camera axes", _camera_sentence(name), _with_camera_axes(axes), name in GL)
        for name, axes in signed_axes().items()
        if np.linalg.det(axes) > 0 and name != SAME
    )


def mesh_axis_hypotheses() -> tuple[Hypothesis, ...]:
    """The 47 other ways in which the mesh's axes may lie in the world of the cameras, mirrored ones among them."""
    return tuple(
        Hypothesis(f"mesh-axes:{name}", "mesh axes", _mesh_sentence(name, axes), _with_mesh(axes), name in Y_UP)
        for name, axes in signed_axes().items()
        if name != SAME
    )


def mesh_scale_hypotheses() -> tuple[Hypothesis, ...]:
    """The mesh's unit against the cameras': metric ones, inches, feet."""
    return tuple(
        Hypothesis(
            f"mesh-scale:{name}",
            "mesh scale",
            f"the mesh and the cameras have different units: the mesh is to be scaled by {factor:.6g} ({why})",
            _with_mesh(factor * np.eye(3)),
            common,
        )
        for name, factor, why, common in SCALES
    )


def photo_hypotheses() -> tuple[Hypothesis, ...]:
    """The photos are turned or mirrored against what the cameras were calibrated for."""
    return tuple(Hypothesis(f"photos:{name}", "photos", sentence, _turned(turn)) for name, turn, sentence in TURNS)


def signed_axes() -> dict[str, Float64[np.ndarray, "3 3"]]:
    """The 48 signed permutations of three axes by name: "+x-z+y" has the rows x, -z, y of the axes it is applied to."""
    result = {}
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[range(3), order] = signs
        result["".join(f"{'+-'[sign < 0]}{'xyz'[axis]}" for axis, sign in zip(order, signs))] = matrix
    return result


def _posed(form: PoseForm) -> Callable[[Candidate], Candidate]:
    def apply(candidate: Candidate) -> Candidate:
        poses = np.tile(np.eye(4), (len(candidate.poses), 1, 1))
        poses[:, :3, :3], poses[:, :3, 3] = form(candidate.poses[:, :3, :3], candidate.poses[:, :3, 3])
        return replace(candidate, poses=poses)

    return apply


def _with_camera_axes(axes: Float64[np.ndarray, "3 3"]) -> Callable[[Candidate], Candidate]:
    return lambda candidate: replace(candidate, poses=_four(axes) @ candidate.poses)


def _with_mesh(linear: Float64[np.ndarray, "3 3"]) -> Callable[[Candidate], Candidate]:
    return lambda candidate: replace(candidate, world_from_mesh=_four(linear) @ candidate.world_from_mesh)


def _turned(turn: int) -> Callable[[Candidate], Candidate | None]:
    def apply(candidate: Candidate) -> Candidate | None:
        if candidate.turn != 1:
            return None
        if turn < 5:
            return replace(candidate, turn=turn)
        cameras = (Camera(c.model, c.height, c.width, c.params) for c in candidate.cameras)
        return replace(candidate, turn=turn, cameras=tuple(cameras))

    return apply


def _four(linear: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "4 4"]:
    result = np.eye(4)
    result[:3, :3] = linear
    return result


def _moved(matrices: Rotations, vectors: Translations) -> Translations:
    return np.einsum("vij,vj->vi", matrices, vectors)


def _transposed(rotations: Rotations) -> Rotations:
    return np.swapaxes(rotations, 1, 2)


def _reordered(rotations: Rotations, order: tuple[int, ...]) -> Rotations:
    """The rotations whose quaternions (w x y z) have the given ones' components in another order."""
    result = np.empty_like(rotations)
    for i, rotation in enumerate(rotations):
        x, y, z, w = pycolmap.Rotation3d(rotation).quat
        w, x, y, z = np.array([w, x, y, z])[list(order)]
        result[i] = pycolmap.Rotation3d(np.array([x, y, z, w])).matrix()
    return result


def _order_stored_inverted(order: tuple[int, ...]) -> PoseForm:
    """The quaternions are of camera to world: the centres stay where they are."""

    def form(r: Rotations, t: Translations) -> tuple[Rotations, Translations]:
        back = _reordered(_transposed(r), order)
        centres = -_moved(_transposed(r), t)
        return _transposed(back), -_moved(_transposed(back), centres)

    return form


def _camera_sentence(name: str) -> str:
    if name in GL:
        return "the camera's axes are OpenGL's (y up, z backward) where OpenCV's were taken, or the reverse"
    return f"the camera's axes x y z are in truth {_spelt(name)} of those taken"


def _mesh_sentence(name: str, axes: Float64[np.ndarray, "3 3"]) -> str:
    if name in Y_UP:
        return f"y is up in one of mesh and cameras, z in the other: the mesh's x y z become {_spelt(name)}"
    kind = "turned" if np.linalg.det(axes) > 0 else "mirrored"
    return f"the mesh is {kind} against the cameras: its x y z become {_spelt(name)}"


def _spelt(name: str) -> str:
    return " ".join(name[i : i + 2].lstrip("+") for i in range(0, 6, 2))


SAME = "+x+y+z"
GL = ("+x-y-z",)
Y_UP = ("+x-z+y", "+x+z-y")
XYZW_TO_WXYZ, WXYZ_TO_XYZW = (3, 0, 1, 2), (1, 2, 3, 0)

POSE_FORMS: tuple[tuple[str, str, PoseForm, bool], ...] = (
    (
        "inverted",
        "the poses are camera to world where world to camera was taken, or the reverse",
        lambda r, t: (_transposed(r), -_moved(_transposed(r), t)),
        True,
    ),
    (
        "gl-inverted",
        "the poses are inverted and the camera's axes OpenGL's, in the order in which camera-to-world files have them",
        lambda r, t: (
            CV_FROM_GL[:3, :3] @ _transposed(CV_FROM_GL[:3, :3] @ r),
            -_moved(CV_FROM_GL[:3, :3] @ _transposed(CV_FROM_GL[:3, :3] @ r), t @ CV_FROM_GL[:3, :3].T),
        ),
        True,
    ),
    ("centre", "the translation stored is where the camera stands", lambda r, t: (r, -_moved(r, t)), True),
    (
        "no-centre",
        "the translation stored is that of world to camera, and not where the camera stands",
        lambda r, t: (r, -_moved(_transposed(r), t)),
        True,
    ),
    ("transposed", "the rotation is stored transposed", lambda r, t: (_transposed(r), t), False),
    (
        "transposed-centre",
        "the rotation is stored transposed, about the camera's centre",
        lambda r, t: (_transposed(r), _moved(_transposed(r), _moved(_transposed(r), t))),
        False,
    ),
    ("negated", "the translation has the other sign", lambda r, t: (r, -t), False),
    (
        "xyzw",
        "the quaternion is x y z w where w x y z was taken",
        lambda r, t: (_reordered(r, XYZW_TO_WXYZ), t),
        False,
    ),
    (
        "wxyz",
        "the quaternion is w x y z where x y z w was taken",
        lambda r, t: (_reordered(r, WXYZ_TO_XYZW), t),
        False,
    ),
    (
        "xyzw-inverted",
        "the quaternion (camera to world) is x y z w where w x y z was taken",
        _order_stored_inverted(XYZW_TO_WXYZ),
        False,
    ),
    (
        "wxyz-inverted",
        "the quaternion (camera to world) is w x y z where x y z w was taken",
        _order_stored_inverted(WXYZ_TO_XYZW),
        False,
    ),
)

SCALES: tuple[tuple[str, float, str, bool], ...] = (
    ("0.001", 1e-3, "mm to m", True),
    ("0.01", 1e-2, "cm to m", True),
    ("0.1", 1e-1, "mm to cm, dm to m", True),
    ("10", 1e1, "cm to mm, m to dm", True),
    ("100", 1e2, "m to cm", True),
    ("1000", 1e3, "m to mm", True),
    ("inch-to-m", 0.0254, "inches to m", False),
    ("m-to-inch", 1 / 0.0254, "m to inches", False),
    ("foot-to-m", 0.3048, "feet to m", False),
    ("m-to-foot", 1 / 0.3048, "m to feet", False),
    ("inch-to-cm", 2.54, "inches to cm", False),
    ("cm-to-inch", 1 / 2.54, "cm to inches", False),
)

TURNS: tuple[tuple[str, int, str], ...] = (
    ("mirrored", 2, "the photos are mirrored left to right"),
    ("half-turn", 3, "the photos are turned by 180 degrees"),
    ("flipped", 4, "the photos' rows run from the bottom up"),
    ("transposed", 5, "the photos' rows and columns are exchanged"),
    (
        "turned-right",
        6,
        "the photos are to be turned by 90 degrees clockwise, and the cameras are of that",
    ),
    ("transposed-other", 7, "the photos are exchanged along their other diagonal"),
    ("turned-left", 8, "the photos are to be turned by 90 degrees anticlockwise, and the cameras are of that"),
)
"""Name, EXIF orientation, sentence."""
