"""Which painter paints which rectangle. A new thing in the room: its boxes in layout.py, a painter, a row here."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from neuraltexgen.synthetic import things, walls
from neuraltexgen.synthetic.canvas import Canvas
from neuraltexgen.synthetic.layout import COLUMN_SIDES, Rectangle


def paint_surfaces(rectangles: Sequence[Rectangle], detail: float, seed: int) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """The albedo of each rectangle, unlit, at `detail` pixels per metre."""
    images = []
    column: list[UInt8[np.ndarray, "_ _ 3"]] = []
    for index, rectangle in enumerate(rectangles):
        rng = np.random.default_rng([seed, 0, index])
        if rectangle.paint == "column":
            column = column or _around(rectangle, detail, rng)
            images.append(column[int(rectangle.side)])
        else:
            canvas = _canvas(*rectangle.size, detail, rng)
            PAINTERS[rectangle.paint](canvas, rectangle.side)
            images.append(canvas.array())
    return images


def _around(first: Rectangle, detail: float, rng: np.random.Generator) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """One long sheet around the column, cut into its sides."""
    side, height = first.size
    columns = max(1, round(side * detail))
    whole = _canvas(columns * COLUMN_SIDES / detail, height, detail, rng)
    things.column(whole)
    return [np.ascontiguousarray(part) for part in np.split(whole.array(), COLUMN_SIDES, axis=1)]


def _canvas(width: float, height: float, detail: float, rng: np.random.Generator) -> Canvas:
    size = (max(1, round(width * detail)), max(1, round(height * detail)))
    return Canvas(Pillow.new("RGB", size), width, height, rng)


def _shell(paint: Callable[[Canvas], None]) -> Callable[[Canvas, str], None]:
    return lambda canvas, side: paint(canvas)


PAINTERS: dict[str, Callable[[Canvas, str], None]] = {
    "north": _shell(walls.north),
    "east": _shell(walls.east),
    "south": _shell(walls.south),
    "west": _shell(walls.west),
    "floor": _shell(walls.floor),
    "ceiling": _shell(walls.ceiling),
    "window": walls.window,
    "lamp": walls.lamp,
    "table": things.table,
    "sideboard": things.sideboard,
    "radio": things.radio,
    "crate": things.crate,
    "parcel": things.parcel,
    "carton": things.carton,
    "tea": things.tea,
    "atlas": partial(things.book, cover=(40, 62, 96), title="ATLAS OF TIDES", writer="Lindqvist & Vale"),
    "novel": partial(things.book, cover=(134, 44, 38), title="WINTER LIGHT", writer="T. Okoro"),
    "board": things.board,
}
