"""Who walks through which photos: places on the floor that a camera has before it, clear of the furniture."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from neuraltexgen.geometry import camera_centre, project, transform
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic.cast import blocked, pack_planes
from neuraltexgen.synthetic.figure import Person
from neuraltexgen.synthetic.layout import ROOM, Rectangle
from neuraltexgen.synthetic.walk import clear_places
from neuraltexgen.types import Pose

STEP, FROM_WALLS = 0.2, 0.4
NEAREST, FARTHEST = 1.1, 3.2
"""Metres from the camera at which someone walks by."""
CHEST = 1.2
MARGIN = 0.12
"""How far inside the photo the chest is, as a share of its sides."""


def choose_people(
    rectangles: Sequence[Rectangle],
    camera: Camera,
    poses: Float64[np.ndarray, "v 4 4"],
    share: float,
    rng: np.random.Generator,
) -> tuple[Person | None, ...]:
    """Someone, or None, for each view: for `share` of the views, fewer if fewer have a free place before them."""
    wanted = round(share * len(poses))
    people: list[Person | None] = [None] * len(poses)
    floor = _free_floor(rectangles) if wanted else np.empty((0, 3))
    planes = pack_planes(rectangles)
    for view in rng.permutation(len(poses)).tolist():
        if wanted == 0:
            break
        places = _in_sight(floor, planes, camera, poses[view])
        if len(places):
            x, y, _ = places[rng.integers(len(places))]
            people[view] = Person((float(x), float(y)), float(rng.uniform(0, 360)), float(rng.random()))
            wanted -= 1
    return tuple(people)


def _free_floor(rectangles: Sequence[Rectangle]) -> Float64[np.ndarray, "n 3"]:
    """Chests of people who could stand there."""
    x, y = (np.arange(FROM_WALLS, side - FROM_WALLS, STEP) for side in ROOM[:2])
    places = np.stack([*(axis.ravel() for axis in np.meshgrid(x, y)), np.full(len(x) * len(y), CHEST)], axis=1)
    heights = ([0.0, 0.0, height - CHEST] for height in (0.2, 0.8, 1.5))
    return places[np.all([clear_places(rectangles, places + up) for up in heights], axis=0)]


def _in_sight(
    chests: Float64[np.ndarray, "n 3"], planes: Float64[np.ndarray, "q 12"], camera: Camera, pose: Pose
) -> Float64[np.ndarray, "m 3"]:
    centre = camera_centre(pose)
    away = chests - centre
    distance = np.linalg.norm(away[:, :2], axis=1)
    ahead = transform(pose, chests)
    near = chests[(distance > NEAREST) & (distance < FARTHEST) & (ahead[:, 2] > 0.5)]
    at = project(camera, transform(pose, near)) / (camera.width, camera.height)
    inside = near[np.all((at > MARGIN) & (at < 1 - MARGIN), axis=1)]
    free = [not blocked(planes, *centre, *(chest - centre), 1.0) for chest in inside]
    return inside[np.array(free, bool)]
