"""What EXIF data say of exposures, and whether the photos bear it out.

A stop more is twice the light; by how much it raises a value depends on the encoding (all of log 2 in linear photos,
about log 2 / 2.2 in sRGB, less where a camera's curve flattens it), so that is asked of the photos.
"""

import numpy as np
from jaxtyping import Float64

from neuraltexgen.equalise.pairs import Pairs
from neuraltexgen.equalise.solve import weighted_median

APART, FEWEST = 0.15, 200
"""Stops that the photos of a pair must differ by to tell something; pairs that must do so at the least."""

LEFT = 0.5
"""Stated exposures are believed if they leave at most this share of what brightness differs by (medians of pairs)."""

STEEPEST = 1.2 * np.log(2)
"""How much the logarithm of a value grows with a stop, at the most: more than light itself would be an error."""

TINY = 1e-3
"""What a value is taken to be at the least, before its logarithm."""


def light_of_stop(pairs: Pairs, stops: Float64[np.ndarray, " v"]) -> float | None:
    """By how much the logarithm of a photo's values grows with a stop of its stated exposure.

    `stops`: per photo, NaN where it states none. None unless the photos' brightness bears out what they state.
    """
    steps = stops[pairs.first] - stops[pairs.second]
    told = np.abs(np.nan_to_num(steps)) > APART
    if told.sum() < FEWEST:
        return None
    steps = steps[told]
    brightness = np.log(np.maximum(pairs.shown[told].mean(axis=2), TINY))
    differences, weight = brightness[:, 0] - brightness[:, 1], pairs.weight[told]
    slope = weighted_median(differences / steps, weight * np.abs(steps))
    left = weighted_median(np.abs(differences - slope * steps), weight)
    borne_out = left <= LEFT * weighted_median(np.abs(differences), weight)
    return slope if borne_out and 0 < slope <= STEEPEST else None


def expected_gains(stops: Float64[np.ndarray, " v"], of_stop: float) -> Float64[np.ndarray, " v"]:
    """Gains as stated, about 1; 1 where a photo states nothing."""
    return np.exp(of_stop * np.nan_to_num(stops - np.nanmean(stops)))
