"""The painters of the room's shell: four walls, floor, ceiling, window and lamp."""

import numpy as np

from neuraltexgen.synthetic import pictures
from neuraltexgen.synthetic.canvas import Canvas, Colour
from neuraltexgen.synthetic.shelves import bookcase
from neuraltexgen.synthetic.textures import bricks, cloth, fractal, mosaic, noise, planks, plaster, wood

DAY = ((0.36, 0.56, 0.8), (0.9, 0.88, 0.82))
DUSK = ((0.3, 0.33, 0.52), (0.98, 0.72, 0.5))
GREEN = ((0.66, 0.73, 0.78), (0.16, 0.25, 0.17))
BLUE = ((0.72, 0.66, 0.68), (0.15, 0.15, 0.24))
WORDS = (
    "atlas",
    "beam",
    "chart",
    "drift",
    "ember",
    "field",
    "gauge",
    "harbour",
    "isle",
    "lens",
    "map",
    "tide",
    "north",
)
OAK, WALNUT, BLACK = (168, 124, 76), (98, 64, 42), (44, 42, 42)


def north(canvas: Canvas) -> None:
    """Sage paper with a leaf pattern; three landscapes above the sideboard, a clock."""
    _wallpaper(canvas, (0.73, 0.77, 0.68), (0.4, 0.5, 0.4))
    for x, y, width, height, sky, land in (
        (0.45, 0.62, 0.52, 0.66, DAY, GREEN),
        (1.32, 0.5, 1.1, 0.72, DUSK, BLUE),
        (2.72, 0.68, 0.44, 0.56, DAY, BLUE),
    ):
        picture = canvas.sheet(width, height)
        pictures.mountains(picture, sky, land)
        pictures.framed(canvas, x, y, picture, WALNUT)
    _clock(canvas, 3.95, 0.62, 0.16)


def east(canvas: Canvas) -> None:
    """Ochre plaster behind a bookcase; two pictures of leaves beside it."""
    _plain(canvas, (0.84, 0.76, 0.61))
    bookcase(canvas, 0.98, 0.28, 1.62, 2.13, 6)
    for x, y, size, palette in ((0.16, 0.75, (0.5, 0.64), "autumn"), (2.8, 0.62, (0.5, 0.5), "harbour")):
        picture = canvas.sheet(*size)
        pictures.leaves(picture, palette)
        pictures.framed(canvas, x, y, picture, BLACK)


def south(canvas: Canvas) -> None:
    """Whitewashed brick; the window hangs in its middle between curtains; a forest, a notice and newspapers."""
    canvas.fill(bricks(canvas.rng, canvas.shape, canvas.scale, (0.66, 0.62, 0.55), (0.88, 0.83, 0.74)))
    _skirting(canvas)
    for left in (1.28, 3.0):
        _curtain(canvas, left, 0.22, 0.34, 2.0)
    canvas.rect(1.2, 0.17, 2.22, 0.035, (104, 72, 46))
    picture = canvas.sheet(0.62, 0.8)
    pictures.leaves(picture, "forest")
    pictures.framed(canvas, 0.3, 0.5, picture, OAK)
    _notice(canvas, 3.6, 0.62, 0.56, 0.78)
    for x, y in ((0.12, 1.42), (0.66, 1.42), (3.52, 1.5), (1.7, 1.75), (2.3, 1.75)):
        _newspaper(canvas, x, y, 0.44, 0.62)


def west(canvas: Canvas) -> None:
    """Red brick with a large map, a test chart and newspapers."""
    canvas.fill(bricks(canvas.rng, canvas.shape, canvas.scale, (0.74, 0.7, 0.64), (0.6, 0.34, 0.26)))
    _skirting(canvas)
    for x in (0.2, 0.74, 1.28, 2.3, 2.84):
        _newspaper(canvas, x, 1.58, 0.44, 0.62)
    sheet = canvas.sheet(1.35, 0.95)
    pictures.topographic(sheet, "ISLES OF ORSA  1 : 50 000")
    pictures.framed(canvas, 0.5, 0.5, sheet, OAK, 0.03)
    sheet = canvas.sheet(0.62, 0.84)
    pictures.chart(sheet)
    pictures.framed(canvas, 2.25, 0.55, sheet, BLACK, 0.02)


def floor(canvas: Canvas) -> None:
    """Oak boards inside a border of mosaic, with a patterned rug under the table."""
    stones = ((0.25, 0.3, 0.34), (0.62, 0.58, 0.5), (0.78, 0.72, 0.6), (0.5, 0.28, 0.2))
    canvas.fill(mosaic(canvas.rng, canvas.shape, canvas.scale, stones))
    boards = canvas.sheet(canvas.width - 1.2, canvas.height - 1.2)
    boards.fill(planks(canvas.rng, boards.shape, boards.scale, (0.14, 1.3), (0.36, 0.23, 0.13), (0.72, 0.53, 0.34)))
    canvas.paste(0.6, 0.6, boards.array())
    rug = canvas.sheet(2.3, 1.6)
    _rug(rug)
    canvas.paste(1.1, 1.08, rug.array())


def ceiling(canvas: Canvas) -> None:
    """Printed paper between four wooden beams."""
    _wallpaper(canvas, (0.9, 0.88, 0.83), (0.55, 0.6, 0.66))
    for k in range(4):
        beam = canvas.sheet(canvas.width, 0.13)
        beam.fill(wood(canvas.rng, beam.shape, beam.scale, (0.33, 0.22, 0.14), (0.58, 0.42, 0.28)))
        canvas.paste(0, 0.32 + k * 0.95, beam.array())


def window(canvas: Canvas, side: str) -> None:
    """White sashes; beyond them a valley in the morning."""
    canvas.rect(0, 0, canvas.width, canvas.height, (226, 224, 216))
    if side != "front":
        return
    view = canvas.sheet(canvas.width - 0.12, canvas.height - 0.12)
    pictures.mountains(view, ((0.5, 0.68, 0.88), (0.95, 0.95, 0.92)), ((0.76, 0.82, 0.86), (0.3, 0.42, 0.24)))
    canvas.paste(0.06, 0.06, view.array())
    for x, y, width, height in (
        (canvas.width / 2 - 0.03, 0.0, 0.06, canvas.height),
        (0.0, 0.42 * canvas.height, canvas.width, 0.04),
    ):
        canvas.rect(x, y, width, height, (232, 230, 222))
        canvas.frame(x, y, width, height, 0.004, (190, 188, 180))
    canvas.frame(0, 0, canvas.width, canvas.height, 0.06, (232, 230, 222))
    canvas.frame(0.056, 0.056, canvas.width - 0.112, canvas.height - 0.112, 0.004, (180, 178, 170))


def lamp(canvas: Canvas, side: str) -> None:
    """A paper panel on thin bars; its edge is brass."""
    if side != "bottom":
        canvas.rect(0, 0, canvas.width, canvas.height, (176, 146, 88))
        return
    glow = 0.95 + 0.02 * fractal(canvas.rng, canvas.shape, 0.1 * canvas.scale, 5)
    canvas.fill(glow[..., None] * np.array((1.0, 0.96, 0.86), np.float32))
    for k in range(1, 4):
        canvas.rect(k * canvas.width / 4 - 0.006, 0, 0.012, canvas.height, (206, 176, 118))
    canvas.rect(0, canvas.height / 2 - 0.006, canvas.width, 0.012, (206, 176, 118))
    canvas.frame(0, 0, canvas.width, canvas.height, 0.02, (176, 146, 88))


def _plain(canvas: Canvas, colour: tuple[float, float, float]) -> None:
    canvas.fill(plaster(canvas.rng, canvas.shape, canvas.scale, colour, 0.022))
    _skirting(canvas)


def _skirting(canvas: Canvas) -> None:
    canvas.rect(0, canvas.height - 0.11, canvas.width, 0.11, (222, 216, 204))
    canvas.rect(0, canvas.height - 0.115, canvas.width, 0.006, (164, 158, 148))
    canvas.rect(0, canvas.height - 0.022, canvas.width, 0.004, (186, 180, 170))


def _wallpaper(canvas: Canvas, ground: tuple[float, float, float], print_: tuple[float, float, float]) -> None:
    """A repeat of leaves on stems, printed a little unevenly."""
    tile = canvas.sheet(0.24, 0.32)
    tile.rect(0, 0, tile.width, tile.height, (0, 0, 0))
    for x0, y0 in ((0.06, 0.0), (0.18, 0.16), (0.18, -0.16)):
        tile.line([(x0, y0 + 0.02), (x0 + 0.01, y0 + 0.16), (x0, y0 + 0.3)], 0.004, (255, 255, 255))
        for k in range(4):
            y = y0 + 0.05 + 0.06 * k
            tile.ellipse(x0 + 0.008, y, 0.042, 0.018, (255, 255, 255))
            tile.ellipse(x0 - 0.04, y + 0.03, 0.042, 0.018, (255, 255, 255))
    height, width = canvas.shape
    repeats = (height // tile.shape[0] + 1, width // tile.shape[1] + 1)
    printed = np.tile(tile.array()[..., 0].astype(np.float32) / 255, repeats)[:height, :width, None]
    printed *= (0.8 + 0.1 * noise(canvas.rng, canvas.shape, (0.02 * canvas.scale, 0.02 * canvas.scale)))[..., None]
    paper = plaster(canvas.rng, canvas.shape, canvas.scale, ground, 0.015)
    canvas.fill(paper + printed * (np.array(print_, np.float32) - paper))
    _skirting(canvas)


def _curtain(canvas: Canvas, x: float, y: float, width: float, height: float) -> None:
    drape = canvas.sheet(width, height)
    folds = np.sin(np.linspace(0, 9 * np.pi, drape.shape[1], dtype=np.float32))
    folds = 1 + 0.2 * folds * (0.85 + 0.15 * noise(canvas.rng, drape.shape, (0.5 * canvas.scale, 0.1 * canvas.scale)))
    drape.fill(cloth(canvas.rng, drape.shape, canvas.scale, (0.5, 0.24, 0.2)) * folds[..., None])
    canvas.paste(x, y, drape.array())


def _notice(canvas: Canvas, x: float, y: float, width: float, height: float) -> None:
    """A printed sheet: a headline, a rule and lines that grow smaller."""
    ink: Colour = (52, 40, 36)
    canvas.rect(x + 0.006, y + 0.008, width, height, (168, 158, 140))
    canvas.rect(x, y, width, height, (242, 234, 214))
    canvas.rect(x, y, width, 0.13, (150, 52, 38))
    middle = x + width / 2
    canvas.fitted(middle, y + 0.065, 0.9 * width, 0.085, "HARBOUR CONCERTS", (246, 238, 220))
    lines = (
        (0.06, "Summer Season"), (0.04, "every Friday at eight"), (0.03, "Quartet in G   ·   Three Nocturnes"),
        (0.026, "Old Customs House, Quay Street 14"), (0.022, "Doors open at half past seven. Tickets at the door."),
        (0.018, "Children free; coats and umbrellas may be left with the porter."),
        (0.014, "Printed by Arden & Sons, Lantern Street. In bad weather the concert is held indoors."),
    )  # fmt: skip
    at = y + 0.2
    for size, words in lines:
        canvas.fitted(middle, at, 0.9 * width, size, words, ink)
        at += 0.045 + 0.6 * size
    for k in range(5):
        line = at + 0.02 + 0.02 * k
        canvas.rect(x + 0.05, line, width - 0.1, 0.0025, ink)


def _newspaper(canvas: Canvas, x: float, y: float, width: float, height: float) -> None:
    """A pinned page: a headline, a picture, and three columns of small print."""
    page = canvas.sheet(width, height)
    page.rect(0, 0, width, height, (232, 228, 214))
    page.fitted(width / 2, 0.045, 0.9 * width, 0.06, "THE EVENING ATLAS", (28, 26, 24))
    page.rect(0.02, 0.085, width - 0.04, 0.003, (40, 38, 36))
    photo = canvas.sheet(0.6 * width, 0.16)
    pictures.mountains(photo, DAY, BLUE)
    page.paste(0.02, 0.1, photo.array())
    column = (width - 0.06) / 3
    for k in range(3):
        top = 0.28 if k < 2 else 0.1
        for line in range(int((height - top - 0.02) / 0.017)):
            words = " ".join(str(w) for w in canvas.rng.choice(WORDS, 4))
            page.fitted(
                0.02 + (k + 0.5) * (column + 0.01), top + 0.017 * line + 0.008, column, 0.016, words, (44, 42, 40)
            )
    canvas.paste(x, y, page.array())


def _clock(canvas: Canvas, x: float, y: float, radius: float) -> None:
    for grow, colour in ((1.12, (70, 48, 34)), (1.0, (238, 232, 216))):
        canvas.ellipse(x - grow * radius, y - grow * radius, 2 * grow * radius, 2 * grow * radius, colour)
    for hour in range(1, 13):
        s, c = np.sin(hour * np.pi / 6), np.cos(hour * np.pi / 6)
        canvas.text(x + 0.8 * radius * s, y - 0.8 * radius * c, 0.036, str(hour), (40, 36, 34))
    for angle, length, thick in ((5.3, 0.5, 0.01), (1.05, 0.72, 0.006)):
        end = (x + length * radius * np.sin(angle), y - length * radius * np.cos(angle))
        canvas.line([(x, y), end], thick, (30, 28, 28))


def _rug(rug: Canvas) -> None:
    """Borders within borders and a field of diamonds."""
    weave = cloth(rug.rng, rug.shape, rug.scale, (1.0, 1.0, 1.0))
    bands: tuple[tuple[float, Colour], ...] = (
        (0.0, (196, 180, 148)), (0.05, (112, 38, 36)), (0.16, (34, 52, 74)), (0.2, (186, 152, 96)),
        (0.23, (124, 46, 40)),
    )  # fmt: skip
    for inset, colour in bands:
        rug.rect(inset, inset, rug.width - 2 * inset, rug.height - 2 * inset, colour)
    for x in np.arange(0.105, rug.width - 0.06, 0.1075):
        for y in (0.105, rug.height - 0.105):
            rug.ellipse(x - 0.03, y - 0.03, 0.06, 0.06, (200, 166, 104))
            rug.ellipse(x - 0.014, y - 0.014, 0.028, 0.028, (34, 52, 74))
    for i, y in enumerate(np.arange(0.36, rug.height - 0.3, 0.148).tolist()):
        for x in np.arange(0.4 + 0.1 * (i % 2), rug.width - 0.35, 0.2).tolist():
            for reach, colour in ((0.085, (34, 52, 74)), (0.06, (196, 160, 100)), (0.032, (120, 40, 38))):
                corners = [(x, y - reach * 0.7), (x + reach, y), (x, y + reach * 0.7), (x - reach, y)]
                rug.polygon(corners, colour)
    rug.fill(rug.array().astype(np.float32) / 255 * weave)
