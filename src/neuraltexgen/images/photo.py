"""Photos and masks of any common kind as plain arrays; what had to be converted is said in notes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped
from PIL import Image as Pillow

from neuraltexgen.errors import ImageError
from neuraltexgen.images.exr import exr_size, read_exr
from neuraltexgen.images.png import png_header, read_deep_png
from neuraltexgen.types import Mask, Photo

ORIENTATION_TAG = 274
"""EXIF's tag for how a photo is to be turned; 1 = as stored, 5 to 8 swap width and height."""

DENSEST_PIXELS_PER_BYTE = 8300
"""No common codec stores more pixels in a byte (deflate at 1 bit a pixel): a header that claims more is a lie."""


@dataclass(frozen=True, eq=False)
class LoadedPhoto:
    """A photo's pixels: uint8, or float32 in [0, 1] from 16-bit files, or linear float32 from EXR.

    `alpha` is True where the photo is at least half opaque, None where it all is. `notes` say what was converted.
    """

    pixels: Photo
    alpha: Mask | None
    notes: tuple[str, ...]


def read_photo(path: Path, *, upright: bool = False) -> LoadedPhoto:
    """Reads a photo as RGB; with `upright`, turned as its EXIF orientation says, else the pixels as stored.

    Grey, palette, transparent, CMYK, 16-bit and EXR photos are converted, with a note. Pixels that are not finite
    become 0 and transparent, counted in a note.
    Raises ImageError: missing, empty, truncated or not an image.
    """
    if _is_exr(path):
        return _exr_photo(path)
    with open_image(path) as image:
        orientation = _orientation(image) if upright else 1
        header = png_header(path)
        if header is not None and header.deep_colour:
            photo = _deep_png_photo(path)
        else:
            photo = _pillow_photo(path, image)
    alpha = None if photo.alpha is None else turn_pixels(photo.alpha, orientation)
    return LoadedPhoto(turn_pixels(photo.pixels, orientation), alpha, photo.notes)


def photo_size(path: Path, *, upright: bool = False) -> tuple[int, int]:
    """(width, height) from the file's header alone; with `upright`, after its EXIF orientation is applied.

    Raises ImageError: missing, empty or not an image.
    """
    if _is_exr(path):
        return exr_size(path)
    with open_image(path) as image:
        width, height = image.size
        return (height, width) if upright and _orientation(image) >= 5 else (width, height)


def exif_swaps(path: Path) -> bool:
    """Whether the photo's EXIF orientation swaps its width and height. Raises ImageError as `photo_size` does."""
    if _is_exr(path):
        return False
    with open_image(path) as image:
        return _orientation(image) >= 5


def read_mask(path: Path, size: tuple[int, int] | None = None) -> Mask:
    """True = use the pixel: where the mask is not black (any channel above 0, alpha not counted).

    Raises ImageError: missing, empty, truncated, no image, or not of the photo's `size` (width, height) if given.
    """
    mask = _mask_pixels(path)
    rows, cols = mask.shape
    if size not in (None, (cols, rows)):
        raise ImageError(
            f"{path} is {cols}x{rows}, its photo {size[0]}x{size[1]}", fix="a mask must have its photo's size"
        )
    return mask


def _mask_pixels(path: Path) -> Mask:
    if _is_exr(path):
        return np.any([channel != 0 for name, channel in read_exr(path).items() if name != "A"], axis=0)
    with open_image(path) as image:
        if image.mode == "1" or image.mode.startswith(("I", "F")):
            return np.asarray(image) != 0
        return np.any(np.asarray(image.convert("RGB")), axis=2)


@contextmanager
def open_image(path: Path) -> Iterator[Pillow.Image]:
    """The opened image. Whatever Pillow raises while it is open becomes an ImageError: its decoders raise anything."""
    try:
        stored = path.stat().st_size
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: no such file, or it can't be read") from error
    if stored == 0:
        raise ImageError(f"{path}: the file is empty (0 bytes)", fix="copy it again from the camera")
    try:
        with Pillow.open(path) as image:
            width, height = image.size
            if width < 1 or height < 1:
                raise ImageError(f"{path}: the image has no pixels ({width}x{height})")
            if width * height > DENSEST_PIXELS_PER_BYTE * stored:
                raise ImageError(f"{path}: {stored} bytes can't hold the {width}x{height} pixels that it claims")
            yield image
    except ImageError:
        raise
    except Pillow.DecompressionBombError as error:
        raise ImageError(f"{path}: too large to read: {error}", fix="scale the photo down") from error
    except Exception as error:  # Pillow's decoders raise anything for damaged files: struct.error, SyntaxError ...
        raise ImageError(
            f"{path}: not an image that can be read, or damaged ({type(error).__name__}: {error})",
            fix="copy the file again, or remove it from the capture",
        ) from error


def _orientation(image: Pillow.Image) -> int:
    value = image.getexif().get(ORIENTATION_TAG, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turn_pixels(pixels: Shaped[np.ndarray, "..."], orientation: int) -> Shaped[np.ndarray, "..."]:
    """An image's pixels (h, w, with or without channels) after an EXIF orientation, 1 to 8, is applied."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _pillow_photo(path: Path, image: Pillow.Image) -> LoadedPhoto:
    mode = image.mode
    if mode.startswith("I"):
        grey = np.asarray(image).astype(np.float32) / 65535
        if grey.min() < 0 or grey.max() > 1:
            raise ImageError(f"{path}: whole-number pixels beyond 16 bits", fix="save it as 8-bit PNG or float EXR")
        return LoadedPhoto(_three_channels(grey), None, ("16-bit grey photo read as RGB",))
    if mode == "F":
        return _finite(_three_channels(np.asarray(image).astype(np.float32)), None, ("grey float photo read as RGB",))
    notes = {
        "1": "black-and-white photo read as RGB",
        "L": "grey-scale photo read as RGB",
        "LA": "grey-scale photo with transparency read as RGB",
        "P": "palette photo read as RGB",
        "CMYK": "CMYK photo converted to RGB without its colour profile",
    }
    note = (notes[mode],) if mode in notes else ()
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        alpha = rgba[..., 3] >= 128
        return LoadedPhoto(np.ascontiguousarray(rgba[..., :3]), None if alpha.all() else alpha, note)
    return LoadedPhoto(np.array(image.convert("RGB")), None, note)


def _deep_png_photo(path: Path) -> LoadedPhoto:
    samples = read_deep_png(path)
    if samples is None:
        with open_image(path) as image:
            shallow = _pillow_photo(path, image)
        return LoadedPhoto(shallow.pixels, shallow.alpha, (*shallow.notes, "interlaced 16-bit photo read at 8 bits"))
    channels = samples.shape[2]
    alpha = samples[..., -1] >= 32768 if channels in (2, 4) else None
    colour = samples[..., :3] if channels >= 3 else samples[..., :1].repeat(3, axis=2)
    note = ("16-bit grey photo read as RGB",) if channels == 2 else ()
    pixels = np.ascontiguousarray(colour.astype(np.float32) / 65535)
    return LoadedPhoto(pixels, None if alpha is None or alpha.all() else alpha, note)


def _exr_photo(path: Path) -> LoadedPhoto:
    channels = read_exr(path)
    if all(name in channels for name in "RGB"):
        pixels, notes = np.stack([channels[name] for name in "RGB"], axis=2), ()
    elif "Y" in channels or len(channels) == 1:
        grey = channels.get("Y", next(iter(channels.values())))
        pixels, notes = _three_channels(grey), ("grey EXR photo read as RGB",)
    else:
        raise ImageError(f"{path}: an EXR photo needs channels R, G, B; it has {', '.join(channels)}")
    return _finite(pixels, channels["A"] >= 0.5 if "A" in channels else None, notes)


def _finite(pixels: Float32[np.ndarray, "h w 3"], alpha: Mask | None, notes: tuple[str, ...]) -> LoadedPhoto:
    bad = np.any(~np.isfinite(pixels), axis=2)
    if bad.any():
        pixels = np.where(bad[..., None], np.float32(0), pixels)
        alpha = ~bad if alpha is None else alpha & ~bad
        notes = (*notes, f"{int(bad.sum())} pixels that are not finite are ignored")
    return LoadedPhoto(pixels, None if alpha is None or alpha.all() else alpha, notes)


def _three_channels(grey: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 3"]:
    return np.repeat(grey[..., None], 3, axis=2)


def _is_exr(path: Path) -> bool:
    return path.suffix.lower() == ".exr"
