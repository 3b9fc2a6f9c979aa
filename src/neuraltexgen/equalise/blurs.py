"""How blurred each photo is beside the others: from gradients at the places that they share, all photos at once.

A photo's gradient at a place falls with a power of how wide its point-spread is there, which is that of its pixels and
of its blur: log(gradient a pixel) = place + (1 - power) x log(footprint) - loss of the photo. The power is the same for
all photos, and known from those that show one place from near and far. How much a blur of a given size takes from
gradients is then measured on the capture's own sharp photos, blurred on purpose. Poses and meshes that are a little off
hardly matter.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64

from neuraltexgen.equalise.gradients import gradients_of, taken_by_blur
from neuraltexgen.equalise.pairs import Pairs, pairs_of
from neuraltexgen.fit_view import FitView
from neuraltexgen.glimpses import stride_for
from neuraltexgen.machine import one_torch_thread
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

SIGMAS = (0.0, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
"""Blurs that are tried on sharp photos, standard deviations in pixels; the last one is the largest that is told."""

SHARP, TRIED = 0.25, 8
"""Share of the photos that are taken to be sharp; how many of these are blurred on purpose."""

SLACK = 0.08
"""Difference of log gradients that means nothing: photos of a clean capture scatter by about half of it."""

BARE = 0.15
"""What may be missing besides, times the logarithm of how much nearer a photo was taken than those that show the same:
the surface may have no finer detail."""

LEAST = 1.0 / 255
"""Patches whose root mean square gradient, in values a pixel, is less in both photos say nothing: it may be noise."""

FEWEST = 5
"""Other photos that a photo must share patches with: slants and distances mislead a single one by up to 0.3."""

ROUNDS, WIDEST, NARROWEST = 6, 0.8, 0.1
"""Rounds of reweighted least squares; difference of log gradients at which a pair counts half, in the first and at the
least, halved from round to round."""

POWER_PRIOR, TINY = 1e-3, 1e-6
"""How strongly the power holds to 1, and losses to 0, as a share of all weight."""


@one_torch_thread()
def find_blurs(
    views: Views, gains: Float32[np.ndarray, "v c"], progress: Progress = no_progress
) -> Float32[np.ndarray, " v"]:
    """Per view the standard deviation of its blur in pixels, beyond that of the capture's sharpest quarter; 0 for
    photos that are about as sharp, or that share too little with others to tell.

    `gains`: of the photos, see `find_exposures`. Motion and defocus alike count by their mean variance over all
    directions. Deterministic.
    """
    stride = stride_for(*views[0].trust.shape)
    glimpses, footprints = [], []
    for index, view in progress(views.stream(range(len(views))), "blur", len(views)):
        glimpses.append(gradients_of(view, stride, float(gains[index].mean())))
        footprints.append(view.footprint)
    seen = [footprint for footprint in footprints if footprint > 0]
    pairs = pairs_of(glimpses, stride, float(np.median(seen)) if seen else 1.0, clipped=False)
    losses = solve_losses(pairs, len(views))
    slack = SLACK + BARE * nearness(pairs, len(views)).clip(min=0)
    return blurs_of(losses, [views[index] for index in _sharpest(losses)], slack)


def solve_losses(pairs: Pairs, views: int) -> Float64[np.ndarray, " v"]:
    """Per view by how much the log of its gradients lies below the others', up to a constant; NaN where too few
    others show what it shows.

    `pairs.shown`: mean squared gradient a pixel and mean log footprint of both photos.
    """
    squared = pairs.shown[..., 0]
    strong = (squared > LEAST**2).any(axis=1) & (squared > 0).all(axis=1)
    ends, weight = np.stack((pairs.first, pairs.second), axis=1)[strong], pairs.weight[strong]
    apart = 0.5 * np.subtract(*np.log(squared[strong]).T)
    nearer = np.subtract(*pairs.shown[strong, :, 1].T)
    unknowns, scale = np.zeros(views + 1), WIDEST  # losses, and 1 - power
    for _ in range(ROUNDS):
        left = apart + unknowns[ends[:, 0]] - unknowns[ends[:, 1]] - unknowns[views] * nearer
        counts = weight / (1 + (left / scale) ** 2)
        unknowns = _solved(ends, counts, apart, nearer, views)
        scale = max(scale / 2, NARROWEST)
    links = np.unique(ends[:, 0] * views + ends[:, 1])
    partners = np.bincount(np.concatenate((links // views, links % views)), minlength=views)
    return np.where(partners >= FEWEST, unknowns[:views], np.nan)


def nearness(pairs: Pairs, views: int) -> Float64[np.ndarray, " v"]:
    """Per view the log of others' footprints over its own, on average over the patches that they share; 0 for none."""
    apart = pairs.weight * np.subtract(pairs.shown[:, 1, 1], pairs.shown[:, 0, 1])
    total = np.bincount(pairs.first, apart, views) - np.bincount(pairs.second, apart, views)
    weight = np.bincount(pairs.first, pairs.weight, views) + np.bincount(pairs.second, pairs.weight, views)
    return total / np.where(weight > 0, weight, 1)


def blurs_of(
    losses: Float64[np.ndarray, " v"], sharp: Sequence[FitView], slack: Float64[np.ndarray, " v"]
) -> Float32[np.ndarray, " v"]:
    """The blurs in pixels that take as much from gradients as photos have lost, by what they take from sharp photos; 0
    for losses of up to `slack`.
    """
    if not np.isfinite(losses).any():
        return np.zeros(len(losses), np.float32)
    taken = np.median([taken_by_blur(view, SIGMAS, LEAST) for view in sharp], axis=0)
    lost = np.nan_to_num(losses - np.nanquantile(losses, SHARP))
    found = np.interp(lost, np.maximum.accumulate(taken), SIGMAS)
    return np.where(lost > slack, found, 0.0).astype(np.float32)


def _solved(
    ends: Int64[np.ndarray, "n 2"],
    weight: Float64[np.ndarray, " n"],
    apart: Float64[np.ndarray, " n"],
    nearer: Float64[np.ndarray, " n"],
    views: int,
) -> Float64[np.ndarray, " m"]:
    """Losses and 1 - power at which weighted pairs agree best."""
    total = weight.sum()
    matrix, right = np.zeros((views + 1, views + 1)), np.zeros(views + 1)
    for end, sign in ((0, -1.0), (1, 1.0)):
        right[:views] += np.bincount(ends[:, end], sign * weight * apart, views)
        matrix[:views, views] += np.bincount(ends[:, end], sign * weight * nearer, views)
        matrix[np.arange(views), np.arange(views)] += np.bincount(ends[:, end], weight, views)
    both = np.bincount(ends[:, 0] * views + ends[:, 1], weight, views**2).reshape(views, views)
    matrix[:views, :views] -= both + both.T
    matrix[views, :views] = matrix[:views, views]
    matrix[views, views] = (weight * nearer**2).sum() + POWER_PRIOR * total
    right[views] = (weight * nearer * apart).sum()
    matrix[np.arange(views), np.arange(views)] += TINY * total / max(1, views) + 1e-12
    matrix[views, views] += 1e-12
    return np.linalg.solve(matrix, right)


def _sharpest(losses: Float64[np.ndarray, " v"]) -> list[int]:
    """Some of the views that are taken to be sharp, spread evenly."""
    if not np.isfinite(losses).any():
        return []
    sharp = np.flatnonzero(losses <= np.nanquantile(losses, SHARP))
    return sharp[np.unique(np.linspace(0, len(sharp) - 1, min(TRIED, len(sharp))).astype(int))].tolist()
