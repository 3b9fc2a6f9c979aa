"""What a fit is given beside its views, and what it gives back."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from neuraltexgen.losses import NetworkMemory
from neuraltexgen.seam_tie import SeamTie


@dataclass(frozen=True)
class PassRecord:
    """One pass over the views: the mean loss, seconds since the fit began, and what `on_pass` had to say."""

    number: int
    loss: float
    seconds: float
    figures: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class FitResult:
    """The texture (not clipped), how much each texel counted in the photos (0: never seen), and what was fitted beside.

    gains, offsets: per view and channel. view_weights: per view, from its sharpness.
    """

    texture: Float32[np.ndarray, "H W c"]
    weight: Float32[np.ndarray, "H W"]
    gains: Float32[np.ndarray, "v c"]
    offsets: Float32[np.ndarray, "v c"]
    view_weights: Float32[np.ndarray, " v"]
    history: tuple[PassRecord, ...] = field(default=())


Exposures = tuple[Float32[np.ndarray, "v c"], Float32[np.ndarray, "v c"]]
"""Gains and offsets, per view and channel."""


@dataclass(frozen=True, eq=False)
class Beside:
    """What a fit may be given beside its views.

    `start`: texture and exposures to begin with, instead of what the settings say. `memory`: for losses with a network.
    `seams`: places that show one surface point, drawn together by the settings' `seam_weight`. `weights`: per view, how
    much its loss counts, beside what its sharpness says. `exposures`: gains and offsets per view and channel, which are
    then held.
    """

    start: FitResult | None = None
    memory: NetworkMemory | None = None
    seams: SeamTie | None = None
    weights: Float32[np.ndarray, " v"] | None = None
    exposures: Exposures | None = None
