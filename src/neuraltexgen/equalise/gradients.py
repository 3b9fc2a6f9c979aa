"""How steep a photo's brightness is, block by block, and by how much a blur would flatten it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from neuraltexgen.fit_view import FitView
from neuraltexgen.glimpses import Glimpse
from neuraltexgen.kernels.packed import Places, unpack_uv

SMOOTHED = (0.25, 0.5, 0.25)
"""What brightness is smoothed by before its gradients are taken, along both axes: noise is mostly finer."""

APART = 3
"""Pixels that a gradient stays away from what has no confidence: edges of surfaces are no texture."""

EVEN = 3.0
"""A pixel's patch of the surface may be so many times larger or smaller than the photo's median one, each side; what is
beyond lies across a seam."""

BLOCK = 8
"""Pixels along a block in which a photo is compared with itself, blurred."""

Plane = Float[Tensor, "h w"]


class Energy(NamedTuple):
    """Per block of a photo its mean squared gradient, and whether half of its pixels have one."""

    squared: Plane
    known: Bool[Tensor, "h w"]


def gradients_of(view: FitView, stride: int, gain: float) -> Glimpse:
    """Mean squared gradients a pixel, brightness over `gain`, and log footprints in uv units, in the place of colours;
    once a block of stride x stride pixels, at the place of its middle.
    """
    found = _energy(_brightness(view) / gain, view, stride)
    height, width = found.known.shape
    rows, columns = (slice(stride // 2, side * stride, stride) for side in (height, width))
    low, high = (field[:, :, :1].cpu() for field in (view.low, view.high))
    places = low[rows, columns].contiguous(), high[rows, columns].contiguous()
    size = _footprints(*places)
    usual = size[found.known].median() if found.known.any() else size.new_ones(())
    known = found.known & (size > usual / EVEN) & (size < usual * EVEN)
    trust = torch.where(known, view.trust.cpu()[rows, columns], torch.zeros((), dtype=torch.uint8))
    return Glimpse(torch.stack((found.squared, size.log()), dim=2), Places(*places, trust))


def taken_by_blur(view: FitView, sigmas: Sequence[float], least: float) -> Float64[np.ndarray, " s"]:
    """By how much Gaussians of these standard deviations, in pixels, lower the log of a photo's gradients: the median
    over its blocks with a root mean square gradient of at least `least`; 0 where there is none.
    """
    brightness = _brightness(view)
    energies = [_energy(_blurred(brightness, sigma), view, BLOCK) for sigma in sigmas]
    strong = energies[0].known & (energies[0].squared > least**2)
    if not strong.any():
        return np.zeros(len(sigmas))
    logs = [0.5 * energy.squared[strong].clamp(min=1e-12).log() for energy in energies]
    return np.array([float((logs[0] - log).median()) for log in logs])


def _brightness(view: FitView) -> Plane:
    return view.colours().mean(dim=2).cpu()


def _energy(brightness: Plane, view: FitView, block: int) -> Energy:
    taps = torch.tensor(SMOOTHED)
    smooth = _along(_along(brightness, taps, 0), taps, 1)
    unknown = (view.trust.cpu() == 0).float()[None, None]
    known = F.max_pool2d(unknown, 2 * APART + 1, stride=1, padding=APART)[0, 0] == 0
    across, down = smooth.roll(-1, 1) - smooth, smooth.roll(-1, 0) - smooth
    squared = torch.where(known, across.square() + down.square(), 0.0)
    mean, share = (F.avg_pool2d(plane[None, None], block)[0, 0] for plane in (squared, known.float()))
    return Energy(mean / share.clamp(min=1e-6), share > 0.5)


def _footprints(low: Tensor, high: Tensor) -> Plane:
    """How far places side by side lie apart: the root of the area between three of them."""
    uv = unpack_uv(low, high)[:, :, 0]
    right, down = uv.roll(-1, 1) - uv, uv.roll(-1, 0) - uv
    return (right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]).abs().clamp(min=1e-20).sqrt()


def _blurred(plane: Plane, sigma: float) -> Plane:
    """The plane blurred by a Gaussian, whose integrals over pixels are the taps, so that narrow ones are true."""
    if sigma == 0:
        return plane
    reach = int(np.ceil(4 * sigma))
    edges = torch.erf((torch.arange(-reach, reach + 2) - 0.5) / (sigma * 2**0.5))
    taps = (edges[1:] - edges[:-1]) / (edges[-1] - edges[0])
    return _along(_along(plane, taps, 0), taps, 1)


def _along(plane: Plane, taps: Float[Tensor, " k"], axis: int) -> Plane:
    """The plane convolved along an axis, its border repeated."""
    reach = len(taps) // 2
    padding, shape = ((0, 0, reach, reach), (1, 1, -1, 1)) if axis == 0 else ((reach, reach, 0, 0), (1, 1, 1, -1))
    return F.conv2d(F.pad(plane[None, None], padding, mode="replicate"), taps.view(shape))[0, 0]
