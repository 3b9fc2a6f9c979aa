"""A person in mid-stride, as prisms around joints: rectangles for the same renderer as the room's, and their paint.

Sizes are those of someone 1.75 m tall; angles of hips, knees, shoulders and elbows over a stride are rough averages of
gait tables (Winter, Biomechanics and Motor Control of Human Movement).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from neuraltexgen.synthetic.layout import Rectangle, Vector
from neuraltexgen.synthetic.textures import cloth, noise

SIDES = 8
SHIRT, STRIPE, TROUSERS, SKIN, HAIR, SHOE = (
    (0.72, 0.2, 0.16), (0.93, 0.9, 0.82), (0.2, 0.25, 0.38), (0.8, 0.6, 0.48), (0.2, 0.13, 0.08), (0.12, 0.11, 0.11),
)  # fmt: skip
BODY = (
    ("shirt", 0.96, 1.44, (0.2, 0.12)),
    ("trousers", 0.84, 0.98, (0.18, 0.12)),
    ("skin", 1.42, 1.52, (0.06, 0.06)),
    ("skin", 1.5, 1.68, (0.075, 0.095)),
    ("hair", 1.64, 1.75, (0.082, 0.1)),
)
"""Paint, lower and upper end in metres, and half the width and half the depth of trunk, neck and head."""
LIGHT = np.array((0.25, -0.45, 0.86))
"""Towards the light, roughly that of the room: window in the south, lamp above."""


@dataclass(frozen=True)
class Person:
    """Someone who walks: where on the floor, heading in degrees (0 east, 90 north), phase of the stride in 0 to 1."""

    place: tuple[float, float]
    heading: float
    phase: float


@dataclass(frozen=True, eq=False)
class _Limb:
    """A prism from one point to another with an elliptic section: radii along `wide` and across it."""

    paint: str
    start: Vector
    end: Vector
    wide: Vector
    radii: tuple[float, float]


def figure(person: Person) -> tuple[Rectangle, ...]:
    """The person's rectangles, visible from outside."""
    return tuple(part for limb in _limbs(person) for part in _prism(limb))


def paint_figure(parts: tuple[Rectangle, ...], detail: float, seed: int) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """The parts' images at `detail` pixels per metre: cloth, stripes, skin, hair; brighter towards the light."""
    images = []
    for index, part in enumerate(parts):
        rng = np.random.default_rng([seed, 5, index])
        width, height = part.size
        shape = (max(2, round(height * detail)), max(2, round(width * detail)))
        light = 0.62 + 0.38 * max(float(part.normal @ LIGHT), 0.0)
        images.append((np.clip(_colours(part.paint, shape, detail, rng) * light, 0, 1) * 255).astype(np.uint8))
    return images


def _colours(paint: str, shape: tuple[int, int], detail: float, rng: np.random.Generator) -> np.ndarray:
    if paint == "shirt":
        picture = cloth(rng, shape, detail, SHIRT)
        striped = (np.arange(shape[0]) / detail) % 0.09 < 0.035
        picture[striped] = cloth(rng, shape, detail, STRIPE)[striped]
        return picture
    if paint == "trousers":
        return cloth(rng, shape, detail, TROUSERS)
    shade = np.array({"skin": SKIN, "hair": HAIR, "shoe": SHOE}[paint])
    return shade * (1 + 0.08 * noise(rng, shape, (0.02 * detail, 0.02 * detail))[..., None])


def _limbs(person: Person) -> list[_Limb]:
    """The body stays upright; legs and arms swing against each other."""
    turn, swing = np.radians(person.heading), 2 * np.pi * person.phase
    ahead = np.array((np.cos(turn), np.sin(turn), 0.0))
    axes = np.stack([ahead, (-ahead[1], ahead[0], 0.0), (0.0, 0.0, 1.0)])  # ahead, to the left, up
    ground = np.array((*person.place, 0.0))
    limbs = []
    for paint, low, high, radii in BODY:
        limbs.append(_Limb(paint, ground + low * axes[2], ground + high * axes[2], axes[1], radii))
    for side, phase in ((1.0, swing), (-1.0, swing + np.pi)):
        thigh, knee = 0.45 * np.sin(phase), 0.15 + 0.45 * max(0.0, float(np.cos(phase)))
        hip = ground + np.array((0.0, side * 0.1, 0.88)) @ axes
        shoulder = ground + np.array((0.0, side * 0.235, 1.4)) @ axes
        bent = hip + 0.42 * _down(thigh, axes)
        foot = bent + 0.42 * _down(thigh - knee, axes)
        elbow = shoulder + 0.29 * _down(-0.5 * np.sin(phase), axes)
        hand = elbow + 0.3 * _down(0.35 - 0.5 * np.sin(phase), axes)
        limbs += [
            _Limb("trousers", bent, hip, axes[1], (0.08, 0.09)),
            _Limb("trousers", foot, bent, axes[1], (0.055, 0.06)),
            _Limb("shoe", foot - 0.06 * ahead, foot + 0.18 * ahead, axes[1], (0.05, 0.045)),
            _Limb("shirt", elbow, shoulder, axes[1], (0.055, 0.06)),
            _Limb("skin", hand, elbow, axes[1], (0.04, 0.045)),
        ]
    return limbs


def _down(angle: float, axes: Float64[np.ndarray, "3 3"]) -> Vector:
    """The direction of a limb that hangs down but for an angle forwards, in radians."""
    return np.sin(angle) * axes[0] - np.cos(angle) * axes[2]


def _prism(limb: _Limb) -> list[Rectangle]:
    """SIDES rectangles around the limb, and three across each end."""
    axis = (limb.end - limb.start) / np.linalg.norm(limb.end - limb.start)
    wide = limb.wide - (limb.wide @ axis) * axis
    wide /= np.linalg.norm(wide)
    across = np.cross(axis, wide)
    angles = 2 * np.pi * (np.arange(SIDES + 1) + 0.5) / SIDES
    ring = np.cos(angles)[:, None] * limb.radii[0] * wide + np.sin(angles)[:, None] * limb.radii[1] * across
    ring[-1] = ring[0]
    span = limb.end - limb.start
    tops, edges = limb.end + ring[:-1], np.diff(ring, axis=0)
    parts = [Rectangle("person", "side", limb.paint, top, edge, -span) for top, edge in zip(tops, edges)]
    return [*parts, *_caps(limb, wide, across, limb.end), *_caps(limb, wide, -across, limb.start)]


def _caps(limb: _Limb, wide: Vector, across: Vector, centre: Vector) -> list[Rectangle]:
    """Three rectangles that fill the octagon at one end but for slivers; their normal is wide x across."""
    corner, far = np.sin(np.pi / SIDES), np.cos(np.pi / SIDES)
    middle = (corner + far) / 2
    caps = []
    for u, v in ((far, corner), (corner, far), (middle, middle)):
        a, b = u * limb.radii[0] * wide, v * limb.radii[1] * across
        caps.append(Rectangle("person", "cap", limb.paint, centre - a + b, 2 * a, -2 * b))
    return caps
