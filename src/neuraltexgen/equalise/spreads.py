"""How a camera's motion or focus spread each photo's points: its pixels beside a texture of the sharp photos.

A photo that is blurred by a covariance C shows, about, `sharp + C : second derivatives of sharp / 2`. In C that is
linear, so a few turns of least squares over all pixels find it, beside what else may differ: an exposure, and a shift.
The texture is a mean of photos, so it is less sharp than they are; sharp photos, compared in the same way with sharp
photos that they have no part in, tell by how much. Gradients alone (`blurs`) tell which photos are sharp, but hardly
which way a camera moved, since edges along its path stay sharp.

A photo that is a little out of place seems blurred, too, but its gradients are as steep as ever: in no direction is a
photo taken to be more blurred than they are flat in it, both beside the sharp photos.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from neuraltexgen.colour import ViewColours
from neuraltexgen.fit_types import Exposures
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.packed import look_up, scatter_trust
from neuraltexgen.machine import one_torch_thread
from neuraltexgen.photos_mean import photos_mean
from neuraltexgen.point_spread import SHARP, PointSpread
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

FEWEST = 12
"""Sharp photos without which a mean of half of them is too poor to compare with, and what only blurred photos show too
much of the surface: sharpening that brings out noise."""

COVERED = 0.05
"""Share of a photo's pixels that sharp photos must show, too."""

LEAST, OUTLYING = 0.5, 5.0
"""Standard deviation in pixels, in the direction in which it is largest, from which on a photo is blurred; if gradients
took it to be sharp, by so many median absolute deviations its variance must lie above those of the sharp ones, too."""

WIDEST = 4.0
"""The largest standard deviation that is told, in pixels."""

SMOOTHED = 0.8
"""Standard deviation in pixels of a Gaussian that both sides are smoothed by: noise is mostly finer."""

APART = 4
"""Pixels that a compared one stays away from those that can't be compared."""

MOST = 40_000
"""Pixels of a photo that are compared, at the most, evenly spread."""

TURNS, REWEIGHTED = 4, 4
"""Turns of smoothing and solving, at the most, and of reweighting in each."""

SETTLED = 0.02
"""Square pixels: a turn that changes a covariance by less is the last."""

FLATTENED = 0.5
"""Variance in square pixels by which gradients are flattened, at the least, to see what that takes from them."""

ALIKE, PRIOR = 25.0, 1.0
"""Neighbours that differ alike, so that so many pixels count once; how far, in square pixels, a covariance may stray
where pixels tell nothing."""

Plane = Float[Tensor, "h w"]
Known = Bool[Tensor, "h w"]
Columns = Float[Tensor, "n 7"]


@one_torch_thread()
def find_spreads(
    views: Views,
    exposures: Exposures,
    blurs: Float32[np.ndarray, " v"],
    size: tuple[int, int],
    progress: Progress = no_progress,
) -> tuple[PointSpread, ...]:
    """The point-spread of each view beyond that of the capture's sharp photos, `SHARP` for these.

    `exposures`: gains and offsets. `blurs`: see `find_blurs`; kept, alike in all directions, where a photo can't be
    compared. `size`: the texture's, (H, W). Deterministic on the CPU.
    """
    result = [PointSpread.even(sigma) for sigma in blurs.tolist()]
    sharp = np.flatnonzero(blurs == 0).tolist()
    if len(sharp) < FEWEST:
        return tuple(result)
    found = dict(_compared(views, exposures, blurs, size, progress))
    own = np.array([(found[index].wide.mean(), found[index].flat.mean()) for index in sharp if index in found])
    usual = np.median(own, axis=0) if len(own) else np.zeros(2)
    variances = {index: np.minimum(own.wide - usual[0], own.flat - usual[1]) for index, own in found.items()}
    largest = np.array([variances[index].max() for index in sharp if index in found])
    for index, own in variances.items():
        least = LEAST**2 if blurs[index] > 0 else max(LEAST**2, _outlying(largest))
        result[index] = _told(own, found[index].axes) if own.max() >= least else SHARP
    return tuple(result)


class Beside(NamedTuple):
    """How much wider a photo's points are than a render's, as variances in square pixels, negative where the photo is
    the sharper one: along two `axes` (columns, x first), as pixels say (`wide`) and as gradients do (`flat`).
    """

    wide: Float64[np.ndarray, " 2"]
    flat: Float64[np.ndarray, " 2"]
    axes: Float64[np.ndarray, "2 2"]


def spread_between(sharp: Plane, photo: Plane, known: Known, sigma: float = 0.0) -> Beside:
    """By which Gaussian a render must be blurred to be like the photo where that is `known`. They may differ by a
    little of exposure and a shift. `sigma`: a first guess of its standard deviation.
    """
    chosen = _comparable(known)
    covariance = sigma**2 * np.eye(2)
    if len(chosen) == 0:
        return Beside(np.diag(covariance), np.diag(covariance), np.eye(2))
    usual = photo[known].mean()
    render, pictured = (_Spectrum(torch.where(known, plane, usual)) for plane in (sharp, photo))
    even = SMOOTHED**2 * np.eye(2)
    shown = _derivatives(pictured.smoothed(even), chosen)
    for _ in range(TURNS):
        columns = _derivatives(render.smoothed(covariance + even), chosen)
        xx, xy, yy = _solved(columns, shown[:, 1] - columns[:, 1])[-3:]
        before = covariance
        covariance = _bounded(covariance + np.array([[xx, xy], [xy, yy]]), -0.8 * SMOOTHED**2, WIDEST**2)
        if np.abs(covariance - before).max() < SETTLED:
            break
    wide, axes = np.linalg.eigh(covariance)
    flat = [_flatness(render, shown, chosen, (wide, axes), number) for number in range(2)]
    return Beside(wide, np.array(flat), axes)


class _Spectrum:
    """A plane that is blurred by several Gaussians; its opposite borders touch."""

    def __init__(self, plane: Plane) -> None:
        self._shape = plane.shape
        self._spectrum = torch.fft.rfft2(plane)
        self._x = torch.fft.rfftfreq(plane.shape[1], device=plane.device)
        self._y = torch.fft.fftfreq(plane.shape[0], device=plane.device)[:, None]

    def smoothed(self, covariance: Float64[np.ndarray, "2 2"]) -> Plane:
        (xx, xy), (_, yy) = covariance.tolist()
        form = xx * self._x**2 + 2 * xy * self._x * self._y + yy * self._y**2
        return torch.fft.irfft2(self._spectrum * torch.exp(-2 * np.pi**2 * form), s=self._shape)


def _comparable(known: Known) -> Int64[Tensor, " n"]:
    """Numbers of pixels that are away from all that is not known, and from the border; not all of them, if many."""
    padded = F.pad((~known).float()[None, None], (APART,) * 4, value=1.0)
    chosen = (F.max_pool2d(padded, 2 * APART + 1, stride=1)[0, 0] == 0).flatten().nonzero()[:, 0]
    return chosen[:: max(1, len(chosen) // MOST)]


def _flatness(
    render: _Spectrum,
    shown: Columns,
    chosen: Int64[Tensor, " n"],
    spread: tuple[Float64[np.ndarray, " 2"], Float64[np.ndarray, "2 2"]],
    number: int,
) -> float:
    """By which variance along an axis a render must be blurred, beside its blur along the other axis, for gradients
    along it to be the photo's on average. `shown`: the photo's derivatives. `spread`: variances and axes, about.
    """
    wide, axes = spread
    axis, across = axes[:, number], axes[:, 1 - number]
    guess = max(float(wide[number]), FLATTENED)
    other = SMOOTHED**2 * np.eye(2) + wide[1 - number] * np.outer(across, across)
    blurs = other, other + guess * np.outer(axis, axis)
    before, after = (_steepness(_derivatives(render.smoothed(blur), chosen), axis) for blur in blurs)
    return guess * (before - _steepness(shown, axis)) / max(before - after, 1e-3)


def _steepness(columns: Columns, axis: Float64[np.ndarray, " 2"]) -> float:
    """The log of the mean squared derivative along an axis."""
    slopes = axis[0] * columns[:, 2] + axis[1] * columns[:, 3]
    return float(slopes.square().mean().clamp(min=1e-12).log())


def _compared(
    views: Views,
    exposures: Exposures,
    blurs: Float32[np.ndarray, " v"],
    size: tuple[int, int],
    progress: Progress,
) -> Iterator[tuple[int, Beside]]:
    """Per view that can be compared its spread beside a texture of half of the sharp photos; it is in the other."""
    sharp = np.flatnonzero(blurs == 0).tolist()
    halves = sharp[::2], sharp[1::2]
    of = {index: 1 - half for half, own in enumerate(halves) for index in own}
    colours = ViewColours(len(views), exposures[0].shape[1], views.device)
    colours.hold(*exposures)
    for half, own in enumerate(halves):
        texture, seen = _texture(views, own, colours, size)
        other = [index for index in range(len(views)) if of.get(index, index % 2) == half]
        for index, view in progress(views.stream(other), "point-spread", len(other)):
            known = (view.trust > 0) & (look_up(seen, view.places)[..., 0] > 0.999)
            if float(known.float().mean()) < COVERED:
                continue
            gain, offset = colours.of(index)
            render = (gain * look_up(texture, view.places) + offset).mean(dim=2)
            photo = view.colours().mean(dim=2)
            yield index, spread_between(render, photo, known, float(blurs[index]))


def _texture(
    views: Views, chosen: Sequence[int], colours: ViewColours, size: tuple[int, int]
) -> tuple[Float[Tensor, "H W c"], Float[Tensor, "H W 1"]]:
    """The mean of some photos, and 1 in the texels that they look at."""
    looks = torch.zeros(size, device=views.device)

    def noted() -> Iterator[tuple[int, FitView]]:
        for index, view in views.stream(chosen):
            looks.add_(scatter_trust(view.places, size))
            yield index, view

    texture = photos_mean(noted(), colours, size)
    return texture, (looks > 0).float()[..., None]


def _derivatives(plane: Plane, chosen: Int64[Tensor, " n"]) -> Columns:
    """Of chosen pixels: 1, their values, both first derivatives, and how they grow with a covariance's xx, xy, yy."""
    values, width = plane.flatten(), plane.shape[1]

    def at(down: int, right: int) -> Float[Tensor, " n"]:
        return values[chosen + (down * width + right)].double()

    middle, right, left, down, up = at(0, 0), at(0, 1), at(0, -1), at(1, 0), at(-1, 0)
    mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    second = (right + left - 2 * middle) / 2, mixed, (down + up - 2 * middle) / 2
    return torch.stack((torch.ones_like(middle), middle, (right - left) / 2, (down - up) / 2, *second), dim=1)


def _solved(columns: Columns, left: Float[Tensor, " n"]) -> Float64[np.ndarray, " 7"]:
    """Coefficients at which the columns explain what is left, whatever a minority shows; the last three near 0."""
    weight, unknowns = torch.ones_like(left), torch.zeros(7, dtype=left.dtype, device=left.device)
    prior = torch.tensor([0.0] * 4 + [PRIOR**-2] * 3, dtype=left.dtype, device=left.device)
    for _ in range(REWEIGHTED):
        apart = (left - columns @ unknowns).abs()
        scale = 2 * float(apart.median()) + 1e-6
        weight = 1 / (1 + (apart / scale).square()) / (ALIKE * scale**2)
        weighted = columns * weight[:, None]
        matrix = columns.T @ weighted + torch.diag(prior + 1e-9)
        unknowns = torch.linalg.solve(matrix, weighted.T @ left)
    return unknowns.cpu().numpy()


def _outlying(values: Float64[np.ndarray, " n"]) -> float:
    """What is so large beside the others that it is none of them."""
    middle = float(np.median(values))
    return middle + OUTLYING * float(np.median(np.abs(values - middle)))


def _told(variances: Float64[np.ndarray, " 2"], axes: Float64[np.ndarray, "2 2"]) -> PointSpread:
    """The point-spread of variances along axes, those that are negative being 0."""
    kept = axes @ np.diag(variances.clip(0.0, WIDEST**2)) @ axes.T
    return PointSpread(float(kept[0, 0]), float(kept[0, 1]), float(kept[1, 1]))


def _bounded(covariance: Float64[np.ndarray, "2 2"], least: float, most: float) -> Float64[np.ndarray, "2 2"]:
    """The symmetric matrix with eigenvalues within bounds."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(values.clip(least, most)) @ vectors.T
