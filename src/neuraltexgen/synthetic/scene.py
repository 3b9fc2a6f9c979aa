"""The made-up capture: a room whose texture, cameras and faults are all known."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32

from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.synthetic.layout import Rectangle, furnished_room
from neuraltexgen.synthetic.light import bake_light
from neuraltexgen.synthetic.paint import paint_surfaces
from neuraltexgen.synthetic.settings import SyntheticSettings, make_camera
from neuraltexgen.synthetic.surfaces import Surfaces, join_surfaces, mean_colours
from neuraltexgen.synthetic.walk import choose_poses
from neuraltexgen.types import Points

GRID = 0.145
"""About the length in metres of the mesh's edges, as a coarse scan has it."""


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """The room, its cameras, and the truth that a fit should find.

    `face_surfaces[i]` is the index in `surfaces.rectangles` of the rectangle that face i lies on. `poses` are
    cam_from_world, the true ones; `stated_poses` hold the planted error. View i's photo is render * `gains[i]` +
    `offsets[i]` per channel; over the views the gains' geometric mean is 1 and the offsets' mean 0.
    """

    settings: SyntheticSettings
    mesh: Mesh
    face_surfaces: Int32[np.ndarray, " f"]
    surfaces: Surfaces
    camera: Camera
    poses: Float64[np.ndarray, "v 4 4"]
    stated_poses: Float64[np.ndarray, "v 4 4"]
    gains: Float32[np.ndarray, "v 3"]
    offsets: Float32[np.ndarray, "v 3"]

    def known_colour(
        self, face_ids: Int32[np.ndarray, " n"], points: Points, footprint: float = 0.0
    ) -> Float32[np.ndarray, "n 3"]:
        """The true colour at points on the given faces, averaged over a square of side `footprint` metres.

        What the square covers beyond the face's flat rectangle is left out. With 0 it is the colour of a single ray.
        """
        return mean_colours(self.surfaces, self.face_surfaces[face_ids], points, footprint)


def make_scene(settings: SyntheticSettings) -> SyntheticScene:
    """The furnished room as the settings ask for it. The same settings give the same scene."""
    rectangles = furnished_room()
    images = paint_surfaces(rectangles, settings.detail, settings.seed)
    lit = bake_light(rectangles, images, np.random.default_rng([settings.seed, 1]))
    mesh, face_surfaces = _scan(rectangles)
    camera = make_camera(settings)
    poses = choose_poses(rectangles, settings, np.random.default_rng([settings.seed, 2]))
    gains, offsets = _exposures(settings, np.random.default_rng([settings.seed, 3]))
    return SyntheticScene(
        settings,
        mesh,
        face_surfaces,
        join_surfaces(rectangles, lit),
        camera,
        poses,
        _misstate(poses, settings.pose_noise, np.random.default_rng([settings.seed, 4])),
        gains,
        offsets,
    )


def _scan(rectangles: tuple[Rectangle, ...]) -> tuple[Mesh, Int32[np.ndarray, " f"]]:
    """Every rectangle as a grid of triangles, wound so that they face the room; joined where one thing has an edge."""
    vertices, faces, owners, things = [], [], [], []
    names = list(dict.fromkeys(rectangle.thing for rectangle in rectangles))
    first = 0
    for q, rectangle in enumerate(rectangles):
        cols, rows = (max(1, round(side / GRID)) for side in rectangle.size)
        b, a = (grid.reshape(-1, 1) for grid in np.mgrid[0 : 1 : (rows + 1) * 1j, 0 : 1 : (cols + 1) * 1j])
        vertices.append(rectangle.origin + a * rectangle.right + b * rectangle.down)
        at = first + (np.arange(rows)[:, None] * (cols + 1) + np.arange(cols)).reshape(-1, 1)
        lower, upper = np.hstack([at, at + cols + 1, at + cols + 2]), np.hstack([at, at + cols + 2, at + 1])
        faces.append(np.stack([lower, upper], axis=1).reshape(-1, 3))
        owners.append(np.full(2 * rows * cols, q, np.int32))
        things.append(np.full(len(vertices[-1]), names.index(rectangle.thing)))
        first += len(vertices[-1])
    points = np.concatenate(vertices)
    key = np.column_stack([np.concatenate(things), np.rint(points * 1e7)])
    _, kept, joined = np.unique(key, axis=0, return_index=True, return_inverse=True)
    mesh = Mesh(points[kept], joined.reshape(-1)[np.concatenate(faces)].astype(np.int32))
    return mesh, np.concatenate(owners)


def _exposures(
    settings: SyntheticSettings, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "v 3"], Float32[np.ndarray, "v 3"]]:
    """Gains and offsets: mostly brightness, a third of it white balance, a tenth of it offsets."""
    brightness, balance, offset = (rng.standard_normal((settings.views, n)) for n in (1, 3, 3))
    gains = settings.exposure_spread * (brightness + balance / 3)
    offsets = settings.exposure_spread / 10 * offset
    return (
        np.exp(gains - gains.mean(axis=0)).astype(np.float32),
        (offsets - offsets.mean(axis=0)).astype(np.float32),
    )


def _misstate(
    poses: Float64[np.ndarray, "v 4 4"], pose_noise: tuple[float, float], rng: np.random.Generator
) -> Float64[np.ndarray, "v 4 4"]:
    """The poses with small turns and shifts of the camera, in its own axes."""
    degrees, metres = pose_noise
    turns = np.radians(degrees) * rng.standard_normal((len(poses), 3))
    shifts = metres * rng.standard_normal((len(poses), 3))
    if degrees == 0 and metres == 0:
        return poses.copy()
    errors = np.tile(np.eye(4), (len(poses), 1, 1))
    errors[:, :3, :3] = [_rotation(turn) for turn in turns]
    errors[:, :3, 3] = shifts
    return errors @ poses


def _rotation(turn: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """The rotation about `turn` by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(turn))
    x, y, z = turn / max(angle, 1e-300)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
