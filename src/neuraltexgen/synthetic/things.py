"""The painters of what stands in the room: furniture, boxes, books, the column and the poster board."""

import numpy as np

from neuraltexgen.synthetic import pictures
from neuraltexgen.synthetic.canvas import Canvas, Colour
from neuraltexgen.synthetic.textures import cardboard, planks, stone, wood

INK: Colour = (46, 38, 34)


def table(canvas: Canvas, side: str) -> None:
    """Cherry wood; the top has boards and two sheets of paper lying on it."""
    dark, light = (0.4, 0.2, 0.12), (0.72, 0.45, 0.28)
    if side in ("top", "bottom"):
        canvas.fill(planks(canvas.rng, canvas.shape, canvas.scale, (0.19, 3.0), dark, light))
        if side == "top":
            _letter(canvas, 0.72, 0.42)
            _grid_paper(canvas, 1.0, 0.08)
        return
    _upright_wood(canvas, dark, light)


def sideboard(canvas: Canvas, side: str) -> None:
    """Oak, with three drawers above two doors."""
    dark, light = (0.42, 0.28, 0.16), (0.76, 0.57, 0.36)
    canvas.fill(wood(canvas.rng, canvas.shape, canvas.scale, dark, light))
    if side != "front":
        return
    third = canvas.width / 3
    panels = [(k * third, 0.02, third, 0.2) for k in range(3)]
    panels += [(k * canvas.width / 2, 0.23, canvas.width / 2, canvas.height - 0.28) for k in range(2)]
    for x, y, width, height in panels:
        canvas.frame(x + 0.012, y, width - 0.024, height, 0.006, (74, 48, 28))
        canvas.frame(x + 0.02, y + 0.008, width - 0.04, height - 0.016, 0.003, (196, 152, 100))
        canvas.ellipse(x + width / 2 - 0.018, y + min(height / 2, 0.1) - 0.018, 0.036, 0.036, (60, 50, 38))
        canvas.ellipse(x + width / 2 - 0.012, y + min(height / 2, 0.1) - 0.014, 0.018, 0.018, (206, 182, 124))


def radio(canvas: Canvas, side: str) -> None:
    """A wireless in walnut: cloth, a dial with stations, two knobs."""
    canvas.fill(wood(canvas.rng, canvas.shape, canvas.scale, (0.24, 0.12, 0.07), (0.5, 0.28, 0.16)))
    if side != "front":
        return
    width = canvas.width
    canvas.rect(0.02, 0.02, width - 0.04, 0.09, (188, 166, 120))
    for k in range(int((width - 0.04) / 0.008)):
        canvas.rect(0.02 + k * 0.008, 0.02, 0.004, 0.09, (142, 118, 78))
    canvas.rect(0.07, 0.125, width - 0.14, 0.05, (244, 232, 190))
    canvas.fitted(width / 2, 0.137, width - 0.16, 0.018, "Hilversum  Oslo  Lyon  Bern  Wien", INK)
    for k in range(21):
        canvas.rect(0.08 + k * (width - 0.16) / 20, 0.152, 0.0025, 0.016 if k % 5 == 0 else 0.009, INK)
    canvas.rect(0.55 * width, 0.127, 0.004, 0.046, (190, 40, 30))
    for x in (0.035, width - 0.035):
        canvas.ellipse(x - 0.02, 0.13, 0.04, 0.04, (52, 34, 24))
        canvas.ellipse(x - 0.012, 0.138, 0.024, 0.024, (204, 180, 128))


def crate(canvas: Canvas, side: str) -> None:
    """Pine slats with stencilled letters."""
    canvas.fill(planks(canvas.rng, canvas.shape, canvas.scale, (0.115, 3.0), (0.55, 0.4, 0.22), (0.87, 0.72, 0.48)))
    for x in (0.0, canvas.width - 0.06):
        canvas.rect(x, 0, 0.06, canvas.height, (176, 138, 86))
        canvas.frame(x, 0, 0.06, canvas.height, 0.003, (112, 80, 46))
        for y in np.arange(0.03, canvas.height, 0.11):
            canvas.ellipse(x + 0.024, y, 0.012, 0.012, (70, 60, 50))
    words = {"front": ("CITRUS", "LIMONE · 24 KG"), "right": ("No 0417", "HANDLE WITH CARE")}
    large, small = words.get(side, ("ORSA", "FRUIT CO. LTD"))
    middle, inner = canvas.width / 2, canvas.width - 0.16
    canvas.fitted(middle, 0.36 * canvas.height, inner, 0.13, large, (60, 52, 40))
    canvas.fitted(middle, 0.68 * canvas.height, inner, 0.05, small, (96, 44, 34))


def parcel(canvas: Canvas, side: str) -> None:
    """Brown board, taped, with an address label or a warning."""
    canvas.fill(cardboard(canvas.rng, canvas.shape, canvas.scale, (0.7, 0.55, 0.38)))
    if side == "top":
        canvas.rect(0, canvas.height / 2 - 0.025, canvas.width, 0.05, (206, 178, 128))
        _label(canvas, 0.03, 0.03, 0.16, 0.09, ("K. NOVAK", "Lantern Street 14", "Port Linden 20417"))
    elif side in ("front", "back"):
        canvas.rect(canvas.width / 2 - 0.025, 0, 0.05, 0.08, (206, 178, 128))
        canvas.fitted(canvas.width / 2, 0.14, canvas.width - 0.05, 0.075, "FRAGILE", (168, 40, 32))
        canvas.fitted(canvas.width / 2, 0.21, canvas.width - 0.08, 0.03, "this way up", (168, 40, 32))
    else:
        _barcode(canvas, 0.04, 0.08, 0.2, 0.1)


def carton(canvas: Canvas, side: str) -> None:
    """A white printed carton: a brand, stripes and small print."""
    canvas.fill(cardboard(canvas.rng, canvas.shape, canvas.scale, (0.88, 0.86, 0.8)))
    width, height = canvas.width, canvas.height
    blue, red = (38, 74, 112), (196, 70, 46)
    if side == "top":
        canvas.rect(0, height / 2 - 0.03, width, 0.06, (202, 186, 152))
        canvas.fitted(width / 2, 0.2 * height, 0.8 * width, 0.08, "LUMEN", blue)
        return
    canvas.rect(0, 0.06 * height, width, 0.1 * height, blue)
    canvas.rect(0, 0.18 * height, width, 0.035 * height, red)
    canvas.fitted(width / 2, 0.4 * height, 0.86 * width, 0.13, "LUMEN", blue)
    canvas.fitted(width / 2, 0.6 * height, 0.8 * width, 0.04, "enlarging lenses  f/2.8  80 mm", INK)
    canvas.fitted(width / 2, 0.71 * height, 0.8 * width, 0.024, "coated · corrected · 12 pieces · made in Halden", INK)
    _barcode(canvas, 0.62 * width, 0.78 * height, 0.3 * width, 0.15 * height)
    _label(canvas, 0.05 * width, 0.77 * height, 0.3 * width, 0.17 * height, ("LOT 88-C", "KEEP DRY"))


def tea(canvas: Canvas, side: str) -> None:
    """A tin with a picture and curved lettering's plain cousin."""
    width, height = canvas.width, canvas.height
    canvas.rect(0, 0, width, height, (30, 84, 78))
    canvas.frame(0.006, 0.006, width - 0.012, height - 0.012, 0.003, (208, 176, 96))
    if side == "top":
        canvas.ellipse(0.2 * width, 0.2 * height, 0.6 * width, 0.6 * height, (208, 176, 96))
        canvas.ellipse(0.24 * width, 0.24 * height, 0.52 * width, 0.52 * height, (30, 84, 78))
        return
    canvas.fitted(width / 2, 0.16 * height, 0.8 * width, 0.05, "TEA", (240, 220, 160))
    view = canvas.sheet(0.76 * width, 0.42 * height)
    pictures.mountains(view, ((0.9, 0.66, 0.42), (0.98, 0.88, 0.66)), ((0.62, 0.6, 0.52), (0.16, 0.28, 0.22)))
    canvas.paste(0.12 * width, 0.28 * height, view.array())
    canvas.fitted(width / 2, 0.8 * height, 0.8 * width, 0.026, "Mountain Blend", (240, 220, 160))
    canvas.fitted(width / 2, 0.9 * height, 0.8 * width, 0.016, "net weight 250 g", (240, 220, 160))


def book(canvas: Canvas, side: str, cover: Colour, title: str, writer: str) -> None:
    """A bound book lying flat: front is the spine, right, left and back are the pages."""
    if side in ("right", "left", "back"):
        lines = 0.86 + 0.05 * canvas.rng.standard_normal((canvas.shape[0], 1)).astype(np.float32)
        canvas.fill(np.repeat(lines, canvas.shape[1], axis=1)[..., None] * np.array((1, 0.97, 0.88), np.float32))
        for y in (0.0, canvas.height - 0.004):
            canvas.rect(0, y, canvas.width, 0.004, cover)
        return
    canvas.rect(0, 0, canvas.width, canvas.height, cover)
    gold = (226, 198, 122)
    if side == "front":
        canvas.fitted(canvas.width / 2, canvas.height / 2, 0.8 * canvas.width, 0.6 * canvas.height, title, gold)
        return
    canvas.frame(0.014, 0.014, canvas.width - 0.028, canvas.height - 0.028, 0.003, gold)
    canvas.fitted(canvas.width / 2, 0.3 * canvas.height, 0.8 * canvas.width, 0.05, title, gold)
    canvas.rect(0.3 * canvas.width, 0.48 * canvas.height, 0.4 * canvas.width, 0.003, gold)
    canvas.fitted(canvas.width / 2, 0.7 * canvas.height, 0.6 * canvas.width, 0.024, writer, gold)


def column(canvas: Canvas) -> None:
    """Marble all around, a painted band with letters at eye height, a plinth and a capital."""
    canvas.fill(stone(canvas.rng, canvas.shape, canvas.scale))
    width, height = canvas.width, canvas.height
    for y, band, colour in (
        (0.0, 0.1, (178, 160, 128)), (height - 0.14, 0.14, (120, 108, 94)), (0.1, 0.012, (96, 80, 60)),
        (height - 0.15, 0.012, (84, 72, 60)), (0.86, 0.22, (38, 62, 84)), (0.85, 0.01, (206, 170, 96)),
        (1.08, 0.01, (206, 170, 96)),
    ):  # fmt: skip
        canvas.rect(0, y, width, band, colour)
    for k, words in enumerate(("LUX", "FORMA", "COLOR", "UMBRA")):
        canvas.text((k + 0.5) * width / 4, 0.97, 0.062, words, (236, 214, 150))


def board(canvas: Canvas, side: str) -> None:
    """An exhibition poster on the front; plain board elsewhere."""
    width, height = canvas.width, canvas.height
    if side != "front":
        _upright_wood(canvas, (0.5, 0.38, 0.24), (0.78, 0.64, 0.44))
        return
    canvas.rect(0, 0, width, height, (238, 230, 210))
    art = canvas.sheet(width - 0.1, 0.5)
    pictures.leaves(art, "autumn")
    canvas.paste(0.05, 0.05, art.array())
    canvas.fitted(width / 2, 0.64, width - 0.1, 0.16, "HERBARIUM", (112, 44, 30))
    canvas.fitted(width / 2, 0.735, width - 0.12, 0.05, "leaves, seeds & shadows", INK)
    canvas.rect(0.05, 0.785, width - 0.1, 0.004, (112, 44, 30))
    lines = (
        (0.036, "Exhibition · 3 May to 28 September"), (0.028, "Botanical Gallery, Stone Bridge 7, Port Linden"),
        (0.022, "open daily except Monday, ten to five, Thursday until nine in the evening"),
        (0.017, "With pressed plants from four continents and the drawings of the brothers Vale, shown here first."),
        (0.013, "Catalogue 212 pages. Guided tours on Sundays at eleven. Please do not touch the exhibits. 0123456789"),
    )  # fmt: skip
    at = 0.83
    for size, words in lines:
        canvas.fitted(width / 2, at, width - 0.1, size, words, INK)
        at += 0.024 + size
    canvas.frame(0, 0, width, height, 0.008, (92, 66, 44))


def _upright_wood(canvas: Canvas, dark: tuple[float, float, float], light: tuple[float, float, float]) -> None:
    """Wood whose grain runs along the longer side."""
    height, width = canvas.shape
    if width >= height:
        canvas.fill(wood(canvas.rng, (height, width), canvas.scale, dark, light))
    else:
        turned = wood(canvas.rng, (width, height), canvas.scale, dark, light)
        canvas.fill(np.ascontiguousarray(turned.transpose(1, 0, 2)))


def _label(canvas: Canvas, x: float, y: float, width: float, height: float, lines: tuple[str, ...]) -> None:
    canvas.rect(x, y, width, height, (244, 240, 228))
    canvas.frame(x, y, width, height, 0.0025, (120, 110, 100))
    pitch = height / (len(lines) + 0.4)
    for k, words in enumerate(lines):
        canvas.fitted(x + width / 2, y + (k + 0.7) * pitch, 0.88 * width, 0.7 * pitch, words, INK)


def _barcode(canvas: Canvas, x: float, y: float, width: float, height: float) -> None:
    canvas.rect(x, y, width, height, (244, 240, 228))
    at, end = x + 0.008, x + width - 0.01
    while at < end:
        bar = 0.0025 * int(canvas.rng.integers(1, 4))
        canvas.rect(at, y + 0.006, min(bar, end - at), 0.72 * height, INK)
        at += bar + 0.0025 * int(canvas.rng.integers(1, 3))
    canvas.fitted(x + width / 2, y + 0.88 * height, 0.9 * width, 0.16 * height, "4 006381 333931", INK)


def _letter(canvas: Canvas, x: float, y: float) -> None:
    """A typed page lying on the table."""
    canvas.rect(x + 0.003, y + 0.004, 0.21, 0.297, (92, 52, 34))
    canvas.rect(x, y, 0.21, 0.297, (246, 243, 234))
    canvas.fitted(x + 0.105, y + 0.03, 0.17, 0.022, "Dear Sato,", INK)
    words = (
        "the lenses have come at last,", "and the light in the room by", "the harbour is very good now.",
        "I have put the prints on the", "wall so that you can see them", "from the door. The map shows",
        "where the old mill used to be.", "Come before the leaves fall.", "                    M. Brandt",
    )  # fmt: skip
    for k, line in enumerate(words):
        canvas.text(x + 0.02, y + 0.062 + 0.025 * k, 0.0125, line, INK, "lm")


def _grid_paper(canvas: Canvas, x: float, y: float) -> None:
    canvas.rect(x, y, 0.21, 0.21, (236, 238, 232))
    for k in range(21):
        canvas.rect(x + 0.01 * k, y, 0.002, 0.21, (148, 180, 196))
        canvas.rect(x, y + 0.01 * k, 0.21, 0.002, (148, 180, 196))
    curve = [(x + 0.01 + 0.002 * t, y + 0.11 - 0.07 * float(np.sin(t / 11) * np.exp(-t / 70))) for t in range(95)]
    canvas.line(curve, 0.003, (168, 44, 36))
