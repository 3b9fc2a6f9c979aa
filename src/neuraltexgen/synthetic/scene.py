"""The made-up capture: a room whose texture, cameras and faults are all known."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int32

from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.synthetic.blur import Blur, choose_blurs
from neuraltexgen.synthetic.figure import Person
from neuraltexgen.synthetic.layout import Rectangle, furnished_room
from neuraltexgen.synthetic.light import bake_light
from neuraltexgen.synthetic.misstate import exposures, misstated_camera, misstated_poses
from neuraltexgen.synthetic.paint import paint_surfaces
from neuraltexgen.synthetic.passers import choose_people
from neuraltexgen.synthetic.planted import Planted
from neuraltexgen.synthetic.settings import SyntheticSettings, make_camera
from neuraltexgen.synthetic.surfaces import Surfaces, join_surfaces, mean_colours
from neuraltexgen.synthetic.walk import choose_poses
from neuraltexgen.types import Points

GRID = 0.145
"""About the length in metres of the mesh's edges, as a coarse scan has it."""


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """The room, its cameras, and the truth that a fit should find.

    `face_surfaces[i]` is the index in `surfaces.rectangles` of the rectangle that face i lies on. `camera` and `poses`
    (cam_from_world) are the true ones; `stated_camera` and `stated_poses` hold the planted errors. View i's photo is
    render * `gains[i]` + `offsets[i]` per channel; over the views the gains' geometric mean is 1, the offsets' mean 0.
    `people` and `blurs`: who stands in a view's photo, and how it is blurred; None for most.
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
    people: tuple[Person | None, ...]
    blurs: tuple[Blur | None, ...]

    @property
    def stated_camera(self) -> Camera:
        """The camera as the capture states it: with the planted error of its focal length."""
        return misstated_camera(self.camera, self.settings.planted.focal)

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
    even = np.ones((settings.views, 3), np.float32)
    surfaces = join_surfaces(rectangles, lit)
    clean = SyntheticScene(settings, mesh, face_surfaces, surfaces, camera, poses, poses, even, 0 * even, (), ())
    return with_planted(clean, settings.planted)


def with_planted(scene: SyntheticScene, planted: Planted) -> SyntheticScene:
    """The same room and the same cameras with other errors: as if made with them, and much quicker."""
    settings = replace(scene.settings, planted=planted)
    gains, offsets = exposures(settings.views, planted.exposure, np.random.default_rng([settings.seed, 3]))
    stated = misstated_poses(scene.poses, planted.pose, np.random.default_rng([settings.seed, 4]))
    people = choose_people(
        scene.surfaces.rectangles, scene.camera, scene.poses, planted.person, np.random.default_rng([settings.seed, 6])
    )
    blurs = choose_blurs(settings.views, planted.blur, np.random.default_rng([settings.seed, 8]))
    return replace(
        scene, settings=settings, stated_poses=stated, gains=gains, offsets=offsets, people=people, blurs=blurs
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
