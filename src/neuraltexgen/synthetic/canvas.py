"""A sheet to paint on in metres: Pillow's drawing with lengths, so that the same code paints at any detail."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]
Metres = float | int


@dataclass(frozen=True, eq=False)
class Canvas:
    """An image of `width` x `height` metres at `scale` pixels per metre; x right and y down from the top left."""

    image: Pillow.Image
    width: float
    height: float
    rng: np.random.Generator

    @property
    def scale(self) -> float:
        return self.image.height / self.height

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.image.height, self.image.width

    def rows(self, length: Metres) -> int:
        """A length in whole pixels, at least 1."""
        return max(1, round(length * self.scale))

    def rect(self, x: Metres, y: Metres, width: Metres, height: Metres, fill: Colour) -> None:
        """A filled rectangle, top left at x, y."""
        box = self._box(x, y, width, height)
        self.image.paste(fill, box)

    def ellipse(self, x: Metres, y: Metres, width: Metres, height: Metres, fill: Colour) -> None:
        """A filled ellipse in the rectangle whose top left is x, y."""
        left, top, right, bottom = self._box(x, y, width, height)
        self._draw().ellipse((left, top, right - 1, bottom - 1), fill=fill)

    def line(self, points: list[tuple[Metres, Metres]], thickness: Metres, fill: Colour) -> None:
        """A line through points, `thickness` metres thick, at least a pixel."""
        pixels = [(x * self.scale, y * self.scale) for x, y in points]
        self._draw().line(pixels, fill=fill, width=self.rows(thickness))

    def polygon(self, corners: list[tuple[Metres, Metres]], fill: Colour) -> None:
        """A filled polygon."""
        self._draw().polygon([(x * self.scale, y * self.scale) for x, y in corners], fill=fill)

    def frame(self, x: Metres, y: Metres, width: Metres, height: Metres, thickness: Metres, fill: Colour) -> None:
        """The outline of a rectangle, drawn inwards."""
        left, top, right, bottom = self._box(x, y, width, height)
        self._draw().rectangle((left, top, right - 1, bottom - 1), outline=fill, width=self.rows(thickness))

    def text(self, x: Metres, y: Metres, size: Metres, words: str, fill: Colour, anchor: str = "mm") -> None:
        """Text of a font `size` metres high; `anchor` is Pillow's ("mm": x, y is the middle)."""
        at = (x * self.scale, y * self.scale)
        self._draw().text(at, words, fill=fill, font=_font(max(1, round(size * self.scale))), anchor=anchor)

    def fitted(self, x: Metres, y: Metres, width: Metres, size: Metres, words: str, fill: Colour) -> None:
        """Text centred on x, y, of at most this size and width."""
        length = _font(100).getlength(words) / 100
        self.text(x, y, min(size, width / max(length, 0.1)), words, fill)

    def paste(self, x: Metres, y: Metres, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        """A picture with its top left at x, y, pixel by pixel."""
        self.image.paste(Pillow.fromarray(picture), (round(x * self.scale), round(y * self.scale)))

    def sheet(self, width: Metres, height: Metres) -> "Canvas":
        """An empty sheet of this detail and the same random numbers, to be painted and pasted."""
        image = Pillow.new("RGB", (self.rows(width), self.rows(height)))
        return Canvas(image, width, height, self.rng)

    def darker(self, x: Metres, y: Metres, factor: float) -> Colour:
        """The colour at x, y times a factor: for shadows."""
        row, col = min(int(y * self.scale), self.image.height - 1), min(int(x * self.scale), self.image.width - 1)
        red, green, blue = np.asarray(self.image)[row, col]
        return int(factor * red), int(factor * green), int(factor * blue)

    def array(self) -> UInt8[np.ndarray, "h w 3"]:
        return np.array(self.image)

    def fill(self, picture: Float32[np.ndarray, "h w 3"]) -> None:
        """Covers the sheet with an image in [0, 1]."""
        self.image.paste(Pillow.fromarray(to_bytes(picture)), (0, 0))

    def _draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)

    def _box(self, x: Metres, y: Metres, width: Metres, height: Metres) -> tuple[int, int, int, int]:
        left, top = round(x * self.scale), round(y * self.scale)
        right, bottom = round((x + width) * self.scale), round((y + height) * self.scale)
        return left, top, max(right, left + 1), max(bottom, top + 1)


def to_bytes(picture: Float32[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """[0, 1] to bytes, clipped and rounded."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=256)
def _font(pixels: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    return ImageFont.load_default(pixels)
