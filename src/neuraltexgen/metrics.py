"""Held-out scores: PSNR, SSIM and sharpness of a render against a photo, each over a mask of pixels."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neuraltexgen.colour import RIDGE, fit_colour
from neuraltexgen.kernels.cpu import score as cpu_score
from neuraltexgen.windows import C1, C2, dissimilarity, window_weights

Pixels = Float[Tensor, "h w c"]
PixelMask = Bool[Tensor, "h w"]

PSNR_CEILING = 100.0
"""dB given to equal images, so that means stay finite."""


@dataclass(frozen=True)
class Score:
    """How one render matches one photo over `pixels` pixels; the fitted ones after a gain and offset per channel."""

    pixels: int
    psnr: float
    ssim: float
    psnr_fitted: float
    ssim_fitted: float
    sharpness: float


def score(render: Pixels, photo: Pixels, mask: PixelMask) -> Score:
    """All figures of one view. `mask`: pixels that the mesh covers and a training view sees. Zero pixels score NaN.

    Images on the CPU in float32 take the numba twins of the functions below.
    """
    if _on_cpu(render, photo):
        images = _Images(render, photo, mask)
        as_it_is = images.plain()
        return Score(
            pixels=images.count,
            psnr=images.psnr(as_it_is),
            ssim=images.ssim(as_it_is),
            psnr_fitted=images.psnr(images.fitted),
            ssim_fitted=images.ssim(images.fitted),
            sharpness=images.sharpness(images.fitted),
        )
    gain, offset = fit_colour(render, photo, mask.to(render.dtype))
    fitted = gain * render + offset
    return Score(
        pixels=int(mask.sum()),
        psnr=psnr(render, photo, mask),
        ssim=ssim(render, photo, mask),
        psnr_fitted=psnr(fitted, photo, mask),
        ssim_fitted=ssim(fitted, photo, mask),
        sharpness=sharpness(fitted, photo, mask),
    )


def quick_figures(render: Pixels, photo: Pixels, mask: PixelMask) -> tuple[float, float]:
    """PSNR after the colour fit, and sharpness, as `score` has them: a small part of its work."""
    if _on_cpu(render, photo):
        images = _Images(render, photo, mask)
        return images.psnr(images.fitted), images.sharpness(images.fitted)
    gain, offset = fit_colour(render, photo, mask.to(render.dtype))
    fitted = gain * render + offset
    return psnr(fitted, photo, mask), sharpness(fitted, photo, mask)


def psnr(render: Pixels, photo: Pixels, mask: PixelMask) -> float:
    """10 log10(1 / mean squared difference) in dB over masked pixels, peak 1, the render clipped to [0, 1]."""
    if not mask.any():
        return math.nan
    error = (render[mask].clamp(0, 1) - photo[mask]).to(torch.float64).square().mean()
    return float(-10 * torch.log10(error.clamp(min=10 ** (-PSNR_CEILING / 10))))


def ssim(render: Pixels, photo: Pixels, mask: PixelMask) -> float:
    """Mean structural similarity over masked pixels: Gaussian window 11, sigma 1.5, peak 1 (Wang et al. 2004).

    Window statistics are taken over the masked pixels only (normalised convolution), so that nothing outside counts.
    """
    if not mask.any():
        return math.nan
    x, y = (image.permute(2, 0, 1)[None].float() for image in (render.clamp(0, 1), photo))
    luminance, structure = dissimilarity(x, y, mask[None, None])
    value = (1 - luminance) * (1 - structure)
    return float(value[0, :, mask].to(torch.float64).mean())


def sharpness(render: Pixels, photo: Pixels, mask: PixelMask) -> float:
    """Mean gradient magnitude of the render over that of the photo: below 1 blurred, above 1 noisy or ringing.

    The gradient is the forward difference of the mean over channels, at pixels whose right and lower neighbours are
    masked too. NaN where there is none, or where the photo is flat.
    """
    inner = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:]
    if not inner.any():
        return math.nan
    magnitudes = []
    for image in (render, photo):
        grey = torch.where(mask, image.mean(dim=2), torch.zeros_like(image[..., 0]))
        across, down = grey[:-1, 1:] - grey[:-1, :-1], grey[1:, :-1] - grey[:-1, :-1]
        magnitudes.append((across.square() + down.square()).sqrt()[inner].to(torch.float64).mean())
    return float(magnitudes[0] / magnitudes[1]) if magnitudes[1] > 0 else math.nan


def mean_score(scores: list[Score]) -> Score:
    """The mean over views, each view counting alike; views without pixels are left out (all NaN if none is left).

    The mean sharpness leaves out the views that have none, too.
    """
    seen = [s for s in scores if s.pixels > 0]
    return Score(
        pixels=sum(s.pixels for s in seen),
        psnr=_mean([s.psnr for s in seen]),
        ssim=_mean([s.ssim for s in seen]),
        psnr_fitted=_mean([s.psnr_fitted for s in seen]),
        ssim_fitted=_mean([s.ssim_fitted for s in seen]),
        sharpness=_mean([s.sharpness for s in seen if not math.isnan(s.sharpness)]),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _on_cpu(*images: Tensor) -> bool:
    return all(image.device.type == "cpu" and image.dtype == torch.float32 for image in images)


def _array(image: Tensor) -> np.ndarray:
    return image.detach().contiguous().numpy()


Colours = tuple[np.ndarray, np.ndarray]
"""Gain and offset per channel."""


class _Images:
    """Render and photo as the numba twins take them, and the colours that bring the first closest to the second."""

    def __init__(self, render: Tensor, photo: Tensor, mask: Tensor) -> None:
        self._three = (_array(render), _array(photo), _array(mask))
        self.count, means, moments = cpu_score.colour_sums(*self._three)
        gain = (moments[1] + RIDGE) / (moments[0] + RIDGE)
        self.fitted = self.plain()
        if self.count:
            self.fitted = gain.astype(np.float32), (means[1] - gain * means[0]).astype(np.float32)

    def plain(self) -> Colours:
        channels = self._three[0].shape[2]
        return np.ones(channels, np.float32), np.zeros(channels, np.float32)

    def psnr(self, colours: Colours) -> float:
        if self.count == 0:
            return math.nan
        error = cpu_score.squared_error(*self._three, *colours) / (self.count * len(colours[0]))
        return -10 * math.log10(max(error, 10 ** (-PSNR_CEILING / 10)))

    def ssim(self, colours: Colours) -> float:
        if self.count == 0:
            return math.nan
        render, photo, mask = self._three
        shown, window = colours[0] * render + colours[1], np.array(window_weights(), np.float32)
        return cpu_score.similarity(shown, photo, mask, window, (C1, C2)) / (self.count * len(colours[0]))

    def sharpness(self, colours: Colours) -> float:
        count, of_render, of_photo = cpu_score.gradient_sums(*self._three, *colours)
        return of_render / of_photo if count and of_photo > 0 else math.nan
