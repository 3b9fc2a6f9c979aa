"""Depth maps from files, as z-depth in world units and a mask of the pixels that hold one."""

import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from neuraltexgen.errors import ImageError
from neuraltexgen.images.exr import read_exr
from neuraltexgen.images.photo import open_image, read_mask
from neuraltexgen.scene import Blob, DepthMap
from neuraltexgen.types import Mask

CHANNELS = ("Z", "Y", "R", "V")
"""Where an EXR file may keep depth, in this order; a file with one channel may call it anything."""


def read_depth(depth: DepthMap) -> tuple[Float32[np.ndarray, "h w"], Mask]:
    """The z-depth in world units, and where it is valid; 0 where it is not.

    Reads grey images of 8 or 16 bits (PNG, PGM, TIFF ...), EXR, .npy, and blobs of larger files. Valid is what is
    finite and above 0, not among `depth.invalid`, and not black in `depth.mask`.
    Raises ImageError: missing, empty, damaged, in colour, of another size than the mask or the depth camera.
    """
    stored = _stored(depth)
    valid = np.isfinite(stored) & (stored > 0)
    if depth.invalid:
        valid &= ~np.isin(stored, depth.invalid)
    if depth.mask is not None:
        mask = read_mask(depth.mask)
        if mask.shape != stored.shape:
            raise ImageError(
                f"{depth.mask}: {_size(mask)} pixels, but its depth map '{depth.path.name}' {_size(stored)}"
            )
        valid &= mask
    if depth.camera is not None and stored.shape != (depth.camera.height, depth.camera.width):
        stated = f"{depth.camera.width}x{depth.camera.height}"
        raise ImageError(f"{depth.path}: the depth map is {_size(stored)}, but the depth camera {stated}")
    with np.errstate(over="ignore"):
        result = np.where(valid, stored, 0).astype(np.float64) * depth.unit
        result = result.astype(np.float32)
    valid &= np.isfinite(result)
    return np.where(valid, result, np.float32(0)), valid


def _stored(depth: DepthMap) -> Shaped[np.ndarray, "h w"]:
    """The numbers as the file has them."""
    suffix = depth.path.suffix.lower()
    if depth.blob is not None:
        return _read_blob(depth.path, depth.blob)
    if suffix == ".npy":
        return _read_npy(depth.path)
    if suffix == ".exr":
        return _read_exr(depth.path)
    return _read_grey(depth.path)


def _read_grey(path: Path) -> Shaped[np.ndarray, "h w"]:
    with open_image(path) as image:
        if image.mode not in ("L", "I", "F") and not image.mode.startswith("I;16"):
            raise ImageError(f"{path}: a depth map must be a grey image, this one is {image.mode}")
        return np.array(image)


def _read_exr(path: Path) -> Float32[np.ndarray, "h w"]:
    channels = read_exr(path)
    name = next((name for name in CHANNELS if name in channels), None)
    if name is None and len(channels) > 1:
        raise ImageError(f"{path}: a depth map needs one of the channels {', '.join(CHANNELS)}: {', '.join(channels)}")
    return channels[name] if name is not None else next(iter(channels.values()))


def _read_npy(path: Path) -> Shaped[np.ndarray, "h w"]:
    try:
        # Mapped, so that a header that lies about its shape costs no memory; never unpickled.
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy parses the header as Python text, and raises what that raises
        raise ImageError(
            f"{path}: no .npy file that can be read, or damaged ({error})"[:300], fix="copy it again"
        ) from error
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "uif":
        raise ImageError(f"{path}: a depth map must be h x w numbers, this array is {values.dtype} {values.shape}")
    return np.array(values)


def _read_blob(path: Path, blob: Blob) -> Shaped[np.ndarray, "h w"]:
    wanted = 2 * blob.width * blob.height
    try:
        with path.open("rb") as opened:
            opened.seek(blob.at)
            data = opened.read(blob.length)
        # Never unpacks more than the picture holds, whatever the bytes would become.
        data = zlib.decompressobj().decompress(data, wanted + 1) if blob.packed else data
    except (OSError, zlib.error) as error:
        raise ImageError(f"{path}: the depth at byte {blob.at} can't be read ({error})", fix="copy it again") from error
    if len(data) != wanted:
        raise ImageError(
            f"{path}: the depth at byte {blob.at} has {len(data)} bytes, not the {wanted} of {blob.width}x{blob.height}"
        )
    return np.frombuffer(data, "<u2").reshape(blob.height, blob.width)


def _size(pixels: Shaped[np.ndarray, "h w"]) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
