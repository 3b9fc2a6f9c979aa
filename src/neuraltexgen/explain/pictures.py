"""Maps as pictures: colours that read without colour vision, and a photo dimmed where it was not trusted."""

import numpy as np
from jaxtyping import Bool, Float32, Int32

from neuraltexgen.report.pictures import ERROR_COLOURS
from neuraltexgen.types import Image, Photo

UNSEEN = 0.5
"""Grey of texels that no photo shows."""

MANY = 12
"""Photos from which on a texel is as bright as it gets: a further one hardly adds to it."""

DIM = 0.2
"""Brightness of a photo's pixel without confidence."""

TRANSIENT = np.array((1.0, 0.2, 0.8), np.float32)
"""What is left out as a transient is tinted with this."""


def counted(photos: Int32[np.ndarray, "h w"]) -> Image:
    """How many photos show each texel: dark for one, bright from MANY on, grey for none."""
    return _coloured(photos.astype(np.float32) / MANY, photos > 0)


def measured(values: Float32[np.ndarray, "h w"], limit: float) -> Image:
    """Values from 0, dark, to `limit`, bright; grey where there is none."""
    return _coloured(values / limit, np.isfinite(values))


def limit_of(values: Float32[np.ndarray, "h w"]) -> float:
    """A round number that nine of ten values lie below: 1, 2 or 5 times a power of ten; 1 if there are none."""
    known = values[np.isfinite(values)]
    high = float(np.percentile(known, 90)) if len(known) else 1.0
    if high <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(high))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= high * (1 - 1e-9)))


def trusted(
    photo: Photo, confidence: Float32[np.ndarray, "h w"], transient: Bool[np.ndarray, "h w"] | None = None
) -> Image:
    """The photo, dimmed where it was not trusted, transients tinted."""
    shown = photo[..., :3] if photo.shape[2] >= 3 else np.repeat(photo[..., :1], 3, axis=2)
    result = shown * (DIM + (1 - DIM) * confidence[..., None])
    if transient is not None:
        result = np.where(transient[..., None], 0.5 * shown + 0.5 * TRANSIENT, result)
    return np.clip(result, 0, 1).astype(np.float32)


def _coloured(at: Float32[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]) -> Image:
    place = np.clip(np.nan_to_num(at), 0, 1) * (len(ERROR_COLOURS) - 1)
    stops = np.arange(len(ERROR_COLOURS))
    colours = np.stack([np.interp(place, stops, channel) for channel in ERROR_COLOURS.T], axis=-1).astype(np.float32)
    colours[~known] = UNSEEN
    return colours
