"""Where the pixels of a blurred photo look: at samples of their surroundings that together stand for the blur."""

from dataclasses import dataclass
from functools import lru_cache
from math import atan2, degrees, hypot, isqrt

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

SPREAD_PLACES = 16
"""Places that a pixel of a blurred photo looks at, in pairs on both sides of its middle."""

REACH = 3.0
"""How far from its middle a pixel may look, in standard deviations of the blur and the pixel's own width together, in
each direction."""

FINEST, STEPS = 0.6, 13
"""The highest spatial frequency at which places stand for a blur, in periods a pixel; how many are compared an axis."""

ZERO_FREQUENCY = 0.005
"""Added to a squared frequency before one is divided by it: what a frequency counts, as in photos' spectra."""

SWEEPS = 8
"""Turns of exchanging pairs of places for better ones, at the most."""


@dataclass(frozen=True)
class PointSpread:
    """What a blurred photo makes of a point: a Gaussian's covariance in square pixels, x being the column."""

    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    @classmethod
    def even(cls, sigma: float) -> "PointSpread":
        """Of that standard deviation in all directions."""
        return cls(sigma**2, 0.0, sigma**2)

    @property
    def sigma(self) -> float:
        """The standard deviation, the root mean square over all directions, in pixels; 0 if the photo is sharp."""
        return max(0.0, (self.xx + self.yy) / 2) ** 0.5

    @property
    def axes(self) -> tuple[float, float]:
        """The largest and the least standard deviation, in pixels."""
        mean, apart = (self.xx + self.yy) / 2, hypot((self.xx - self.yy) / 2, self.xy)
        return max(0.0, mean + apart) ** 0.5, max(0.0, mean - apart) ** 0.5

    @property
    def angle(self) -> float:
        """The direction of the largest, in degrees from the photo's rows towards its lower edge, -90 to 90."""
        return degrees(atan2(2 * self.xy, self.xx - self.yy)) / 2


SHARP = PointSpread()


def spread_samples(
    fields: tuple[Shaped[np.ndarray, "h w s ..."], ...], spread: PointSpread
) -> tuple[tuple[Shaped[np.ndarray, "h w n ..."], ...], Bool[np.ndarray, "h w"]]:
    """Samples by pixel, k x k of them, regathered so that each pixel has those which stand for its blurred area; and
    which pixels look at none beyond the photo's border (such a sample is 0).

    The sample nearest to a pixel's middle comes first.
    """
    height, width, samples = fields[0].shape[:3]
    k = isqrt(samples)
    offsets = spread_offsets(spread, k)
    margin = k * -(-(int(np.abs(offsets).max()) + 1) // k)
    inside = np.ones((height, width, samples), np.bool_)
    *gathered, whole = (_gathered(field, k, margin, offsets) for field in (*fields, inside))
    return tuple(gathered), np.asarray(whole.all(axis=2))


@lru_cache(maxsize=1024)
def spread_offsets(spread: PointSpread, k: int) -> Int64[np.ndarray, "n 2"]:
    """Which samples of a grid of k x k a pixel stand for a pixel's area, blurred so: rows and columns from the pixel's
    own first sample, nearest ones first.

    They count alike and may repeat. Of sets that are symmetric about the pixel's middle, the one is looked for whose
    frequency response is nearest to the Gaussian's: pair by pair, and then by exchanging pairs.
    """
    covariance = np.array([[spread.yy, spread.xy], [spread.xy, spread.xx]])  # of rows and columns
    covariance += (1 - 1 / k**2) / 12 * np.eye(2)  # a grid of samples has the second term by itself
    variances, axes = np.linalg.eigh(covariance)
    reach = REACH * variances.clip(min=0) ** 0.5 + 0.5 / k
    furthest = int(np.ceil(reach.max() * k))
    number = np.arange(-furthest, k + furthest)
    ends = np.stack(np.meshgrid(number, number, indexing="ij"), axis=-1).reshape(-1, 2)
    places = (ends + 0.5) / k - 0.5
    upper = (ends[:, 0] < k - 1 - ends[:, 0]) | ((2 * ends[:, 0] == k - 1) & (2 * ends[:, 1] <= k - 1))
    kept = upper & (np.linalg.norm(places @ axes / reach, axis=1) <= 1)
    ends, places = ends[kept], places[kept]
    axis = np.linspace(0, FINEST, STEPS)
    frequency = np.stack(np.meshgrid(axis, np.concatenate((-axis[:0:-1], axis)), indexing="ij"), axis=-1).reshape(-1, 2)
    wanted = np.exp(-2 * np.pi**2 * (frequency @ covariance * frequency).sum(axis=1))
    root = 1 / np.sqrt(ZERO_FREQUENCY + (frequency**2).sum(axis=1))
    chosen = ends[_nearest_set(root * np.cos(2 * np.pi * places @ frequency.T), root * wanted, SPREAD_PLACES // 2)]
    both = np.concatenate((chosen, k - 1 - chosen))
    return both[np.argsort(np.linalg.norm((both + 0.5) / k - 0.5, axis=1), kind="stable")]


def _nearest_set(response: Float64[np.ndarray, "n f"], wanted: Float64[np.ndarray, " f"], count: int) -> list[int]:
    """So many rows, possibly repeated, whose mean is nearest to what is wanted."""
    chosen: list[int] = []
    total = np.zeros_like(wanted)
    for number in range(1, count + 1):
        chosen.append(_best(total + response, number * wanted))
        total += response[chosen[-1]]
    for _ in range(SWEEPS):
        before = list(chosen)
        for place in range(count):
            total -= response[chosen[place]]
            chosen[place] = _best(total + response, count * wanted)
            total += response[chosen[place]]
        if chosen == before:
            break
    return chosen


def _best(sums: Float64[np.ndarray, "n f"], wanted: Float64[np.ndarray, " f"]) -> int:
    return int(((sums - wanted) ** 2).sum(axis=1).argmin())


def _gathered(field: np.ndarray, k: int, margin: int, offsets: Int64[np.ndarray, "n 2"]) -> np.ndarray:
    """The field's samples at offsets from each pixel's first one, side by side."""
    (height, width), rest = field.shape[:2], field.shape[3:]
    grid = field.reshape(height, width, k, k, *rest).swapaxes(1, 2).reshape(height * k, width * k, *rest)
    grid = np.pad(grid, ((margin, margin), (margin, margin), *((0, 0),) * len(rest)))
    starts = (offsets + margin).tolist()
    return np.stack([grid[i : i + k * height : k, j : j + k * width : k] for i, j in starts], axis=2)
