"""A photo against a render of what it shows: the pose under which their brightness agrees, coarse levels first."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64

from neuraltexgen.geometry import colmap_camera, project, rays_through, transform
from neuraltexgen.refine.adjust import NEAR
from neuraltexgen.refine.lens import lens_derivatives
from neuraltexgen.refine.looks import slopes, steepest
from neuraltexgen.refine.motion import moved
from neuraltexgen.refine.pyramids import Pyramid, sampled
from neuraltexgen.scene import Camera, WarpedCamera
from neuraltexgen.types import Pose
from neuraltexgen.warp import as_warp

PLACES = 3000
"""Places of a level, about: where the render is steepest."""

STEPS, ENOUGH = 12, 1e-3
"""Steps on one render at most; and the relative fall of the cost below which they end."""

DAMPING, LEAST, REFUSED = 1e-3, 1e-6, 4
"""Levenberg's, at first and at least; and how many refused steps, each more damped, end a level."""

FEWEST = 100
"""A level with fewer places that lie on the photo says nothing."""

LIKE = 0.35
"""Share of the places' own contrast that may be left between photo and render; a photo of something else has more."""

SPREAD_LEAST = 0.001


@dataclass(frozen=True, eq=False)
class Shown:
    """A render: `brightness` in [0, 1], `depth` along each pixel's ray, and where both can be relied on (`usable`):
    off depth edges, and not at grazing angles.
    """

    brightness: Float32[np.ndarray, "h w"]
    depth: Float32[np.ndarray, "h w"]
    usable: Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Settled:
    """`pose`: where the photo agrees best. `spread`: of the brightness that is left, robust; `contrast`: the same of
    the places' own; of `places` in the finest level. NaN and 0 if no level said anything.
    """

    pose: Pose
    spread: float
    contrast: float
    places: int

    @property
    def alike(self) -> bool:
        """Whether photo and render show one thing."""
        return self.spread < LIKE * self.contrast


def settle(photo: Pyramid, camera: Camera, start: Pose, render: Callable[[Camera, Pose], Shown]) -> Settled:
    """The pose near `start`, by a render at each of the photo's levels, each from where the last one led.

    Minimises the sum of 4 log(1 + r² / (2 s)²) over the render's steepest places (Cauchy's loss), r being gain times
    the photo's brightness plus offset less the render's, s their spread. The slopes are the render's: a texture is
    less noisy than a photo.
    """
    best = Settled(start, np.nan, np.nan, 0)
    exposure = np.array([1.0, 0.0])
    for level in reversed(range(len(photo.levels))):
        small = shrunk(camera, photo, level)
        fit = _Fit.on(render(small, best.pose), photo.levels[level], small, best.pose)
        if fit is None:
            continue
        pose, exposure, spread = fit.search(best.pose, exposure)
        contrast = NEAR * float(np.median(np.abs(fit.shown[:, 0] - np.median(fit.shown[:, 0]))))
        best = Settled(pose, spread, contrast, len(fit.points))
    return best


def shrunk(camera: Camera, photo: Pyramid, level: int) -> Camera:
    """The camera of a level of its photo."""
    lens, params = colmap_camera(camera), np.array(camera.params)
    params[[*lens.focal_length_idxs(), *lens.principal_point_idxs()]] /= photo.pixel(level)
    height, width = photo.levels[level].shape
    small = replace(camera, width=width, height=height, params=tuple(params.tolist()))
    if isinstance(small, WarpedCamera):
        return replace(small, warp=as_warp(np.array(small.warp) / photo.pixel(level)))
    return small


@dataclass(frozen=True, eq=False)
class _Fit:
    """Places of one render: world points, and the render's value and slopes at them."""

    image: Float32[np.ndarray, "h w"]
    camera: Camera
    points: Float64[np.ndarray, "n 3"]
    shown: Float64[np.ndarray, "n 3"]

    @staticmethod
    def on(render: Shown, image: Float32[np.ndarray, "h w"], camera: Camera, pose: Pose) -> "_Fit | None":
        """The steepest places of a render that was made at a pose; None if there are too few."""
        steep = np.where(render.usable, slopes(render.brightness), np.nan)
        chosen = steepest(steep, PLACES)
        pixels = chosen[:, ::-1] + 0.5
        rays = rays_through(camera, pixels) * render.depth[chosen[:, 0], chosen[:, 1], None]
        shown = sampled(render.brightness, pixels)
        good = np.isfinite(shown).all(axis=1) & np.isfinite(rays).all(axis=1)
        if good.sum() < FEWEST:
            return None
        return _Fit(image, camera, (rays[good] - pose[:3, 3]) @ pose[:3, :3], shown[good])

    def search(self, pose: Pose, exposure: np.ndarray) -> tuple[Pose, np.ndarray, float]:
        """Pose, (gain, offset) and spread at which the cost is least, by Levenberg-Marquardt from where it stands."""
        damping, spread = DAMPING, np.nan
        local, seen = self._seen(pose)
        for _ in range(STEPS):
            left, known = self._left(seen, exposure)
            if known.sum() < FEWEST:
                break
            spread = max(NEAR * float(np.median(np.abs(left[known]))), SPREAD_LEAST)
            by_place, _ = lens_derivatives(self.camera, local)
            along = np.einsum("nd,ndk->nk", self.shown[:, 1:], by_place)
            columns = np.concatenate([np.cross(local, along), along, seen[:, None], np.ones((len(seen), 1))], axis=1)
            known &= np.isfinite(columns).all(axis=1)
            columns, left = columns[known], left[known]
            weights = 1 / (spread**2 + (left / 2) ** 2)
            matrix, gradient = columns.T @ (weights[:, None] * columns), columns.T @ (weights * left)
            cost = gain = _cost(left, spread)
            for _ in range(REFUSED):
                step = np.linalg.lstsq(matrix + damping * np.diag(np.diag(matrix)), -gradient, rcond=None)[0]
                tried = moved(pose, step[:6]), exposure + step[6:]
                again = self._seen(tried[0])
                new, still = self._left(again[1], tried[1])
                gain = cost - _cost(np.where(still, new, 2 * spread)[known], spread)
                if gain > 0:
                    (pose, exposure), (local, seen) = tried, again
                    damping = max(damping / 5, LEAST)
                    break
                damping *= 10
            if gain < ENOUGH * cost:
                break
        return pose, exposure, spread

    def _seen(self, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """The places in the camera's axes, and the photo's brightness there, NaN off it."""
        local = transform(pose, self.points)
        return local, sampled(self.image, project(self.camera, local))[:, 0]

    def _left(self, seen: np.ndarray, exposure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left = exposure[0] * seen + exposure[1] - self.shown[:, 0]
        return left, np.isfinite(left)


def _cost(left: np.ndarray, spread: float) -> float:
    return 4 * float(np.log1p((left / (2 * spread)) ** 2).sum())
