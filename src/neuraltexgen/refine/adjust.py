"""Bundle adjustment with points held to the mesh: cameras under which matches agree, by Levenberg-Marquardt."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from neuraltexgen.refine.lens import is_lens, parameter_spread
from neuraltexgen.refine.matches import Matches
from neuraltexgen.refine.motion import moved, twist_between
from neuraltexgen.refine.normal import Columns, normal_equations
from neuraltexgen.refine.through_mesh import Derivatives, Rig, ThroughMesh

ROUNDS, ENOUGH = 20, 2e-4
"""Steps at most; and the relative fall of the cost below which they end: a bumpy mesh makes the cost bumpy, too."""

DAMPING, LEAST, REFUSED = 1e-3, 1e-9, 4
"""Levenberg's, at first and at least; and how many steps that raise the cost, each more damped, end the search."""

NEAR = 1.4826
"""The median of absolute values of a normal distribution, inverted: from a median to a standard deviation."""

SPREAD_LEAST = 0.2
"""Pixels: residuals are never taken to be surer than this, however well they agree."""

FAR = 6.0
"""Residuals beyond so many spreads don't count as agreeing."""


@dataclass(frozen=True)
class Prior:
    """How far a pose may be from the given one, as standard deviations: radians, and world units."""

    turn: float
    shift: float


@dataclass(frozen=True, eq=False)
class Freedom:
    """What may move: which views, and which parameters of each camera."""

    views: Bool[np.ndarray, " v"]
    params: tuple[Bool[np.ndarray, " _"], ...]


@dataclass(frozen=True, eq=False)
class Adjusted:
    """`spread`: of the residuals, in pixels, robust. `agreeing`: the matches within 6 spreads. `cost`: per step."""

    rig: Rig
    spread: float
    agreeing: Bool[np.ndarray, " n"]
    residuals: Float64[np.ndarray, "n 2"]
    cost: tuple[float, ...]


def adjust(surface: ThroughMesh, start: Rig, given: Rig, matches: Matches, free: Freedom, prior: Prior) -> Adjusted:
    """The rig that makes `matches` agree through the mesh, near `given`; `start` is where the search begins.

    Minimises the sum of 4 log(1 + |r|² / (2 s)²) over residuals r (Cauchy's loss), s being their spread when a step
    begins, and of squared deviations from the given poses and lenses in units of `prior` and `lens.parameter_spread`.
    Matches that don't meet the mesh don't count. A view without matches stays where it is given.
    """
    columns, lens = _columns(start, free), np.array(start.lens)
    rig, damping, history = start, DAMPING, []
    for _ in range(ROUNDS):
        residuals, hits, places = surface.residuals(rig, matches)
        spread = spread_of(residuals)
        derivatives = surface.derivatives(rig, matches, hits, places)
        weights = _weights(residuals, derivatives, spread)
        matrix, gradient = normal_equations(columns, (matches.a, matches.b), lens, residuals, weights, derivatives)
        _add_priors(matrix, gradient, columns, rig, given, prior)
        cost = _cost(residuals, residuals, spread) + _prior_cost(rig, given, prior)
        history.append(cost)
        gain = 0.0
        for _ in range(REFUSED):
            step = np.linalg.solve(matrix + damping * np.diag(np.diag(matrix)), -gradient)
            tried = _stepped(rig, columns, step)
            if tried is not None:
                new = surface.residuals(tried, matches)[0]
                gain = cost - _cost(new, residuals, spread) - _prior_cost(tried, given, prior)
            if tried is not None and gain > 0:
                rig, damping = tried, max(damping / 4, LEAST)
                break
            damping *= 10
        if gain < ENOUGH * cost:
            break
    residuals = surface.residuals(rig, matches)[0]
    spread = spread_of(residuals)
    with np.errstate(invalid="ignore"):
        agreeing = np.linalg.norm(residuals, axis=1) < FAR * spread
    return Adjusted(rig, spread, agreeing, residuals, tuple(history))


def spread_of(residuals: Float64[np.ndarray, "n 2"]) -> float:
    """The standard deviation of a residual's coordinate, told by medians; at least 0.2 pixels."""
    known = np.abs(residuals[np.isfinite(residuals).all(axis=1)])
    return max(NEAR * float(np.median(known)), SPREAD_LEAST) if len(known) else SPREAD_LEAST


def _columns(rig: Rig, free: Freedom) -> Columns:
    views = 6 * int(free.views.sum())
    count = views + sum(int(mask.sum()) for mask in free.params)
    order = np.cumsum(free.views) - 1
    of_views = np.where(free.views[:, None], 6 * order[:, None] + np.arange(6), count)
    lenses = np.full((len(rig.cameras), max(map(len, free.params))), count)
    at = views
    for row, mask in zip(lenses, free.params, strict=True):
        row[np.flatnonzero(mask)] = at + np.arange(mask.sum())
        at += int(mask.sum())
    return Columns(of_views, lenses, count)


def _stepped(rig: Rig, columns: Columns, step: np.ndarray) -> Rig | None:
    """The rig after a step; None if a lens would be none."""
    whole = np.append(step, 0.0)
    cameras = tuple(
        replace(camera, params=tuple((np.array(camera.params) + whole[own[: len(camera.params)]]).tolist()))
        for camera, own in zip(rig.cameras, columns.lenses, strict=True)
    )
    if not all(map(is_lens, cameras)):
        return None
    poses = tuple(
        moved(pose, whole[own]) if own[0] < columns.count else pose
        for pose, own in zip(rig.poses, columns.views, strict=True)
    )
    return Rig(poses, cameras, rig.lens)


def _cost(residuals: np.ndarray, before: np.ndarray, spread: float) -> float:
    """Of the matches that were known before; one that has left the mesh since costs as much as a far one."""
    counted = residuals[np.isfinite(before).all(axis=1)]
    squares = np.where(np.isfinite(counted).all(axis=1), (counted**2).sum(axis=1), (FAR * spread) ** 2)
    return 4 * float(np.log1p(squares / (2 * spread) ** 2).sum())


def _weights(residuals: np.ndarray, by: Derivatives, spread: float) -> np.ndarray:
    """Cauchy's weights over the variance; 0 where a residual or a derivative is not known."""
    known = np.isfinite(residuals).all(axis=1)
    for part in (by.source, by.target, by.source_lens, by.target_lens):
        known &= np.isfinite(part).all(axis=(1, 2))
    result = np.zeros(len(residuals))
    result[known] = 1 / (spread**2 + (residuals[known] ** 2).sum(axis=1) / 4)
    return result


def _deviations(rig: Rig, given: Rig, prior: Prior) -> tuple[np.ndarray, list[np.ndarray]]:
    twists = np.array([twist_between(old, new) for old, new in zip(given.poses, rig.poses, strict=True)])
    lenses = [
        (np.array(new.params) - old.params) / parameter_spread(old) for old, new in zip(given.cameras, rig.cameras)
    ]
    return twists / np.repeat([prior.turn, prior.shift], 3), lenses


def _prior_cost(rig: Rig, given: Rig, prior: Prior) -> float:
    poses, lenses = _deviations(rig, given, prior)
    return float((poses**2).sum() + sum((lens**2).sum() for lens in lenses))


def _add_priors(matrix: np.ndarray, gradient: np.ndarray, columns: Columns, rig: Rig, given: Rig, prior: Prior) -> None:
    poses, lenses = _deviations(rig, given, prior)
    scales = 1 / np.repeat([prior.turn, prior.shift], 3)
    rows = [(own, scales, off) for own, off in zip(columns.views, poses)]
    rows += [
        (own[: len(off)], 1 / parameter_spread(old), off)
        for own, old, off in zip(columns.lenses, given.cameras, lenses)
    ]
    for own, scale, off in rows:
        free = own < columns.count
        matrix[own[free], own[free]] += scale[free] ** 2
        gradient[own[free]] += scale[free] * off[free]
