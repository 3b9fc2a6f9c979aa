"""A level of all photos at places of the mesh: what each look shows, how it goes with cameras, how far photos agree."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from neuraltexgen.geometry import project
from neuraltexgen.refine.adjust import NEAR
from neuraltexgen.refine.brightness import Brightness, told_brightness
from neuraltexgen.refine.consensus import Slopes, consensus
from neuraltexgen.refine.lens import lens_derivatives
from neuraltexgen.refine.looks import Looks, choose_looks
from neuraltexgen.refine.pyramids import Brightnesses, Pyramid, sampled
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.scene import Camera

PLACES = 24_000
"""Places of a level, over all photos; half as many for each coarser one, which has fewer pixels to choose from."""

TURNS = 3
"""Of weights and consensus within a step."""

SPREAD_LEAST = 0.001
"""Brightness: residuals are never taken to be surer than the rounding to 8 bits makes them."""

FEWEST = 50
"""A view with fewer looks of any weight has no say, and stays where it is."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far photos agree at looks: `spread` of their differences from the consensus, robust, in brightness [0, 1].

    `known`: looks that lie on their photos. `views`: the same spread for each view, NaN for those of too few looks.
    """

    spread: float
    known: Bool[np.ndarray, " n"]
    views: Float64[np.ndarray, " v"]


@dataclass(frozen=True, eq=False)
class Seen:
    """What looks show, as compared, NaN off the photo; its slopes along x and y, per pixel; and how it goes with an
    offset of its photo.
    """

    values: Float64[np.ndarray, " n"]
    slopes: Float64[np.ndarray, "n 2"]
    by_offset: Float64[np.ndarray, " n"]


class Level:
    """One level of all photos, and what it shows at chosen places."""

    def __init__(
        self, surface: ThroughMesh, pyramids: Sequence[Pyramid], start: Rig, level: int, share: float = 1.0
    ) -> None:
        """`share`: of the usual number of places."""
        self._images = [pyramid.levels[level] for pyramid in pyramids]
        self._pixel = np.array([pyramid.pixel(level) for pyramid in pyramids], np.float64)
        self._coarse = [pyramid.levels[-1] for pyramid in pyramids]
        self._coarse_pixel = np.array([pyramid.pixel(len(pyramid.levels) - 1) for pyramid in pyramids], np.float64)
        self._size = np.array([image.shape[::-1] for image in self._images]) * self._pixel[:, None]
        self.looks = choose_looks(surface, start, list(pyramids), level, round(share * (PLACES >> level)))
        self._of_view = self._by_view()

    def at(self, places: Bool[np.ndarray, " p"]) -> "Level":
        """The same level at some of its places."""
        part = copy(self)
        part.looks = self.looks.at(places)
        part._of_view = part._by_view()
        return part

    def expose(self, rig: Rig) -> Brightness:
        """The gains, offsets and fall-off under which photos agree best as the rig stands.

        Told by the photos' coarsest level, which wrong cameras change little.
        """
        pixels = self.pixels(rig)
        shown = self._sampled(self._coarse, self._coarse_pixel, pixels)[:, 0]
        squared, known = self._squared(pixels)[0], np.isfinite(shown)
        values = np.where(known, shown, 0.0), np.where(known, squared, 0.0)
        return told_brightness(self.looks, *values, known, [image.shape for image in self._images])

    def agreement(self, rig: Rig, at: Brightness) -> Agreement:
        """How far the photos agree as the rig stands."""
        brightness = self.seen(rig, at).values
        known = np.isfinite(brightness)
        residuals, _, spread = agreed(self.looks, brightness, known)
        size = np.where(known, np.abs(residuals), np.nan)
        views = [
            NEAR * float(np.nanmedian(size[own])) if known[own].sum() >= FEWEST else np.nan for own in self._of_view
        ]
        return Agreement(spread, known, np.array(views))

    def seen(self, rig: Rig, at: Brightness) -> Seen:
        """What each look shows."""
        pixels = self.pixels(rig)
        raw = self._sampled(self._images, self._pixel, pixels)
        gains, view = at.gains[self.looks.view], self.looks.view
        squared, outward = self._squared(pixels)
        lift, along = at.lifts(view, squared)
        even = gains * raw[:, 0] + at.offsets[view]
        slopes = (gains * lift)[:, None] * raw[:, 1:] + (even * along)[:, None] * outward
        return Seen(even * lift, slopes, lift)

    def _sampled(
        self, images: list[Brightnesses], pixel: Float64[np.ndarray, " v"], pixels: Float64[np.ndarray, "n 2"]
    ) -> Float64[np.ndarray, "n 3"]:
        """Value and slopes, per pixel of the photo, of the views' images where looks have the photos' `pixels`."""
        result = np.empty((len(pixels), 3))
        for view, own in enumerate(self._of_view):
            result[own] = sampled(images[view], pixels[own] / pixel[view])
        result[:, 1:] /= pixel[self.looks.view, None]
        return result

    def _by_view(self) -> list[Int64[np.ndarray, " _"]]:
        """The looks of each view."""
        order = np.argsort(self.looks.view, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.looks.view, minlength=len(self._images)))[:-1])

    def _squared(self, pixels: Float64[np.ndarray, "n 2"]) -> tuple[np.ndarray, np.ndarray]:
        """r² of the looks' places in their photos (`fall_off.squared_radius`), and its slopes, per pixel there."""
        size = self._size[self.looks.view]
        away, unit = pixels - size / 2, (size**2).sum(axis=1) / 4
        return (away**2).sum(axis=1) / unit, 2 * away / unit[:, None]

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
        seen: Seen,
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
        slope = self._common_slopes(rig, seen.slopes, by_place, weights)
        along = np.einsum("nd,ndk->nk", slope, by_place)
        view = np.concatenate([np.cross(local, along), along, seen.by_offset[:, None]], axis=1)
        return Slopes(view, np.einsum("nd,ndk->nk", slope, by_params), groups)

    def image_slopes(self, rig: Rig, seen: Seen, weights: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 2"]:
        """The slopes that all looks at a place agree on, in each look's photo, per pixel; NaN where not known."""
        local, by_place = self.local(rig), np.empty((len(self.looks), 2, 3))
        for own, camera in self.by_lens(rig):
            by_place[own] = lens_derivatives(camera, local[own])[0]
        return self._common_slopes(rig, seen.slopes, by_place, weights)

    def pixel_of(self, view: int) -> float:
        """The side of a view's pixel of this level, in pixels of its photo."""
        return float(self._pixel[view])

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

    def by_lens(self, rig: Rig) -> list[tuple[np.ndarray, Camera]]:
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
