"""How much light a photo took, as its EXIF data say."""

import math
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from neuraltexgen.errors import ImageError
from neuraltexgen.images.photo import open_image

EXPOSURE_IFD = 0x8769
SECONDS, F_NUMBER, ISO = 33434, 33437, 34855
"""EXIF's tags (Exif 2.32, 4.6.5): ExposureTime in seconds, FNumber, PhotographicSensitivity."""


def stops_of(path: Path) -> float:
    """log2(seconds x ISO / f-number²): 1 more is twice as much light. NaN unless the photo states all three."""
    if path.suffix.lower() == ".exr":
        return math.nan
    tags: dict[int, Any] = {}
    with suppress(ImageError), open_image(path) as image:
        tags = dict(image.getexif().get_ifd(EXPOSURE_IFD))
    seconds, f_number, iso = (_positive(tags.get(tag)) for tag in (SECONDS, F_NUMBER, ISO))
    light = seconds * iso / f_number**2
    return math.log2(light) if 0 < light < math.inf else math.nan


def _positive(value: object) -> float:
    """A tag's number, the first one of several; NaN where it is none, or not above 0."""
    if isinstance(value, tuple) and value:
        value = value[0]
    with suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        if isinstance(value, (int, float, Fraction)) or hasattr(value, "numerator"):
            number = float(value)  # pyright: ignore[reportArgumentType]  (Pillow's rationals)
            return number if 0 < number < math.inf else math.nan
    return math.nan
