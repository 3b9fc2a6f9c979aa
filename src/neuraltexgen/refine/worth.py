"""Whether better cameras would help a capture: how much better a few of its photos agree once they may move."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuraltexgen.refine.adjust import Prior
from neuraltexgen.refine.cameras import freed_rig, rig_of
from neuraltexgen.refine.photometric import FEWEST, Level
from neuraltexgen.refine.polish import SHIFT, TURN, coarsest
from neuraltexgen.refine.pyramids import photo_pyramids
from neuraltexgen.refine.through_mesh import ThroughMesh
from neuraltexgen.scene import Mesh, View
from neuraltexgen.types import Progress, no_progress

ASKED = 20
"""Photos that are asked, at even steps."""

LEVEL = 1
"""Of their pyramids: errors worth the time of refining are seen at half the size."""

FALL = 0.75
"""Refining helps if what photos differ by at a place falls to this share: calibrated captures stay above it, whose
photos differ by noise, glints and the mesh's errors."""


@dataclass(frozen=True)
class Worth:
    """`before`, `after`: how far the photos' brightness differs at a place, robust, in [0, 1], as the cameras are given
    and as they agree best; `looks`: how often that was seen, by `asked` photos.
    """

    before: float
    after: float
    looks: int
    asked: int

    @property
    def helps(self) -> bool:
        """Whether cameras are wrong enough. False where photos hardly look at the same places."""
        return self.looks >= FEWEST * self.asked and self.after < FALL * self.before


def worth_refining(views: Sequence[View], chosen: Sequence[int], mesh: Mesh, progress: Progress = no_progress) -> Worth:
    """What some of the views of the indices `chosen` say. Raises ImageError: a photo that can't be read."""
    steps = np.unique(np.linspace(0, len(chosen) - 1, min(ASKED, len(chosen))).round().astype(int))
    asked = [views[chosen[k]] for k in steps]
    rig, pyramids = freed_rig(rig_of(asked)), photo_pyramids(asked, LEVEL + 1, progress)
    level = Level(ThroughMesh(mesh), pyramids, rig, min(LEVEL, coarsest(pyramids)))
    if len(level.looks) == 0:
        return Worth(0.0, 0.0, 0, len(asked))
    at = level.expose(rig)
    prior = Prior(TURN, SHIFT * float(np.median(np.linalg.norm(level.local(rig), axis=1))))
    found = level.polish(rig, rig, at, prior, ("focal",))
    return Worth(found.before.spread, found.after.spread, int(found.after.known.sum()), len(asked))
