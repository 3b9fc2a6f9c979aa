"""A rig refined by what its photos show, from where it is given or where features have put it: level after level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from neuraltexgen.refine.adjust import Prior
from neuraltexgen.refine.brightness import Brightness, even_brightness
from neuraltexgen.refine.lens import Freed
from neuraltexgen.refine.levels import Level
from neuraltexgen.refine.photometric import polish
from neuraltexgen.refine.pyramids import Pyramid
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.types import Progress, no_progress

TURN, SHIFT = np.radians(3.0), 0.05
"""How far a camera may be off, as standard deviations: radians; and a share of its distance to the surface. A weak
prior: it decides only what no photo does."""

WORSE = 3.0
"""A view that disagrees by so many times what the median view does is not placed."""

Stage = tuple[int, tuple[Freed, ...], float]
"""A level, what of the lenses is free there, and the share of the usual number of places that is looked at."""

COARSE: tuple[Stage, ...] = ((2, ("focal",), 1.0),)
EVERY: tuple[Freed, ...] = ("focal", "centre", "distortion")
STAGES: tuple[Stage, ...] = ((1, ("focal",), 1.0), (0, EVERY, 0.5), (0, EVERY, 1.0))
"""Distortion fitted to cameras that are far off would take over their errors. The finest level comes twice: places,
exposures and fall-off are told anew where cameras are nearly right, and half the places bring them there. The coarse
stage goes before where places are off by more than a finer level's slopes reach: it knows cameras to a pixel at best.
"""

FAR = 0.02
"""Share of a photo's longer side by which places may move; beyond it features find the way."""

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
    """`spreads`: how far each view differs from the others, NaN where it has too few looks to tell."""

    rig: Rig
    brightness: Brightness
    spreads: Float64[np.ndarray, " v"]
    figures: PhotoFigures

    @property
    def placed(self) -> Bool[np.ndarray, " v"]:
        """Views that are known to agree with the others, but for at most WORSE times what is usual."""
        known = np.isfinite(self.spreads)
        usual = float(np.median(self.spreads[known])) if known.any() else 0.0
        with np.errstate(invalid="ignore"):
            return known & (self.spreads <= WORSE * usual)

    @property
    def far(self) -> bool:
        """Whether places moved by so much of the photos that slopes hardly led them where they belong."""
        cameras = [self.rig.camera(view) for view in range(len(self.rig.poses))]
        return self.figures.moved > FAR * float(np.median([max(camera.width, camera.height) for camera in cameras]))


def polish_rig(
    surface: ThroughMesh,
    pyramids: Sequence[Pyramid],
    start: Rig,
    given: Rig,
    stages: Sequence[Stage] = STAGES,
    progress: Progress = no_progress,
) -> PolishedRig:
    """The rig near `start` under which photos show one brightness at each place of the mesh; see `photometric`.

    `given`: what priors hold to.
    """
    rig, at = start, even_brightness(len(start.poses))
    first, before, last, most = None, np.nan, None, max(share for *_, share in stages)
    for number, freed, share in progress(stages, "align photos", len(stages)):
        # Places are chosen anew each time: those that a better rig sees, in the level's own detail.
        level = Level(surface, pyramids, rig, min(number, coarsest(pyramids)), share)
        at = level.expose(rig)
        if first is None and share == most:
            first, before = level, level.agreement(rig, at).spread
        distance = np.linalg.norm(level.local(rig), axis=1)
        prior = Prior(TURN, SHIFT * (float(np.median(distance)) if len(distance) else 1.0))
        last = polish(level, rig, given, at, prior, freed)
        rig, at = last.rig, last.brightness
    if first is None or last is None:
        raise ValueError("a rig is refined in one stage at least")
    way = np.linalg.norm(first.pixels(rig) - first.pixels(start), axis=1)
    moved = float(np.nanmedian(way)) if np.isfinite(way).any() else 0.0
    figures = PhotoFigures(before, first.agreement(rig, at).spread, len(last.looks), moved)
    return PolishedRig(rig, at, last.after.views, figures)


def coarsest(pyramids: Sequence[Pyramid]) -> int:
    """The last level that all photos have."""
    return min(len(pyramid.levels) for pyramid in pyramids) - 1
