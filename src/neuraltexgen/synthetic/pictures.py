"""Things to hang on a wall: landscapes, leaves, a map, a test chart. Each paints a whole canvas.

Photographs have power-law spectra and occluding edges; discs of power-law sizes that cover each other have both
(Lee, Mumford & Huang, Occlusion models for natural images, 2001).
"""

import numpy as np
from jaxtyping import Float32

from neuraltexgen.synthetic.canvas import Canvas, to_bytes
from neuraltexgen.synthetic.textures import Shade, fractal, mix, noise

LEAVES = {
    "autumn": ((0.72, 0.35, 0.12), (0.83, 0.6, 0.2), (0.5, 0.18, 0.1), (0.35, 0.4, 0.16), (0.88, 0.78, 0.5)),
    "forest": ((0.16, 0.3, 0.16), (0.33, 0.46, 0.2), (0.1, 0.19, 0.15), (0.55, 0.6, 0.3), (0.42, 0.33, 0.2)),
    "harbour": ((0.2, 0.36, 0.5), (0.55, 0.68, 0.76), (0.85, 0.83, 0.76), (0.72, 0.27, 0.2), (0.13, 0.2, 0.3)),
}


def leaves(canvas: Canvas, palette: str) -> None:
    """Discs over discs, radii from 4 mm to a fifth of the picture with density r^-3, each with its own grain."""
    rng = canvas.rng
    largest, smallest = 0.2 * min(canvas.width, canvas.height), 0.004
    count = 2500
    u = rng.random(count)
    radii = 1 / np.sqrt(u / smallest**2 + (1 - u) / largest**2)
    xs, ys = rng.random(count) * canvas.width, rng.random(count) * canvas.height
    colours = np.array(LEAVES[palette])[rng.integers(len(LEAVES[palette]), size=count)]
    colours = np.clip(colours * rng.uniform(0.65, 1.25, (count, 1)) + rng.normal(0, 0.03, (count, 3)), 0.03, 0.95)
    canvas.rect(0, 0, canvas.width, canvas.height, _code(LEAVES[palette][0]))
    for x, y, r, colour in zip(xs, ys, radii, colours):
        flat = rng.uniform(0.55, 1.0)
        canvas.ellipse(x - r, y - r * flat, 2 * r, 2 * r * flat, _code(tuple(colour)))
    grain = 1 + 0.1 * fractal(rng, canvas.shape, 0.1 * canvas.scale, 6, 0.6)
    canvas.fill(canvas.array().astype(np.float32) / 255 * grain[..., None])


def mountains(canvas: Canvas, sky: tuple[Shade, Shade], land: tuple[Shade, Shade]) -> None:
    """Ridge behind ridge under clouds, paler with distance, above a lake that mirrors them."""
    rng, (height, width) = canvas.rng, canvas.shape
    shore = round(0.7 * height)
    up = np.linspace(0, 1, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    picture = mix(up * 1.3, *sky)
    clouds = fractal(rng, (height, width), 0.35 * width, 7, 0.55)
    picture += np.clip(clouds - 0.1, 0, 1.2)[..., None] * 0.45 * (np.float32(0.97) - picture)
    for layer in range(5):
        depth = layer / 4
        line = fractal(rng, (1, width), width * (0.45 - 0.05 * layer), 8, 0.52)[0]
        ridge = height * (0.36 + 0.08 * layer) - line * height * (0.1 - 0.012 * layer)
        rock = mix(np.full((height, width), depth, np.float32), *land)
        relief = fractal(rng, (height, width), 0.08 * width, 6, 0.6)
        rock *= 1 + (0.05 + 0.13 * depth) * relief[..., None]
        inside = np.arange(height)[:, None] > ridge[None]
        picture[inside] = rock[inside]
    depth_rows = np.arange(height - shore)
    ripple = noise(rng, (height - shore, width), (2.0, 0.08 * width)) * (1 + depth_rows[:, None] / 12)
    source = np.clip(shore - 1 - depth_rows[:, None] + ripple, 0, shore - 1).astype(np.intp)
    picture[shore:] = 0.8 * picture[source, np.arange(width)[None]] + np.float32(0.02)
    canvas.fill(picture)


def topographic(canvas: Canvas, title: str) -> None:
    """A map with sea, height tints, shaded relief, contour lines, a grid and place names."""
    rng, shape = canvas.rng, canvas.shape
    ground = fractal(rng, shape, 0.42 * canvas.width * canvas.scale, 7, 0.48) + 0.4
    rows, cols = np.gradient(fractal(rng, shape, 0.06 * canvas.scale, 4) * 0.1 + ground)
    relief = np.clip(0.5 + 0.12 * canvas.scale * (rows + cols) * 0.35, 0.15, 0.9)[..., None]
    stops = np.array([-1.5, -0.2, -0.001, 0, 0.4, 1.0, 1.8])
    tints = np.array([
        (0.36, 0.55, 0.68), (0.58, 0.74, 0.8), (0.7, 0.82, 0.85), (0.6, 0.7, 0.48), (0.82, 0.8, 0.58),
        (0.73, 0.57, 0.4), (0.95, 0.93, 0.9),
    ])  # fmt: skip
    picture = np.stack([np.interp(ground, stops, tint) for tint in tints.T], axis=2).astype(np.float32)
    picture *= np.where(ground[..., None] > 0, 0.7 + 0.6 * relief, 1)
    steps = np.floor(ground / 0.2)
    edge = (steps != np.roll(steps, 1, axis=0)) | (steps != np.roll(steps, 1, axis=1))
    picture[edge] *= 0.72
    canvas.fill(picture)
    for k in range(1, 8):
        canvas.line([(k * canvas.width / 8, 0), (k * canvas.width / 8, canvas.height)], 0.001, (92, 104, 112))
    for k in range(1, 6):
        canvas.line([(0, k * canvas.height / 6), (canvas.width, k * canvas.height / 6)], 0.001, (92, 104, 112))
    for k, place in enumerate(
        ("Port Linden", "Halden", "Mt. Orsa", "Quay St. Brand", "Ebbe", "Tarn", "Vesterhavn", "Old Mill", "Lund")
    ):
        x = (0.05 + 0.31 * (k % 3) + rng.uniform(0, 0.14)) * canvas.width
        y = (0.1 + 0.25 * (k // 3) + rng.uniform(0, 0.16)) * canvas.height
        canvas.ellipse(x - 0.004, y - 0.004, 0.008, 0.008, (150, 40, 30))
        canvas.text(x + 0.008, y, 0.026, place, (38, 34, 30), "lm")
    canvas.rect(0.02, canvas.height - 0.085, 0.34, 0.065, (240, 234, 218))
    canvas.fitted(0.19, canvas.height - 0.053, 0.32, 0.04, title, (50, 44, 40))


def chart(canvas: Canvas) -> None:
    """A test chart: line pairs, checkers, a star and reading text from large to small."""
    ink, paper = (32, 34, 38), (236, 232, 222)
    canvas.rect(0, 0, canvas.width, canvas.height, paper)
    unit = canvas.width / 10
    for k, pitch in enumerate((0.02, 0.014, 0.01, 0.007)):
        x = unit * (0.6 + 2.3 * k)
        for n in range(int(1.6 * unit / pitch)):
            canvas.rect(x + n * pitch, 0.6 * unit, pitch / 2, 1.4 * unit, ink)
            canvas.rect(x, 2.3 * unit + n * pitch, 1.6 * unit, pitch / 2, ink)
    _star(canvas, 2.4 * unit, 6.2 * unit, 1.7 * unit)
    cell = 0.25 * unit
    for i in range(14):
        for j in range(16):
            if (i + j) % 2:
                canvas.rect(5.4 * unit + j * cell, 4.5 * unit + i * cell, cell, cell, ink)
    y = 8.6 * unit
    for size, words in zip(
        (0.05, 0.036, 0.026, 0.019, 0.014),
        ("SHARP TO THE EDGE", "The texture is the unknown", "A photo pixel is an area, not a point.",
         "Every sub-sample is looked up by itself, and colours are averaged.",
         "Line pairs per millimetre say little; what can still be read says more. 0123456789"),
    ):  # fmt: skip
        if y + size < canvas.height:
            canvas.fitted(canvas.width / 2, y, 0.92 * canvas.width, size, words, ink)
        y += 1.45 * size


def _star(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """A star of 18 black wedges; drawn at four times the detail, so that its edges are clean."""
    pixels = canvas.rows(2 * radius)
    at = (np.arange(4 * pixels) + 0.5) / (2 * pixels) - 1
    angle, distance = np.arctan2(at[:, None], at), np.hypot(at[:, None], at)
    dark = (np.sin(18 * angle) > 0) & (distance < 1)
    share = dark.reshape(pixels, 4, pixels, 4).mean(axis=(1, 3)).astype(np.float32)
    canvas.paste(x - radius, y - radius, to_bytes(mix(share, (0.925, 0.91, 0.87), (0.125, 0.13, 0.15))))


def framed(
    canvas: Canvas, x: float, y: float, picture: Canvas, wood: tuple[int, int, int], mount: float = 0.05
) -> None:
    """Pastes a finished picture with a mount and a moulded frame around it; x, y is the frame's top left."""
    border = mount + 0.028
    width, height = picture.width + 2 * border, picture.height + 2 * border
    dark = (int(wood[0] * 0.6), int(wood[1] * 0.6), int(wood[2] * 0.6))
    canvas.rect(x + 0.008, y + 0.012, width, height, canvas.darker(x + 0.004, y + 0.004, 0.72))
    canvas.rect(x, y, width, height, wood)
    canvas.frame(x, y, width, height, 0.004, dark)
    canvas.frame(x + 0.02, y + 0.02, width - 0.04, height - 0.04, 0.004, dark)
    canvas.rect(x + 0.024, y + 0.024, width - 0.048, height - 0.048, (233, 229, 219))
    canvas.frame(
        x + border - 0.004, y + border - 0.004, picture.width + 0.008, picture.height + 0.008, 0.004, (176, 170, 158)
    )
    canvas.paste(x + border, y + border, picture.array())


def _code(colour: "tuple[float, ...] | Float32[np.ndarray, '3']") -> tuple[int, int, int]:
    red, green, blue = (round(255 * float(c)) for c in colour)
    return red, green, blue
