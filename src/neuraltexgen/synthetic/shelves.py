"""A bookcase, drawn flat: shelves full of books whose titles can be read."""

import numpy as np

from neuraltexgen.synthetic.canvas import Canvas, Colour
from neuraltexgen.synthetic.textures import wood

FIRST = ("The", "A Short", "Notes on", "Letters from", "On", "Beyond", "Under", "The Last", "Atlas of", "Return to")
SECOND = (
    "Quiet Harbour", "Winter Light", "Projective Geometry", "Salt Road", "Northern Birds", "Colour", "Glass Orchard",
    "Least Squares", "Stone Bridges", "River Maps", "Ordinary Things", "Lantern Street", "Clouds", "Old Instruments",
    "Linear Maps", "Tidewater", "Small Gardens", "Optics", "Paper Houses", "Long Division",
)  # fmt: skip
WRITERS = ("HALE", "ORSINI", "M. BRANDT", "LINDQVIST", "T. OKORO", "VALE", "D. MEIER", "SATO", "ARDEN", "K. NOVAK")
CLOTHS = (
    (124, 46, 40), (38, 66, 92), (58, 84, 62), (186, 150, 84), (214, 202, 176), (72, 58, 84), (44, 46, 52),
    (166, 92, 52), (96, 124, 132), (142, 122, 96), (198, 184, 150), (88, 36, 48), (30, 82, 86),
)  # fmt: skip


def bookcase(canvas: Canvas, x: float, y: float, width: float, height: float, shelves: int) -> None:
    """A bookcase with its top left at x, y; each shelf full of books but for a gap here and there."""
    board = 0.03
    case = canvas.sheet(width, height)
    case.fill(wood(canvas.rng, case.shape, case.scale, (0.3, 0.18, 0.1), (0.56, 0.37, 0.22)))
    pitch = (height - board) / shelves
    for k in range(shelves):
        top = board + k * pitch
        _shelf(case, board, top, width - 2 * board, pitch - board)
    canvas.paste(x, y, case.array())
    canvas.frame(x, y, width, height, 0.005, (58, 36, 22))


def _shelf(case: Canvas, left: float, top: float, width: float, height: float) -> None:
    """One compartment: dark back, books of several sizes from the left, some lying or leaving a gap."""
    rng = case.rng
    case.rect(left, top, width, height, (52, 38, 28))
    case.rect(left, top, width, 0.03, (36, 26, 20))
    at = left + 0.006
    while at < left + width - 0.03:
        thick = min(float(rng.uniform(0.022, 0.058)), left + width - at)
        if rng.random() < 0.035:
            at += float(rng.uniform(0.03, 0.1))
            continue
        tall = height * float(rng.uniform(0.68, 0.93))
        _spine(case, at, top + height - tall, thick, tall)
        at += thick + 0.0025


def _spine(case: Canvas, x: float, y: float, width: float, height: float) -> None:
    """The back of one book: cloth, bands, title along it and the writer at its foot."""
    rng = case.rng
    cloth = np.array(CLOTHS[rng.integers(len(CLOTHS))]) + rng.integers(-10, 11, 3)
    book = case.sheet(height, width)  # painted lying on its side, then turned
    across = np.linspace(-1, 1, book.shape[0])[:, None, None]
    grain = 1 + 0.04 * rng.standard_normal((*book.shape, 1))
    book.fill((np.clip(cloth, 8, 245) / 255 * (1 - 0.28 * across**2) * grain).astype(np.float32))
    ink: Colour = (238, 226, 190) if cloth.mean() < 130 else (46, 36, 32)
    for at in (0.05, 0.075, 0.8):
        if rng.random() < 0.75:
            book.rect(at * height, 0, 0.004, width, ink)
    title = f"{FIRST[rng.integers(len(FIRST))]} {SECOND[rng.integers(len(SECOND))]}"
    book.fitted(0.44 * height, width / 2, 0.66 * height, 0.62 * width, title, ink)
    book.fitted(0.9 * height, width / 2, 0.16 * height, 0.36 * width, WRITERS[rng.integers(len(WRITERS))], ink)
    case.paste(x, y, np.ascontiguousarray(np.rot90(book.array(), -1)))
