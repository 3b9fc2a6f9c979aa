"""Which further photos would help most: greedily, each the one that leaves the least variance after those before it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from neuraltexgen.geometry import camera_centre
from neuraltexgen.looks import look
from neuraltexgen.scene import Camera, View
from neuraltexgen.suggest.known import Survey
from neuraltexgen.suggest.stands import standing_poses
from neuraltexgen.types import Pose, Progress, no_progress

LEAST = 5e-4
"""Of the variance of a surface that nobody has looked at, what a photo must take away to be worth the walk."""

TURN = 45.0
"""Degrees that count as much as the usual distance, in telling which photo of the capture is the nearest."""

STANDING = 0.01
"""Moves by less than this share of the usual distance are none."""

Seen = tuple[Int64[np.ndarray, " s"], Float64[np.ndarray, " s"]]
"""Places, and the information that a look at each gives."""


@dataclass(frozen=True, eq=False)
class Suggestion:
    """A photo to take, with the capture's own lens.

    `fall`: the share of the variance left in all the surface that it takes away, after the suggestions before it.
    `unseen`: the area it shows that neither a photo nor an earlier suggestion does, in world units squared. `near`:
    the photo of the capture to start from; `moved`: how far from its camera, along that camera's right, down and
    forward; `turned`: degrees to the right and upwards from where it looks.
    """

    cam_from_world: Pose
    camera: Camera
    fall: float
    unseen: float
    near: str
    moved: tuple[float, float, float]
    turned: tuple[float, float]

    @property
    def centre(self) -> Float64[np.ndarray, "3"]:
        """Where the camera is to stand, in world space."""
        return camera_centre(self.cam_from_world)

    @property
    def forward(self) -> Float64[np.ndarray, "3"]:
        """Where it is to look, a unit vector in world space."""
        return self.cam_from_world[2, :3]


def suggest(
    survey: Survey, views: Sequence[View], count: int = 8, progress: Progress = no_progress
) -> tuple[Suggestion, ...]:
    """At most `count` photos to take, the most useful one first; fewer where further ones would hardly help."""
    camera = Counter(view.camera for view in views).most_common(1)[0][0]
    poses = standing_poses(survey, views)
    shows = [_shown(survey, views[0], camera, pose) for pose in progress(poses, "try views", len(poses))]
    information, result = survey.information.copy(), []
    total = float((1 / (1 + information)).sum())
    while len(result) < count and poses:
        falls = np.array([_fall(information, seen) for seen in shows])
        best = int(falls.argmax())
        if falls[best] < LEAST * len(information):
            break
        index, worth = shows[best]
        unseen = survey.area * float((information[index] == 0).sum())
        information[index] += worth
        near, moved, turned = _from_nearest(poses[best], views, survey.distance)
        result.append(Suggestion(poses[best], camera, float(falls[best]) / total, unseen, near, moved, turned))
        del poses[best], shows[best]
    return tuple(result)


def _shown(survey: Survey, like: View, camera: Camera, pose: Pose) -> Seen:
    index, density = look(View(like.name, camera, pose, like.photo), survey.hits, survey.places, "front")
    return index, survey.worth(density)


def _fall(information: Float64[np.ndarray, " p"], seen: Seen) -> float:
    """How much variance a photo takes away."""
    index, worth = seen
    before = 1 + information[index]
    return float((worth / (before * (before + worth))).sum())


def _from_nearest(
    pose: Pose, views: Sequence[View], distance: float
) -> tuple[str, tuple[float, float, float], tuple[float, float]]:
    """The photo whose camera is the least away in place and direction, and the way from it in its own axes."""
    centre, forward = camera_centre(pose), pose[2, :3]

    def away(view: View) -> tuple[float, str]:
        angle = np.degrees(np.arccos(np.clip(view.cam_from_world[2, :3] @ forward, -1, 1)))
        return float(np.linalg.norm(camera_centre(view.cam_from_world) - centre) / distance + angle / TURN), view.name

    near = min(views, key=away)
    moved = near.cam_from_world[:3, :3] @ centre + near.cam_from_world[:3, 3]
    moved[np.abs(moved) < STANDING * distance] = 0.0
    x, y, z = near.cam_from_world[:3, :3] @ forward
    right, up = np.degrees(np.arctan2(x, z)), np.degrees(np.arctan2(-y, np.hypot(x, z)))
    return near.name, (float(moved[0]), float(moved[1]), float(moved[2])), (float(right), float(up))
