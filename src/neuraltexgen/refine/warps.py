"""What wrong geometry leaves once cameras are right: a smooth warp per photo under which photos agree better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from neuraltexgen.refine.brightness import Brightness
from neuraltexgen.refine.levels import FEWEST, Level, agreed
from neuraltexgen.refine.pyramids import Pyramid
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.scene import Camera, WarpedCamera
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.warp import as_warp, warp_basis, warp_shape, warped_by

ROUNDS, LAST = 6, 4
"""Turns of warps and of what the photos agree on: without the places that judge them, and then with all."""

GRID = 16
"""Points along each side of a photo that a warp is measured at."""

SIZE, BEND = 1.0, 0.2
"""Standard deviations, in pixels of the level that is looked at, of a warp's coefficients and of their second
differences: weak priors, which decide where a photo shows little."""

PART = 0.7
"""Of each step that is taken: all photos move at once, towards one another."""

HELD_OUT = 5
"""Every so many-th place takes no part in the warps: what photos differ by there says whether warps are right."""

FALL = 0.97
"""Warps are worth having where photos differ, at places held out, by at most this share of what they do without. With a
right mesh they come to 0.998 and more, since what is left is noise."""

Warp = tuple[tuple[tuple[float, float], ...], ...]
"""Coefficients as `scene.WarpedCamera` holds them."""

Warping = Literal["never", "worth", "always"]
"""Whether photos are warped: never, where places held out say that it helps, or always."""


@dataclass(frozen=True, eq=False)
class WarpFigures:
    """How far photos differ at places that no warp was fitted to, robust, in [0, 1], `before` and `after` photos are
    warped; of how many `looks`.
    """

    before: float
    after: float
    looks: int

    @property
    def worth(self) -> bool:
        """Whether warps made more agree than what they were fitted to. False where nothing was held out."""
        return self.looks > 0 and self.after <= FALL * self.before


def found_warps(
    surface: ThroughMesh, pyramids: Sequence[Pyramid], rig: Rig, progress: Progress = no_progress
) -> tuple[tuple[Warp, ...], WarpFigures]:
    """A warp for each view of a rig of cameras that are right, and what places say that took no part in them.

    Each photo is moved, smoothly, towards what the other photos show at the mesh's places, in turns. The last turns
    look at the places that judge the warps, too.
    """
    level, start = Level(surface, pyramids, rig, 0), apart(rig)
    held = np.arange(len(level.looks.points)) % HELD_OUT == 0
    fitted, held_out, warped = level.at(~held), level.at(held), start
    at = level.expose(start)
    before, after = held_out.agreement(start, at).spread, np.nan
    for number in progress(range(ROUNDS + LAST), "warp photos", ROUNDS + LAST):
        if number == ROUNDS:
            at = level.expose(warped)
            after = held_out.agreement(warped, at).spread
        warped = one_round(fitted if number < ROUNDS else level, warped, at)
    warps = tuple(camera.warp for camera in warped.cameras if isinstance(camera, WarpedCamera))
    return warps, WarpFigures(before, after, len(held_out.looks))


def with_warp(camera: Camera, warp: Warp | None) -> Camera:
    """The camera with a warp; itself for None."""
    if warp is None:
        return camera
    return WarpedCamera(camera.model, camera.width, camera.height, camera.params, warp)


def mean_warps(rig: Rig, warps: Sequence[Warp]) -> dict[Camera, Warp]:
    """What the warps of each lens's views have in common: what its parameters lack. Empty without warps."""
    result = {}
    for number, camera in enumerate(rig.cameras):
        own = [np.array(warp) for warp, lens in zip(warps, rig.lens) if lens == number]
        if own:
            result[camera] = as_warp(np.mean(own, axis=0))
    return result


def warp_size(warps: Sequence[Warp]) -> float | None:
    """How far photos' points are moved, the root mean square over a grid of them, in pixels; None without warps."""
    if not warps:
        return None
    grid = np.stack(np.meshgrid(*[(np.arange(GRID) + 0.5) / GRID] * 2), axis=-1).reshape(-1, 2)
    moves = np.concatenate([warped_by(grid, (1, 1), np.array(warp)) for warp in warps])
    return float(np.sqrt((moves**2).sum(axis=1).mean()))


def apart(rig: Rig) -> Rig:
    """The same rig with a camera of its own for each view, which has no warp yet."""
    cameras = tuple(_warped(rig.camera(view)) for view in range(len(rig.poses)))
    return Rig(rig.poses, cameras, tuple(range(len(rig.poses))))


def one_round(level: Level, rig: Rig, at: Brightness) -> Rig:
    """Every photo warped anew, towards what the others show."""
    looks, seen, pixels = level.looks, level.seen(rig, at), level.pixels(rig)
    known = np.isfinite(seen.values) & np.isfinite(seen.slopes).all(axis=1)
    _, weights, _ = agreed(looks, seen.values, known)
    slopes = level.image_slopes(rig, seen, weights)
    known &= np.isfinite(slopes).all(axis=1)
    residuals, weights, spread = agreed(looks, seen.values, known)
    total = np.add.reduceat(weights, looks.start[:-1])[looks.place]
    # Against the others alone: what a photo says of a place is not to vouch for itself.
    others = np.maximum(total - weights, 1e-12)
    residuals = residuals * total / others
    weights = np.where(others > 0.5, weights * others / total, 0.0) / spread**2
    cameras = list(rig.cameras)
    for view, camera in enumerate(rig.cameras):
        own = np.flatnonzero((looks.view == view) & (weights > 0))
        if len(own) >= FEWEST and isinstance(camera, WarpedCamera):
            side = float(level.pixel_of(view))
            cameras[view] = _stepped(camera, pixels[own], slopes[own], residuals[own], weights[own], side)
    return Rig(rig.poses, tuple(cameras), rig.lens)


def _warped(camera: Camera) -> WarpedCamera:
    if isinstance(camera, WarpedCamera):
        return camera
    warp = as_warp(np.zeros((*warp_shape(camera.width, camera.height), 2)))
    return WarpedCamera(camera.model, camera.width, camera.height, camera.params, warp)


def _stepped(
    camera: WarpedCamera,
    pixels: Float64[np.ndarray, "n 2"],
    slopes: Float64[np.ndarray, "n 2"],
    residuals: Float64[np.ndarray, " n"],
    weights: Float64[np.ndarray, " n"],
    side: float,
) -> WarpedCamera:
    """The camera after a part of the Gauss-Newton step of its warp."""
    warp = np.array(camera.warp)
    shape: tuple[int, int] = warp.shape[:2]  # pyright: ignore[reportAssignmentType]
    basis = warp_basis(pixels, (camera.width, camera.height), shape)
    # What the lens shows beside a pixel comes from before it: with more of a warp, a place is looked for further back.
    columns = (-slopes[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)
    prior = np.kron(np.eye(2), _prior(shape, side))
    now = np.moveaxis(warp, 2, 0).reshape(-1)
    matrix = columns.T @ (weights[:, None] * columns) + prior
    right = -(columns.T @ (weights * residuals) + prior @ now)
    step = np.linalg.solve(matrix, right).reshape(2, *shape)
    changed = warp + PART * np.moveaxis(step, 0, 2)
    return WarpedCamera(camera.model, camera.width, camera.height, camera.params, as_warp(changed))


def _prior(shape: tuple[int, int], side: float) -> Float64[np.ndarray, "k k"]:
    """The quadratic form of one coordinate's coefficients: their sizes, and their second differences both ways."""
    rows, columns = shape
    result = np.eye(rows * columns) / (SIZE * side) ** 2
    down, across = np.diff(np.eye(rows), 2, axis=0), np.diff(np.eye(columns), 2, axis=0)
    for part in (np.kron(down, np.eye(columns)), np.kron(np.eye(rows), across)):
        result += part.T @ part / (BEND * side) ** 2
    return result
