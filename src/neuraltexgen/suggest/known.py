"""What the photos of a capture show of its mesh: how much is known of each place, and from how far it was looked at.

Taken as an estimate of its colour, a place that nobody has looked at has variance 1, and each look adds information: 1
for a look as fine as the capture's finer ones, less for a coarser one. So the variance left is 1 / (1 + information).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import camera_centre, face_areas, transform
from neuraltexgen.looks import Places, look, places_on
from neuraltexgen.scene import Mesh, View
from neuraltexgen.sight import surface_points
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.uvmap.hits import FirstHits

PLACES = 20_000
"""Points spread evenly over the mesh's area that stand for it."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of a mesh. `area`: what each of the places stands for, in world units squared.

    `information`: per place, see above. `looks`: how many photos show it. `fine`: pixels a unit of length that a look
    needs to count fully. `distance`: median distance from a camera to what it sees. `hits`: the mesh ready for rays.
    """

    mesh: Mesh
    hits: FirstHits
    places: Places
    area: float
    information: Float64[np.ndarray, " p"]
    looks: Int64[np.ndarray, " p"]
    fine: float
    distance: float

    @property
    def unseen(self) -> float:
        """Share of the surface that no photo shows."""
        return float((self.looks == 0).mean())

    @property
    def once(self) -> float:
        """Share of the surface that a single photo shows."""
        return float((self.looks == 1).mean())

    def worth(self, density: Float64[np.ndarray, " s"]) -> Float64[np.ndarray, " s"]:
        """The information of looks that give a unit of length so many pixels."""
        return np.minimum((density / self.fine) ** 2, 1.0)


def survey(mesh: Mesh, views: Sequence[View], progress: Progress = no_progress) -> Survey:
    """Looks at a mesh through all views. Their order changes nothing but rounding.

    Raises ReaderError: no view sees the mesh; ImageError: a mask that can't be read or used.
    """
    points = surface_points(mesh, PLACES)
    places, hits = places_on(mesh, points, _owners(mesh, PLACES)), FirstHits(mesh)
    finest, looks, distances, found = np.zeros(PLACES), np.zeros(PLACES, np.int64), [], []
    for view in progress(views, "look", len(views)):
        index, density = look(view, hits, places)
        finest[index] = np.maximum(finest[index], density)
        looks[index] += 1
        found.append((index, density))
        if len(index):
            distances.append(float(np.median(np.linalg.norm(transform(view.cam_from_world, points[index]), axis=1))))
    if not distances:
        raise ReaderError(
            f"none of {len(views)} views sees the mesh",
            fix="`neuraltexgen doctor CAPTURE` looks for what is wrong with the cameras",
        )
    fine = float(np.median(finest[looks > 0]))
    area = float(face_areas(mesh.vertices, mesh.faces).sum()) / PLACES
    result = Survey(mesh, hits, places, area, np.zeros(PLACES), looks, fine, float(np.median(distances)))
    for index, density in found:
        result.information[index] += result.worth(density)
    return result


def centres_of(views: Sequence[View], most: int) -> Float64[np.ndarray, "n 3"]:
    """Where the cameras stand, at most so many of them, evenly thinned out in the order of their names."""
    ordered = sorted(views, key=lambda view: view.name)
    picked = np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int))
    return np.array([camera_centre(ordered[i].cam_from_world) for i in picked])


def _owners(mesh: Mesh, count: int) -> Int64[np.ndarray, " p"]:
    """The faces that `surface_points` lays its points on."""
    areas = face_areas(mesh.vertices, mesh.faces)
    steps = (np.arange(count) + 0.5) / count
    return np.minimum(np.searchsorted(np.cumsum(areas), steps * areas.sum()), len(areas) - 1)
