"""PNG at 8 and 16 bits a sample. Pillow drops the lower byte of 16-bit colour, so those files are handled here.

The format: PNG specification, third edition, https://www.w3.org/TR/png-3/, sections 5 (chunks) and 9 (filters).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

from neuraltexgen.errors import ImageError
from neuraltexgen.files import whole_file

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
ROWS = 256

LEVEL = 4
"""Of compression: photographs are 2 % larger than at the usual 6, in less than half the time."""


@dataclass(frozen=True)
class PngHeader:
    """The fields of the IHDR chunk that matter here."""

    width: int
    height: int
    bits: int
    colour_type: int
    interlaced: bool

    @property
    def deep_colour(self) -> bool:
        """16 bits a sample and more than one channel: what Pillow reads at 8 bits only."""
        return self.bits == 16 and self.colour_type in (2, 4, 6)


def write_png(path: Path, image: Float32[np.ndarray, "h w c"], *, bits: int = 8) -> None:
    """Writes 1 (grey), 3 (RGB) or 4 (RGBA) channels in [0, 1], clipped and rounded, at 8 or 16 bits a sample.

    Whole or not at all. Raises ImageError: another number of channels or bits, an empty image, or a NaN.
    """
    height, width, channels = image.shape
    if channels not in COLOUR_TYPES or bits not in (8, 16) or height * width == 0:
        raise ImageError(f"{path}: can't write {width}x{height} pixels of {channels} channels at {bits} bits as PNG")
    broken = sum(int(np.count_nonzero(~np.isfinite(rows))) for rows in _row_blocks(image))
    if broken:
        raise ImageError(f"{path}: {broken} values are not finite")
    header = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[channels], 0, 0, 0)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(SIGNATURE)
        _write_chunk(file, b"IHDR", header)
        for part in _packed_rows(image, bits):
            _write_chunk(file, b"IDAT", part)
        _write_chunk(file, b"IEND", b"")


def _packed_rows(image: Float32[np.ndarray, "h w c"], bits: int) -> Iterator[bytes]:
    """The image data, compressed, in parts: a block of rows at a time, so that a large texture needs no copy."""
    pack = zlib.compressobj(LEVEL)
    levels = 2**bits - 1
    above: np.ndarray | None = None
    for block in _row_blocks(image):
        samples = np.rint(np.clip(block, 0, 1).astype(np.float64) * levels).astype(">u2" if bits == 16 else "u1")
        rows = samples.reshape(len(block), -1).view(np.uint8)
        filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
        filtered[:, 0] = 2  # every row as the difference to the one above: cheap, and smooth images compress well
        filtered[0, 1:] = rows[0] if above is None else rows[0] - above
        np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
        above = rows[-1]
        if part := pack.compress(filtered.data):
            yield part
    yield pack.flush()


def _row_blocks(image: Float32[np.ndarray, "h w c"]) -> Iterator[Float32[np.ndarray, "b w c"]]:
    """A few rows at a time: rounding takes doubles, and a whole image of them is large."""
    for top in range(0, len(image), ROWS):
        yield image[top : top + ROWS]


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def png_header(path: Path) -> PngHeader | None:
    """The header of a PNG file; None for any other file."""
    with path.open("rb") as file:
        start = file.read(29)
    if len(start) < 29 or not start.startswith(SIGNATURE) or start[12:16] != b"IHDR":
        return None
    width, height, bits, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", start[16:29])
    return PngHeader(width, height, bits, colour_type, interlace != 0)


def read_deep_png(path: Path) -> UInt16[np.ndarray, "h w c"] | None:
    """The samples of a 16-bit PNG, none lost; None if it is interlaced.

    Raises ImageError: not a 16-bit PNG, or damaged.
    """
    header = png_header(path)
    if header is None or header.bits != 16 or header.colour_type not in CHANNELS:
        raise ImageError(f"{path}: not a 16-bit PNG")
    if header.interlaced:
        return None
    pixel = 2 * CHANNELS[header.colour_type]
    size = header.height * (1 + header.width * pixel)
    try:
        raw = zlib.decompressobj().decompress(_image_data(path.read_bytes()), size)
    except zlib.error as error:
        raise ImageError(f"{path}: damaged PNG ({error})", fix="copy the file again") from error
    if len(raw) != size:
        raise ImageError(f"{path}: the PNG is cut off ({len(raw)} of {size} bytes)", fix="copy the file again")
    rows = np.frombuffer(raw, np.uint8).reshape(header.height, -1)
    if rows[:, 0].max() > 4:
        raise ImageError(f"{path}: damaged PNG (unknown row filter)", fix="copy the file again")
    samples = _unfilter(rows[:, 0], rows[:, 1:].reshape(header.height, header.width, pixel))
    return samples.view(">u2").astype(np.uint16)


def _image_data(file: bytes) -> bytes:
    parts, at = [], len(SIGNATURE)
    while at + 8 <= len(file):
        length, kind = struct.unpack_from(">I4s", file, at)
        if kind == b"IDAT":
            parts.append(file[at + 8 : at + 8 + length])
        at += 12 + length
    return b"".join(parts)


def _unfilter(kinds: UInt8[np.ndarray, " h"], filtered: UInt8[np.ndarray, "h w b"]) -> UInt8[np.ndarray, "h w b"]:
    """Undoes the row filters (none, sub, up, average, Paeth) along anti-diagonals.

    A pixel depends on its left, upper and upper-left neighbours only, so all pixels of one anti-diagonal can be had at
    once: height + width array steps instead of height * width scalar ones.
    """
    height, width, size = filtered.shape
    out = np.zeros((height + 1, width + 1, size), np.int16)
    for diagonal in range(height + width - 1):
        rows = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        cols = diagonal - rows
        left, up, corner = out[rows + 1, cols], out[rows, cols + 1], out[rows, cols]
        to_left, to_up, to_corner = np.abs(up - corner), np.abs(left - corner), np.abs(left + up - 2 * corner)
        use_left = (to_left <= to_up) & (to_left <= to_corner)
        paeth = np.where(use_left, left, np.where(to_up <= to_corner, up, corner))
        predicted = np.choose(kinds[rows, None], [np.zeros_like(left), left, up, (left + up) // 2, paeth])
        out[rows + 1, cols + 1] = (filtered[rows, cols] + predicted) & 255
    return out[1:, 1:].astype(np.uint8)
