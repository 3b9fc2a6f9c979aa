"""How noisy a photo is, and the noise taken out of it, edges kept: a threshold on overlapping cosine transforms."""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, fold, pad, unfold

Picture = Float[Tensor, "3 h w"]

LAPLACIAN = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))
"""The difference of two Laplacians: blind to constants, slopes and straight edges along the axes."""

BLOCK = 16
"""Pixels along a side of the blocks whose noise is measured by itself."""

FLATTEST = 0.1
"""The share of the blocks that are flatter than the one whose noise counts: texture looks like noise to a filter."""

CLIPPED = (4 / 255, 251 / 255)
"""Colours beyond these are cut off, and so is the noise on them."""

PATCH = 8
"""Pixels along a side of the patches that are transformed."""

STEP = 2
"""Every second patch along each side: a quarter of the work, 0.3 dB from all of them."""

THRESHOLD = 2.7
"""Coefficients within this many standard deviations of 0 are taken for noise."""

STRIP = 1 << 18
"""Pixels that are transformed at a time: about 0.2 GB."""


def noise_level(photo: Picture) -> float:
    """Standard deviation of the noise per channel, in the photo's own [0, 1]; 0 for a photo without any.

    Immerkær, "Fast noise variance estimation", CVIU 1996, on the mean of the channels and by blocks of 16 x 16 pixels,
    of which a tenth is flatter than the one that counts. Blocks with clipped pixels do not count. Compression smooths
    away most of what it measures, so it reports little for a JPEG. A photo too small for a block has noise 0.
    """
    if min(photo.shape[1:]) < BLOCK + 2:
        return 0.0
    grey = photo.mean(dim=0, keepdim=True)[None]
    response = conv2d(grey, torch.tensor(LAPLACIAN, device=photo.device)[None, None]).abs() / 6
    low, high = photo.amin(dim=0), photo.amax(dim=0)
    clipped = ((low < CLIPPED[0]) | (high > CLIPPED[1])).to(photo.dtype)[None, None, 1:-1, 1:-1]
    levels = avg_pool2d(response, BLOCK).flatten() * math.sqrt(math.pi / 2)
    whole = avg_pool2d(clipped, BLOCK).flatten() == 0
    levels = levels[whole] if whole.any() else levels
    # The mean of three channels has noise that is smaller by sqrt(3).
    return float(torch.quantile(levels[: 1 << 24], FLATTEST)) * math.sqrt(3)


def denoise(photo: Picture, sigma: float, device: torch.device = torch.device("cpu")) -> Picture:  # noqa: B008
    """The photo without what looks like noise of standard deviation `sigma`; computed on `device`, in strips.

    Channels are rotated into a mean and two differences, in each of which every 8 x 8 patch is cosine transformed;
    coefficients below 2.7 sigma become 0, and each pixel averages the patches that hold it. sigma 0 changes nothing.
    Yu and Sapiro, "DCT image denoising", IPOL 2011, https://doi.org/10.5201/ipol.2011.ys-dct.
    """
    if sigma <= 0:
        return photo
    height, width = photo.shape[1:]
    margin = PATCH - STEP
    # Every pixel, the outermost too, lies in the same number of patches; the far sides are padded to a whole step.
    extra = [(-(side + 2 * margin - PATCH)) % STEP for side in (width, height)]
    padded = pad(photo[None], (margin, margin + extra[0], margin, margin + extra[1]), mode=_padding(photo))[0]
    rows = max(STRIP // padded.shape[2] // STEP, 1) * STEP
    total = torch.zeros_like(padded)
    for top in range(0, padded.shape[1] - PATCH + 1, rows):
        bottom = min(top + rows - STEP + PATCH, padded.shape[1])
        total[:, top:bottom] += _thresholded(padded[:, top:bottom].to(device), THRESHOLD * sigma).to(photo.device)
    return (total / (PATCH // STEP) ** 2)[:, margin : margin + height, margin : margin + width].clamp(0, 1)


def _thresholded(strip: Picture, threshold: float) -> Picture:
    """The sum over all patches of the strip, each brought back from its coefficients above the threshold."""
    colours, waves = (_cosines(n).to(strip.device) for n in (3, PATCH))
    basis = torch.kron(waves, waves)
    patches = unfold(torch.tensordot(colours, strip, 1)[:, None], PATCH, stride=STEP)
    coefficients = basis @ patches
    keep = coefficients.abs() > threshold
    keep[:, 0] = True  # a patch's mean is never noise
    cleaned = fold(basis.T @ (coefficients * keep), strip.shape[1:], PATCH, stride=STEP)
    return torch.tensordot(colours.T, cleaned[:, 0], 1)


def _padding(photo: Picture) -> str:
    """Mirrored, unless the photo is too small for a mirror."""
    return "reflect" if min(photo.shape[1:]) > PATCH else "replicate"


@lru_cache(maxsize=2)
def _cosines(n: int) -> Float[Tensor, "n n"]:
    """The orthonormal DCT-II: row k is the wave of k half periods."""
    steps = torch.arange(n, dtype=torch.float64)
    matrix = torch.cos(math.pi / n * steps[:, None] * (steps + 0.5)) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix.float()
