"""OpenEXR files as named float32 channels, read and written through the `OpenEXR` package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from jaxtyping import Float32

from neuraltexgen.errors import ImageError
from neuraltexgen.files import whole_file

LARGEST_SIDE = 1 << 16
DENSEST_SAMPLES_PER_BYTE = 3000
"""No EXR codec packs more samples into a byte; a header that claims more is broken, and would cost its memory."""


def read_exr(path: Path) -> dict[str, Float32[np.ndarray, "h w"]]:
    """The channels of an EXR file's first part by name, half and integer ones widened to float32.

    Raises ImageError: missing, damaged, deep, or channels of different sizes.
    """
    _checked_size(path)
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: np.array(channel.pixels, dtype=np.float32) for name, channel in file.channels().items()}
    except Exception as error:  # the binding raises RuntimeError, ValueError, TypeError ... for damaged files
        raise _damaged(path, error) from error
    shapes = {channel.shape for channel in channels.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise ImageError(f"{path}: needs at least one channel, all of one size; got {_describe(channels)}")
    return channels


def exr_size(path: Path) -> tuple[int, int]:
    """(width, height) of an EXR file from its header. Raises ImageError as `read_exr` does."""
    return _checked_size(path)


def write_exr(path: Path, channels: Mapping[str, Float32[np.ndarray, "h w"]], *, half: bool = False) -> None:
    """Writes channels under the names given, whole or not at all, as 32-bit floats or 16-bit ones with `half`.

    Raises ImageError: no channels, or channels of different sizes.
    """
    if len({channel.shape for channel in channels.values()}) != 1:
        raise ImageError(f"{path}: needs at least one channel, all of one size; got {_describe(channels)}")
    kind = np.float16 if half else np.float32
    pixels = {name: np.ascontiguousarray(channel, dtype=kind) for name, channel in channels.items()}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with whole_file(path) as temporary, OpenEXR.File(header, pixels) as file:
        file.write(str(temporary))


def _checked_size(path: Path) -> tuple[int, int]:
    """(width, height), after making sure that the file can hold what its header claims."""
    try:
        stored = path.stat().st_size
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: no such file, or it can't be read") from error
    try:
        with OpenEXR.File(str(path), header_only=True) as file:
            header: dict[str, Any] = file.header()
            (left, top), (right, bottom) = (np.asarray(corner).tolist() for corner in header["dataWindow"])
            count = len(header["channels"])
    except Exception as error:  # as above: a damaged header, too
        raise _damaged(path, error) from error
    width, height = right - left + 1, bottom - top + 1
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE and count >= 1):
        raise ImageError(f"{path}: an EXR image of {width}x{height} with {count} channels can't be read")
    if width * height * count > DENSEST_SAMPLES_PER_BYTE * stored:
        raise ImageError(f"{path}: {stored} bytes can't hold the {width}x{height}x{count} samples that it claims")
    return width, height


def _damaged(path: Path, error: Exception) -> ImageError:
    return ImageError(f"{path}: not an EXR file, or damaged ({error})", fix="write or copy the file again")


def _describe(channels: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, channel.shape))}" for name, channel in channels.items()) or "none"
