"""Images as data URIs of bounded size, and colours for error maps."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped
from PIL import Image as PillowImage

from neuraltexgen.types import Image

ERROR_LIMIT = 0.25
"""The absolute difference that gets the brightest colour."""

ERROR_COLOURS = np.array(
    [(0.05, 0.05, 0.13), (0.29, 0.10, 0.42), (0.68, 0.20, 0.38), (0.94, 0.47, 0.22), (1.0, 0.94, 0.66)], np.float32
)
"""Evenly spaced from no error to the limit; brighter all the way, so that it reads without colour vision too."""

NOTHING = 0.5


@dataclass(frozen=True)
class Picture:
    """A picture inside the page, and its size in pixels."""

    uri: str
    width: int
    height: int


def picture(image: Shaped[np.ndarray, "h w c"], longest: int, quality: int = 86) -> Picture:
    """A JPEG of the image's first 1 or 3 channels, its longer side at most `longest` pixels.

    Floats are in [0, 1]; values outside are clipped, what is not finite is shown as 0.
    """
    pixels = _reduced(image[..., :3] if image.shape[2] >= 3 else image[..., :1], longest)
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(np.nan_to_num(pixels, nan=0.0), 0, 1) * 255).astype(np.uint8)
    shown = PillowImage.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    shown.thumbnail((longest, longest), PillowImage.Resampling.LANCZOS)
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=quality, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")
    return Picture(uri, shown.width, shown.height)


def _reduced(image: Shaped[np.ndarray, "h w c"], longest: int) -> Shaped[np.ndarray, "H W c"]:
    """A far larger image by means over blocks, still at least twice as large as it is shown: so no copy is as large."""
    k = max(image.shape[:2]) // (2 * longest)
    if k < 2 or min(image.shape[:2]) < k or image.dtype == np.uint8:
        return image
    rows, columns = image.shape[0] // k, image.shape[1] // k
    blocks = (image[k * i : k * i + k, : k * columns].reshape(k, columns, k, -1) for i in range(rows))
    return np.stack([np.nan_to_num(block, nan=0.0).mean(axis=(0, 2)) for block in blocks])


def error_colours(error: Float32[np.ndarray, "h w"]) -> Image:
    """Colours (h, w, 3) of an error map: dark where it is 0, bright from the limit on, grey where it is not finite."""
    at = np.clip(np.nan_to_num(error) / ERROR_LIMIT, 0, 1) * (len(ERROR_COLOURS) - 1)
    stops = np.arange(len(ERROR_COLOURS))
    colours = np.stack([np.interp(at, stops, channel) for channel in ERROR_COLOURS.T], axis=-1).astype(np.float32)
    colours[~np.isfinite(error)] = NOTHING
    return colours
