"""The room's geometry: flat rectangles with a place and a job, no colours. World axes: x east, y north, z up."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

ROOM = (4.4, 3.6, 2.5)
TABLE_TOP = 0.74
COLUMN_SIDES = 18

Vector = Float64[np.ndarray, "3"]


@dataclass(frozen=True, eq=False)
class Rectangle:
    """A flat rectangle, visible from one side: from there `origin` is its top left corner.

    `right` and `down` lead to the other corners. Rectangles of one `thing` share their edges. `paint` names the painter
    and `side` tells it which side of the thing this is. `glow`: the light it gives (red, green, blue), 0 for most.
    """

    thing: str
    side: str
    paint: str
    origin: Vector
    right: Vector
    down: Vector
    glow: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in metres."""
        return float(np.linalg.norm(self.right)), float(np.linalg.norm(self.down))

    @property
    def normal(self) -> Vector:
        """The unit normal towards the side it is seen from."""
        normal = np.cross(self.down, self.right)
        return normal / np.linalg.norm(normal)


def furnished_room() -> tuple[Rectangle, ...]:
    """Every rectangle of the room, from the walls to the books on the table. Always the same."""
    return (*_shell(), *_lights(), *_table(), *_boxes(), *_column((3.72, 2.92), 0.17), *_board())


def _shell() -> list[Rectangle]:
    x, y, z = ROOM
    sides = {
        "north": ((0, y, z), (x, 0, 0), (0, 0, -z)),
        "east": ((x, y, z), (0, -y, 0), (0, 0, -z)),
        "south": ((x, 0, z), (-x, 0, 0), (0, 0, -z)),
        "west": ((0, 0, z), (0, y, 0), (0, 0, -z)),
        "floor": ((0, y, 0), (x, 0, 0), (0, -y, 0)),
        "ceiling": ((0, 0, z), (x, 0, 0), (0, y, 0)),
    }
    places = ((side, [np.array(vector, np.float64) for vector in place]) for side, place in sides.items())
    return [Rectangle("room", side, side, origin, right, down) for side, (origin, right, down) in places]


def _lights() -> list[Rectangle]:
    window = _box("window", (2.1, 0.02, 0.85), (1.4, 0.04, 1.25), 180.0, sides="front left right top bottom")
    lamp = _box("lamp", (2.2, 1.8, ROOM[2] - 0.06), (0.8, 0.5, 0.06), 0.0, sides="front back left right bottom")
    lit = [replace(part, glow=(7.0, 7.6, 8.6)) if part.side == "front" else part for part in window]
    return lit + [replace(part, glow=(13.0, 11.5, 9.2)) if part.side == "bottom" else part for part in lamp]


def _table() -> list[Rectangle]:
    centre, yaw, (width, depth), thick = (2.25, 1.72), 8.0, (1.3, 0.76), 0.04
    bottom = TABLE_TOP - thick
    parts = _box("table", (*centre, bottom), (width, depth, thick), yaw)
    ex, ey, _ = _axes(yaw)
    for number, (i, j) in enumerate(((-1, -1), (1, -1), (-1, 1), (1, 1))):
        at = np.array((*centre, 0.0)) + i * (width / 2 - 0.08) * ex + j * (depth / 2 - 0.08) * ey
        leg = (f"leg {number}", (at[0], at[1], 0.0), (0.07, 0.07, bottom), yaw)
        parts += _box(*leg, sides="front back left right", paint="table")
    return parts


def _boxes() -> list[Rectangle]:
    standing = "front back left right top"
    return [
        *_box("sideboard", (1.95, ROOM[1] - 0.2, 0.0), (1.25, 0.4, 0.72), 0.0, sides="front left right top"),
        *_box("radio", (2.28, ROOM[1] - 0.17, 0.72), (0.36, 0.14, 0.22), -6.0, sides=standing),
        *_box("crate", (0.58, 0.6, 0.0), (0.58, 0.5, 0.46), 168.0, sides=standing),
        *_box("parcel", (0.56, 0.58, 0.46), (0.36, 0.3, 0.26), 150.0, sides=standing),
        *_box("carton", (3.72, 0.68, 0.0), (0.52, 0.42, 0.36), -130.0, sides=standing),
        *_box("tea", (1.93, 1.85, TABLE_TOP), (0.2, 0.15, 0.24), 30.0, sides=standing),
        *_box("atlas", (2.42, 1.62, TABLE_TOP), (0.34, 0.25, 0.05), -14.0, sides=standing),
        *_box("novel", (2.43, 1.63, TABLE_TOP + 0.05), (0.24, 0.17, 0.04), 12.0, sides=standing),
    ]


def _column(centre: tuple[float, float], radius: float) -> list[Rectangle]:
    """A prism from floor to ceiling; side k + 1 lies to the right of side k."""
    angles = np.arange(COLUMN_SIDES + 1) * 2 * np.pi / COLUMN_SIDES
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + centre
    corners[-1] = corners[0]
    down = np.array((0.0, 0.0, -ROOM[2]))
    tops = np.column_stack([corners, np.full(len(corners), ROOM[2])])
    return [Rectangle("column", str(k), "column", tops[k], tops[k + 1] - tops[k], down) for k in range(COLUMN_SIDES)]


def _board() -> list[Rectangle]:
    return _box("board", (0.66, 2.9, 0.008), (0.78, 0.025, 1.1), 40.0, tilt=14.0, sides="front back left right top")


def _box(
    thing: str,
    foot: tuple[float, float, float],
    size: tuple[float, float, float],
    yaw: float,
    tilt: float = 0.0,
    sides: str = "front back left right top bottom",
    paint: str | None = None,
) -> list[Rectangle]:
    """The named sides of a box that stands on `foot`, its width, depth and height given; front faces south at yaw 0."""
    ex, ey, ez = _axes(yaw, tilt)
    x, y, z = (axis * length for axis, length in zip((ex, ey, ez), size))
    foot_centre = np.array(foot, np.float64)
    places = {
        "front": (-x / 2 - y / 2 + z, x, -z),
        "back": (x / 2 + y / 2 + z, -x, -z),
        "right": (x / 2 - y / 2 + z, y, -z),
        "left": (-x / 2 + y / 2 + z, -y, -z),
        "top": (-x / 2 + y / 2 + z, x, -y),
        "bottom": (-x / 2 - y / 2, x, y),
    }
    chosen = ((side, *places[side]) for side in sides.split())
    return [Rectangle(thing, side, paint or thing, foot_centre + at, right, down) for side, at, right, down in chosen]


def _axes(yaw: float, tilt: float = 0.0) -> tuple[Vector, Vector, Vector]:
    """Width, depth and height directions after a turn about z, then a lean backwards, both in degrees."""
    a, t = np.radians(yaw), np.radians(tilt)
    ex, ey, ez = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return ex, ey * np.cos(t) - ez * np.sin(t), ez * np.cos(t) + ey * np.sin(t)
