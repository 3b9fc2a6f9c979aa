"""A rig refined by what its photos show, from where it is given or where features have put it: level after level."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from neuraltexgen.refine.adjust import Prior
from neuraltexgen.refine.lens import Freed
from neuraltexgen.refine.photometric import Agreement, Brightness, Level, Polished, even_brightness
from neuraltexgen.refine.pyramids import Pyramid
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.types import Progress, no_progress

TURN, SHIFT = np.radians(3.0), 0.05
"""How far a camera may be off, as standard deviations: radians; and a share of its distance to the surface. A weak
prior: it decides only what no photo does."""

WORSE = 3.0
"""A view that disagrees by so many times what the median view does is not placed."""

Stage = tuple[int, tuple[Freed, ...]]
"""A level, and what of the lenses is free there."""

COARSE: Stage = (2, ("focal",))
STAGES: tuple[Stage, ...] = ((1, ("focal",)), (0, ("focal",)), (0, ("focal", "centre", "distortion")))
"""Distortion fitted to cameras that are far off would take over their errors."""

DEPTH = 3
"""Levels of the photos that are used."""


@dataclass(frozen=True, eq=False)
class PhotoFigures:
    """What the photos said of a rig: `before` and `after`, how far their brightness differs at a place, robust, in
    [0, 1]; of how many `looks`; and how far the places `moved` in the photos, the median in pixels.
    """

    before: float
    after: float
    looks: int
    moved: float


@dataclass(frozen=True, eq=False)
class PolishedRig:
    """`placed`: views that are known to agree; the others may stand anywhere near. `moved`: see PhotoFigures."""

    rig: Rig
    brightness: Brightness
    placed: Bool[np.ndarray, " v"]
    figures: PhotoFigures


def polish_rig(
    surface: ThroughMesh,
    pyramids: Sequence[Pyramid],
    start: Rig,
    given: Rig,
    stages: Sequence[Stage] = STAGES,
    progress: Progress = no_progress,
) -> PolishedRig:
    """The rig near `start` under which photos show one brightness at each place of the mesh; see `photometric`.

    Views with too few looks, or that disagree far more than others, are not placed. `given`: what priors hold to.
    """
    rig, at, first, done = start, even_brightness(len(start.poses)), None, None
    for number, freed in progress(stages, "align photos", len(stages)):
        # Places are chosen anew each time: those that a better rig sees, in the level's own detail.
        level = Level(surface, pyramids, rig, min(number, coarsest(pyramids)))
        if first is None:
            at = level.expose(rig, at)
            first = level
            before = level.agreement(rig, at)
        distance = float(np.median(np.linalg.norm(level.local(rig), axis=1))) if len(level.looks) else 1.0
        done = level.polish(rig, given, at, Prior(TURN, SHIFT * distance), freed)
        rig, at = done.rig, done.brightness
    ...
