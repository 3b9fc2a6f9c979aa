"""Materials from noise: wood, planks, plaster, cardboard, cloth, stone. Each gives an image in [0, 1]."""

import numpy as np
from jaxtyping import Float32
from PIL import Image as Pillow

Grey = Float32[np.ndarray, "h w"]
Picture = Float32[np.ndarray, "h w 3"]
Shade = tuple[float, float, float]


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float]) -> Grey:
    """Smooth noise of unit variance or a little less; `cell` is the (rows, columns) between independent values."""
    small = [int(np.ceil(size / max(step, 1.0))) + 3 for size, step in zip(shape, cell)]
    values = Pillow.fromarray(rng.standard_normal(small, np.float32))
    box = (1.0, 1.0, 1.0 + shape[1] / max(cell[1], 1.0), 1.0 + shape[0] / max(cell[0], 1.0))
    return np.asarray(values.resize((shape[1], shape[0]), Pillow.Resampling.BICUBIC, box=box))


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 6, falloff: float = 0.5
) -> Grey:
    """Noise summed over octaves from `cell` pixels downwards: with a falloff of 0.5 its spectrum is about 1/f²."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        step = cell / 2**octave
        if octave and step < 1:
            break
        total += falloff**octave * noise(rng, shape, (step, step))
    return total


def mix(amount: Grey, low: Shade, high: Shade) -> Picture:
    """From one colour at 0 to another at 1."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    return a + np.clip(amount, 0, 1)[..., None] * (b - a)


def wood(rng: np.random.Generator, shape: tuple[int, int], scale: float, dark: Shade, light: Shade) -> Picture:
    """Wood with its grain along the rows: year rings cut at a slant, and fine fibres."""
    bend = 2.2 * noise(rng, shape, (0.06 * scale, 0.5 * scale)) + 0.5 * noise(rng, shape, (0.02 * scale, 0.25 * scale))
    rings = np.linspace(0, shape[0] / scale / 0.022, shape[0], dtype=np.float32)[:, None] + bend
    saw = (rings - np.floor(rings)) ** 2
    fibre = noise(rng, shape, (0.003 * scale, 0.09 * scale))
    broad = noise(rng, shape, (0.1 * scale, 0.6 * scale))
    return mix(0.72 - 0.36 * saw + 0.11 * fibre + 0.13 * broad, dark, light)


def planks(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    board: tuple[float, float],
    dark: Shade,
    light: Shade,
) -> Picture:
    """Floor boards along the rows, `board` = (width, length) in metres, each row of them shifted, seams dark."""
    picture = wood(rng, shape, scale, dark, light)
    rows = max(1, round(board[0] * scale))
    for number, top in enumerate(range(0, shape[0], rows)):
        strip = picture[top : top + rows]
        strip[:] = np.roll(strip, int(rng.integers(shape[1])), axis=1)
        length = max(1, round(board[1] * scale))
        start = -round(length * ((0.37 * number) % 1))
        for left in range(start, shape[1], length):
            cell = strip[:, max(left, 0) : max(left + length, 0)]
            cell *= np.float32(rng.uniform(0.82, 1.1)) * rng.uniform(0.98, 1.02, 3).astype(np.float32)
            cell[:, : max(1, round(0.003 * scale))] *= 0.55
        strip[: max(1, round(0.003 * scale))] *= 0.5
    return picture


def plaster(rng: np.random.Generator, shape: tuple[int, int], scale: float, colour: Shade, depth: float) -> Picture:
    """A painted wall: slow change of tone and a fine roller structure, `depth` strong."""
    tone = 0.5 * fractal(rng, shape, 0.8 * scale, 3) + noise(rng, shape, (0.006 * scale, 0.006 * scale))
    return np.array(colour, np.float32) * (1 + depth * tone[..., None])


def cardboard(rng: np.random.Generator, shape: tuple[int, int], scale: float, colour: Shade) -> Picture:
    """Brown board: fibres, stains, and the faint ribs of its core."""
    ribs = np.sin(np.arange(shape[1], dtype=np.float32) / scale * 2 * np.pi / 0.008)
    tone = 0.03 * noise(rng, shape, (0.004 * scale, 0.015 * scale)) + 0.035 * fractal(rng, shape, 0.15 * scale, 4)
    return np.array(colour, np.float32) * (1 + tone + 0.018 * ribs)[..., None]


def cloth(rng: np.random.Generator, shape: tuple[int, int], scale: float, colour: Shade) -> Picture:
    """A coarse weave."""
    y, x = (np.arange(size, dtype=np.float32) / scale * 2 * np.pi / 0.012 for size in shape)
    weave = np.sin(y)[:, None] * np.sin(x)
    tone = 0.07 * weave + 0.05 * noise(rng, shape, (0.01 * scale, 0.01 * scale)) + 0.03 * fractal(rng, shape, scale, 4)
    return np.array(colour, np.float32) * (1 + tone)[..., None]


def stone(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Picture:
    """Pale marble with grey and ochre veins, where a folded noise crosses zero."""
    fold = fractal(rng, shape, 0.5 * scale, 7, 0.55)
    thin = np.exp(-np.abs(fold) * 14)
    broad = np.exp(-np.abs(fractal(rng, shape, 0.35 * scale, 6)) * 4)
    base = np.array((0.86, 0.84, 0.8), np.float32) * (1 + 0.03 * fractal(rng, shape, 0.2 * scale, 5)[..., None])
    grey, ochre = np.array((0.42, 0.43, 0.45), np.float32), np.array((0.75, 0.64, 0.48), np.float32)
    base += 0.45 * broad[..., None] * (ochre - base)
    return base + 0.75 * thin[..., None] * (grey - base)


def bricks(rng: np.random.Generator, shape: tuple[int, int], scale: float, mortar: Shade, clay: Shade) -> Picture:
    """A wall in stretcher bond: bricks of 0.21 x 0.065 m, each of its own tone, rough mortar between."""
    course, length, joint = max(2, round(0.075 * scale)), max(2, round(0.22 * scale)), max(1, round(0.011 * scale))
    rows, cols = shape[0] // course + 1, shape[1] // length + 2
    y, x = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    shifted = x + (y // course % 2) * (length // 2)
    is_joint = (y % course < joint) | (shifted % length < joint)
    tones = rng.uniform(0.68, 1.18, (rows, cols, 1)) * rng.uniform(0.95, 1.05, (rows, cols, 3))
    grain = 1 + 0.1 * noise(rng, shape, (0.006 * scale, 0.006 * scale)) + 0.06 * fractal(rng, shape, 0.06 * scale, 4)
    wall = np.array(clay, np.float32) * tones[y // course, shifted // length].astype(np.float32) * grain[..., None]
    return np.where(is_joint[..., None], np.array(mortar, np.float32) * grain[..., None], wall).astype(np.float32)


def mosaic(rng: np.random.Generator, shape: tuple[int, int], scale: float, shades: tuple[Shade, ...]) -> Picture:
    """Small square tiles of 0.03 m in the given shades, laid at random, with pale joints."""
    side, joint = max(2, round(0.03 * scale)), max(1, round(0.003 * scale))
    rows, cols = shape[0] // side + 1, shape[1] // side + 1
    y, x = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    chosen = np.array(shades, np.float32)[rng.integers(len(shades), size=(rows, cols))]
    tones = chosen * rng.uniform(0.85, 1.12, (rows, cols, 1)).astype(np.float32)
    picture = tones[y // side, x // side] * (1 + 0.04 * noise(rng, shape, (0.005 * scale, 0.005 * scale)))[..., None]
    picture[(y % side < joint) | (x % side < joint)] = (0.8, 0.78, 0.73)
    return picture
