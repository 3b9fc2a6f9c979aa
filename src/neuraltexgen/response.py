"""How a camera's values follow the light: its response curve, as a polynomial that puts the values straight.

Any power of straight values makes gains of gains, so photos can't tell it from them, and a noisy solve drifts along
it. The polynomials are those that bend as an S does, which no power does; the rest of a curve is left to the gains.
Source of the form: Mitsunaga and Nayar, Radiometric self calibration, 1999.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64

Values = TypeVar("Values")
"""A NumPy array or a tensor."""

GENTLEST = 0.2
"""The slope of a curve is nowhere less: what it is divided by would be noise."""

PLACES = np.linspace(0, 1, 65)


@dataclass(frozen=True)
class Response:
    """A photo's value v, straightened, is v + Σ coefficients[k] v (1 - v) (1 - 2 v)^(2 k + 1): 0, 1/2 and 1 stay where
    they are, and a photo of another exposure has values a constant times as high. Without coefficients it is v.
    """

    coefficients: tuple[float, ...] = ()

    def straight(self, values: Values) -> Values:
        """Values of a photo, straightened; beyond [0, 1], where no camera's are, they stay as they are."""
        straight: Any = values
        terms = bends(straight.clip(0, 1), len(self.coefficients))
        for own, term in zip(self.coefficients, terms, strict=True):
            straight = straight + own * term
        return straight

    @property
    def bend(self) -> float:
        """By how much it moves a value, at the most."""
        return float(np.abs(self.straight(PLACES) - PLACES).max())


def bends(values: Values, terms: int) -> list[Values]:
    """What the coefficients of a curve are multiplied by: v (1 - v) (1 - 2 v)^(2 k + 1)."""
    shown: Any = values
    return [shown * (1 - shown) * (1 - 2 * shown) ** (2 * k + 1) for k in range(terms)]


def bend_slopes(values: Values, terms: int) -> list[Values]:
    """The derivatives of `bends` by the value."""
    shown: Any = values
    side, hill = 1 - 2 * shown, shown * (1 - shown)
    return [side ** (2 * k + 2) - 2 * (2 * k + 1) * hill * side ** (2 * k) for k in range(terms)]


def rising(coefficients: Sequence[float] | Float64[np.ndarray, " k"]) -> Float64[np.ndarray, " k"]:
    """The coefficients, less of each as far as it takes for the curve to rise everywhere, by GENTLEST at the least."""
    own = np.asarray(coefficients, np.float64)
    steepest = -sum((c * slope for c, slope in zip(own, bend_slopes(PLACES, len(own)), strict=True)), 0 * PLACES).min()
    return own * min(1.0, (1 - GENTLEST) / max(steepest, 1e-9))
