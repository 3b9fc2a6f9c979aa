"""Pixels from files and back: photos, masks, depth maps, EXR, PNG. Every failure is an `ImageError`."""

from neuraltexgen.images.depth import read_depth
from neuraltexgen.images.exr import read_exr, write_exr
from neuraltexgen.images.photo import LoadedPhoto, exif_swaps, photo_size, read_mask, read_photo, turn_pixels
from neuraltexgen.images.png import write_png
from neuraltexgen.images.stops import stops_of

__all__ = [
    "LoadedPhoto",
    "exif_swaps",
    "photo_size",
    "read_depth",
    "read_exr",
    "read_mask",
    "read_photo",
    "stops_of",
    "turn_pixels",
    "write_exr",
    "write_png",
]
