"""Photometric bundle adjustment: cameras under which photos show one brightness at each place of the mesh.

The unknowns are poses, lenses, and an offset of each photo's brightness. The colours of the places are unknown too, and
eliminated: every step moves all views together, each against what the others say. A photo's slope at a place tells how
its brightness there goes with its camera, so what decides is what lies between pixels, and all of a photo that is not
flat. It starts within a few pixels of a level: coarse levels first. Gains are no unknowns of it: dark photos agree.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from neuraltexgen.refine.adjust import Prior
from neuraltexgen.refine.brightness import Brightness
from neuraltexgen.refine.consensus import VIEW, consensus, consensus_equations
from neuraltexgen.refine.lens import Freed, is_lens, parameter_spread, told_parameters
from neuraltexgen.refine.levels import FEWEST, Agreement, Level, agreed
from neuraltexgen.refine.looks import Looks
from neuraltexgen.refine.motion import moved, twist_between
from neuraltexgen.refine.through_mesh import Rig

STEPS, ENOUGH = 12, 3e-4
"""Steps of a level at most; and the relative fall of the cost below which they end."""

DAMPING, LEAST, REFUSED = 1e-3, 1e-3, 4
"""Levenberg's, at first and at least; and how many steps that raise the cost, each more damped, end a level. It stays
that high because what photos hardly tell, as the whole rig's way along walls, would be led by their noise."""

OFFSET = 0.1
"""How far a photo's offset may be from 0, as a standard deviation."""

GAUGE = 1e8
"""Weight with which offsets average 0: brightness has no origin of its own."""


@dataclass(frozen=True, eq=False)
class Polished:
    """What a level came to: `before` and `after` on the same looks. `cost`: per step, each at its own weights."""

    rig: Rig
    brightness: Brightness
    looks: Looks
    before: Agreement
    after: Agreement
    cost: tuple[tuple[float, float], ...]


def polish(level: Level, start: Rig, given: Rig, at: Brightness, prior: Prior, freed: Collection[Freed]) -> Polished:
    """The rig, near `given`, under which the photos agree best at the level's places; the search begins at `start`.

    Minimises the sum of 4 log(1 + r² / (2 s)²) over looks (Cauchy's loss), r being a look's brightness less its
    place's consensus and s the residuals' spread when a step begins, and of squared deviations from the given
    poses and lenses in units of `prior` and `lens.parameter_spread`. `freed`: of the lenses, as far as their views
    can tell them. A step is taken only if the cost falls.
    """
    search = _Search(level, start, given, at, prior, freed)
    before = level.agreement(start, at)
    history = search.run()
    after = level.agreement(search.rig, search.at)
    return Polished(search.rig, search.at, level.looks, before, after, history)


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
        looks, brightness = self.level.looks, self._seen.values
        known = np.isfinite(brightness)
        residuals, weights, spread = agreed(looks, brightness, known)
        by = self.level.slopes(self.rig, self._seen, weights, self._groups)
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
                still = known & np.isfinite(seen.values)
                shown = np.where(still, seen.values, 0.0)
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
            replace(self.at, offsets=self.at.offsets + own[:, 6]),
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
