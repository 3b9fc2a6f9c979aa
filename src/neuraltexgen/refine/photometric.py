"""Photometric bundle adjustment: cameras under which photos show one brightness at each place of the mesh.

The unknowns are poses, lenses, and an offset of each photo's brightness. The colours of the places are unknown too, and
eliminated: every step moves all views together, each against what the others say. A photo's slope at a place tells how
its brightness there goes with its camera, so what decides is what lies between pixels, and all of a photo that is not
flat. It starts within a few pixels of a level: coarse levels first. Gains are no unknowns of it: dark photos agree.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from neuraltexgen.geometry import project
from neuraltexgen.refine.adjust import NEAR, Prior
from neuraltexgen.refine.consensus import VIEW, Slopes, consensus, consensus_equations
from neuraltexgen.refine.lens import Freed, is_lens, lens_derivatives, parameter_spread, told_parameters
from neuraltexgen.refine.looks import Looks, choose_looks
from neuraltexgen.refine.motion import moved, twist_between
from neuraltexgen.refine.pyramids import Pyramid, sampled
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh

PLACES = 24_000
"""Places of a level, over all photos; half as many for each coarser one, which has fewer pixels to choose from."""

STEPS, ENOUGH = 12, 1e-3
"""Steps of a level at most; and the relative fall of the cost below which they end."""

DAMPING, LEAST, REFUSED = 1e-3, 1e-3, 4
"""Levenberg's, at first and at least; and how many steps that raise the cost, each more damped, end a level. It stays
that high because what photos hardly tell, as the whole rig's way along walls, would be led by their noise."""

TURNS = 3
"""Of weights and consensus within a step."""

SPREAD_LEAST = 0.001
"""Brightness: residuals are never taken to be surer than the rounding to 8 bits makes them."""

OFFSET = 0.1
"""How far a photo's offset may be from 0, as a standard deviation."""

GAUGE = 1e8
"""Weight with which offsets average 0: brightness has no origin of its own."""

DARK, BALANCES = 0.05, 15
"""Added to brightness before logarithms of it are compared; and how often photos and consensus take turns in that."""

FEWEST = 50
"""A view with fewer looks of any weight has no say, and stays where it is."""


@dataclass(frozen=True, eq=False)
class Brightness:
    """A photo's brightness is compared as gain * brightness + offset."""

    gains: Float64[np.ndarray, " v"]
    offsets: Float64[np.ndarray, " v"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far photos agree at looks: `spread` of their differences from the consensus, robust, in brightness [0, 1].

    `known`: looks that lie on their photos. `views`: the same spread for each view, NaN for those of too few looks.
    """

    spread: float
    known: Bool[np.ndarray, " n"]
    views: Float64[np.ndarray, " v"]


@dataclass(frozen=True, eq=False)
class Polished:
    """What a level came to: `before` and `after` on the same looks. `cost`: per step, each at its own weights."""

    rig: Rig
    brightness: Brightness
    looks: Looks
    before: Agreement
    after: Agreement
    cost: tuple[tuple[float, float], ...]


def even_brightness(views: int) -> Brightness:
    """Photos as they are."""
    return Brightness(np.ones(views), np.zeros(views))


class Level:
    """One level of all photos at chosen places; `polish` fits cameras to it."""

    def __init__(self, surface: ThroughMesh, pyramids: Sequence[Pyramid], start: Rig, level: int) -> None:
        self._images = [pyramid.levels[level] for pyramid in pyramids]
        self._pixel = np.array([pyramid.pixel(level) for pyramid in pyramids], np.float64)
        self.looks = choose_looks(surface, start, list(pyramids), level, PLACES >> level)
        order = np.argsort(self.looks.view, kind="stable")
        self._of_view = np.split(order, np.cumsum(np.bincount(self.looks.view, minlength=len(pyramids)))[:-1])

    def expose(self, rig: Rig) -> Brightness:
        """The gains and offsets under which photos agree best as the rig stands; logarithms of gains average 0, and
        offsets 0.

        By medians, of logarithms and then of what is left: neither wrong cameras nor a few wrong places lead astray.
        """
        shown = self.seen(rig, even_brightness(len(rig.poses)))[0]
        known = np.isfinite(shown) & (shown > -DARK / 2)
        shown = np.where(known, shown, 0.0)
        gains = np.exp(-self._shifts(np.log(shown + DARK), known))
        return Brightness(gains, -self._shifts(gains[self.looks.view] * shown, known))

    def _shifts(self, values: Float64[np.ndarray, " n"], known: Bool[np.ndarray, " n"]) -> Float64[np.ndarray, " v"]:
        """By how much each view's values lie above the others' at the same places; averages 0."""
        weights, own = known.astype(np.float64), [looks[known[looks]] for looks in self._of_view]
        result = np.zeros(len(own))
        for _ in range(BALANCES):
            left = values - result[self.looks.view]
            left -= consensus(self.looks, left, weights)[self.looks.place]
            result += [float(np.median(left[looks])) if len(looks) else 0.0 for looks in own]
            result -= result.mean()
        return result

    def polish(self, start: Rig, given: Rig, at: Brightness, prior: Prior, freed: Collection[Freed]) -> Polished:
        """The rig, near `given`, under which the photos agree best at the level's places; the search begins at `start`.

        Minimises the sum of 4 log(1 + r² / (2 s)²) over looks (Cauchy's loss), r being a look's brightness less its
        place's consensus and s the residuals' spread when a step begins, and of squared deviations from the given
        poses and lenses in units of `prior` and `lens.parameter_spread`. `freed`: of the lenses, as far as their views
        can tell them. A step is taken only if the cost falls.
        """
        search = _Search(self, start, given, at, prior, freed)
        before = self.agreement(start, at)
        history = search.run()
        after = self.agreement(search.rig, search.at)
        return Polished(search.rig, search.at, self.looks, before, after, history)

    def agreement(self, rig: Rig, at: Brightness) -> Agreement:
        """How far the photos agree as the rig stands."""
        brightness, _ = self.seen(rig, at)
        known = np.isfinite(brightness)
        residuals, _, spread = agreed(self.looks, brightness, known)
        size = np.where(known, np.abs(residuals), np.nan)
        views = [
            NEAR * float(np.nanmedian(size[own])) if known[own].sum() >= FEWEST else np.nan for own in self._of_view
        ]
        return Agreement(spread, known, np.array(views))

    def seen(self, rig: Rig, at: Brightness) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, "n 3"]]:
        """What each look shows, as compared; NaN off the photo. And its image's value and slopes, per pixel there."""
        pixels, raw = self.pixels(rig), np.empty((len(self.looks), 3))
        for view, own in enumerate(self._of_view):
            raw[own] = sampled(self._images[view], pixels[own] / self._pixel[view])
        raw[:, 1:] /= self._pixel[self.looks.view, None]
        return at.gains[self.looks.view] * raw[:, 0] + at.offsets[self.looks.view], raw

    def pixels(self, rig: Rig) -> Float64[np.ndarray, "n 2"]:
        """Where the rig's cameras show the looks' places, NaN where they don't."""
        local, result = self.local(rig), np.empty((len(self.looks), 2))
        for own, camera in self.by_lens(rig):
            result[own] = project(camera, local[own])
        return result

    def local(self, rig: Rig) -> Float64[np.ndarray, "n 3"]:
        """The looks' places in their cameras' axes."""
        poses = np.stack(rig.poses)[self.looks.view]
        return np.einsum("nij,nj->ni", poses[:, :3, :3], self.looks.points[self.looks.place]) + poses[:, :3, 3]

    def slopes(
        self,
        rig: Rig,
        at: Brightness,
        raw: Float64[np.ndarray, "n 3"],
        weights: Float64[np.ndarray, " n"],
        lenses: dict[int, int],
    ) -> Slopes:
        """How each look goes with the unknowns; NaN where that can't be told.

        The image's slopes are those of the place, the weighted mean of what all its looks say of the slope across the
        surface, brought back into each photo. A photo's own slope is noisier, and leads astray: where it is steeper
        the photo differs more, too, so that the whole rig would wander to where the surface is flat.

        `lenses`: the column group of each lens that may change.
        """
        local, numbers = self.local(rig), np.array(rig.lens)[self.looks.view]
        most = max((len(rig.cameras[k].params) for k in lenses), default=0)
        by_place, by_params = np.empty((len(local), 2, 3)), np.zeros((len(local), 2, most))
        groups = np.zeros(len(local), np.int64)
        for own, camera in self.by_lens(rig):
            by_place[own], params = lens_derivatives(camera, local[own])
            number = int(numbers[own[0]])
            if number in lenses:
                by_params[own, :, : len(camera.params)] = params
                groups[own] = lenses[number]
        slope = self._common_slopes(rig, raw[:, 1:] * at.gains[self.looks.view, None], by_place, weights)
        along = np.einsum("nd,ndk->nk", slope, by_place)
        view = np.concatenate([np.cross(local, along), along, np.ones((len(local), 1))], axis=1)
        return Slopes(view, np.einsum("nd,ndk->nk", slope, by_params), groups)

    def _common_slopes(self, rig: Rig, own: np.ndarray, by_place: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The consensus of the photos' own slopes, each brought to the surface and back."""
        looks = self.looks
        turned = np.einsum("nij,nkj->nik", np.stack(rig.poses)[looks.view, :3, :3], looks.tangents[looks.place])
        across = by_place @ turned
        told = np.einsum("nd,ndk->nk", own, across)
        known = np.isfinite(told).all(axis=1)
        told, weights = np.where(known[:, None], told, 0.0), np.where(known, weights, 0.0)
        common = np.stack([consensus(looks, told[:, k], weights) for k in (0, 1)], axis=1)[looks.place]
        # Across is never singular where a place is not seen from its edge; an inverse by hand, of 2 x 2.
        (a, b), (c, d) = (across[:, 0].T, across[:, 1].T)
        with np.errstate(invalid="ignore", divide="ignore"):
            solved = np.stack([d * common[:, 0] - c * common[:, 1], a * common[:, 1] - b * common[:, 0]], axis=1)
            return solved / (a * d - b * c)[:, None]

    def by_lens(self, rig: Rig) -> list:
        """(looks, camera) of each lens that has looks."""
        numbers = np.array(rig.lens)[self.looks.view]
        return [(np.flatnonzero(numbers == k), camera) for k, camera in enumerate(rig.cameras) if (numbers == k).any()]


def agreed(
    looks: Looks, brightness: Float64[np.ndarray, " n"], known: Bool[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], float]:
    """Residuals from the consensus, Cauchy's weights, and the residuals' spread, found in turn; 0 where not known."""
    shown, weights, spread = np.where(known, brightness, 0.0), known.astype(np.float64), SPREAD_LEAST
    residuals = np.zeros(len(looks))
    for _ in range(TURNS):
        residuals = np.where(known, shown - consensus(looks, shown, weights)[looks.place], 0.0)
        if known.any():
            spread = max(NEAR * float(np.median(np.abs(residuals[known]))), SPREAD_LEAST)
        weights = known / (1 + (residuals / (2 * spread)) ** 2)
    residuals = np.where(known, shown - consensus(looks, shown, weights)[looks.place], 0.0)
    return residuals, weights, spread


class _Search:
    """The state of a search: rig, brightness, damping, and what the photos show there."""

    def __init__(
        self, level: Level, start: Rig, given: Rig, at: Brightness, prior: Prior, freed: Collection[Freed]
    ) -> None:
        self.level, self.rig, self.given, self.at, self.prior = level, start, given, at, prior
        self._free = _freed_parameters(start, freed)
        self._groups = {k: i for i, k in enumerate(self._free)}
        self._most = max((len(start.cameras[k].params) for k in self._free), default=0)
        self._damping = DAMPING
        self._seen = level.seen(start, at)

    def run(self) -> tuple[tuple[float, float], ...]:
        """Steps until the cost hardly falls; returns what it was before and after each."""
        history = []
        for _ in range(STEPS):
            history.append(self.step())
            if history[-1][0] - history[-1][1] < ENOUGH * history[-1][0]:
                break
        return tuple(history)

    def step(self) -> tuple[float, float]:
        """Takes one step, if one is found that lowers the cost; returns the cost before and after."""
        looks, (brightness, raw) = self.level.looks, self._seen
        known = np.isfinite(brightness)
        residuals, weights, spread = agreed(looks, brightness, known)
        by = self.level.slopes(self.rig, self.at, raw, weights, self._groups)
        known &= np.isfinite(by.view).all(axis=1) & np.isfinite(by.params).all(axis=1)
        by.view[~known], by.params[~known] = 0, 0
        residuals, weights, spread = agreed(looks, brightness, known)
        scaled = weights / spread**2
        size = len(self.rig.poses), len(self._free)
        matrix, gradient = consensus_equations(looks, residuals, scaled, by, size)
        free = self._unknowns(known)
        self._add_priors(matrix, gradient)
        matrix, gradient = matrix[np.ix_(free, free)], gradient[free]
        cost = self._cost(residuals, known, known, spread) + self._prior_cost(self.rig, self.at)
        for _ in range(REFUSED):
            step = np.zeros(len(free))
            step[free] = np.linalg.solve(matrix + self._damping * np.diag(np.diag(matrix)), -gradient)
            tried = self._stepped(step)
            if tried is not None:
                seen = self.level.seen(*tried)
                still = known & np.isfinite(seen[0])
                shown = np.where(still, seen[0], 0.0)
                apart = shown - consensus(looks, shown, np.where(still, weights, 0.0))[looks.place]
                new = self._cost(apart, still, known, spread) + self._prior_cost(*tried)
                if new < cost:
                    (self.rig, self.at), self._seen = tried, seen
                    self._damping = max(self._damping / 5, LEAST)
                    return cost, new
            self._damping *= 10
        return cost, cost

    def _unknowns(self, known: np.ndarray) -> np.ndarray:
        """Which unknowns may move: those of views that say enough, and the freed parameters."""
        views = np.bincount(self.level.looks.view[known], minlength=len(self.rig.poses)) >= FEWEST
        rows = [np.repeat(views, VIEW)]
        rows += [np.pad(mask, (0, self._most - len(mask))) for mask in self._free.values()]
        return np.concatenate(rows)

    def _stepped(self, step: np.ndarray) -> tuple[Rig, Brightness] | None:
        """Rig and brightness after a step; None if a lens would be none."""
        base = VIEW * len(self.rig.poses)
        own = step[:base].reshape(-1, VIEW)
        cameras = list(self.rig.cameras)
        for k, group in self._groups.items():
            params = np.array(cameras[k].params)
            cameras[k] = replace(
                cameras[k], params=tuple((params + step[base + group * self._most :][: len(params)]).tolist())
            )
            if not is_lens(cameras[k]):
                return None
        poses = tuple(moved(pose, twist) for pose, twist in zip(self.rig.poses, own[:, :6], strict=True))
        return (
            Rig(poses, tuple(cameras), self.rig.lens),
            Brightness(self.at.gains, self.at.offsets + own[:, 6]),
        )

    def _cost(self, residuals: np.ndarray, known: np.ndarray, before: np.ndarray, spread: float) -> float:
        """Of the looks known before; one that has left its photo costs as much as one that is two spreads off."""
        squares = np.where(known, (residuals / (2 * spread)) ** 2, 1.0)[before]
        return 4 * float(np.log1p(squares).sum())

    def _deviations(self, rig: Rig, at: Brightness) -> tuple[np.ndarray, np.ndarray]:
        """Deviations from what is given, and the standard deviation of each."""
        twists = np.array([twist_between(old, new) for old, new in zip(self.given.poses, rig.poses, strict=True)])
        own = np.concatenate([twists, at.offsets[:, None]], axis=1)
        spread = np.concatenate([np.repeat([self.prior.turn, self.prior.shift], 3), [OFFSET]])
        off, spreads = [own.ravel()], [np.tile(spread, len(own))]
        for k in self._free:
            count = len(rig.cameras[k].params)
            change = np.array(rig.cameras[k].params) - self.given.cameras[k].params
            off.append(np.pad(change, (0, self._most - count)))
            spreads.append(np.pad(parameter_spread(self.given.cameras[k]), (0, self._most - count), constant_values=1))
        return np.concatenate(off), np.concatenate(spreads)

    def _prior_cost(self, rig: Rig, at: Brightness) -> float:
        off, spread = self._deviations(rig, at)
        return float(((off / spread) ** 2).sum() + GAUGE * at.offsets.mean() ** 2)

    def _add_priors(self, matrix: np.ndarray, gradient: np.ndarray) -> None:
        off, spread = self._deviations(self.rig, self.at)
        matrix[np.diag_indices(len(matrix))] += 1 / spread**2
        gradient += off / spread**2
        base = VIEW * len(self.rig.poses)
        every = np.arange(VIEW - 1, base, VIEW)
        matrix[np.ix_(every, every)] += GAUGE / len(every) ** 2
        gradient[every] += GAUGE / len(every) * self.at.offsets.mean()


def _freed_parameters(rig: Rig, freed: Collection[Freed]) -> dict[int, np.ndarray]:
    """Which parameters may move, of each lens that has any."""
    counts = np.bincount(rig.lens, minlength=len(rig.cameras))
    masks = {k: told_parameters(camera, int(counts[k]), freed) for k, camera in enumerate(rig.cameras)}
    return {k: mask for k, mask in masks.items() if mask.any()}
