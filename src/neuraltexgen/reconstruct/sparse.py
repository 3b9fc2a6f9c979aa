"""What structure from motion gives: views with poses, and points that say which views saw them."""

from dataclasses import dataclass

import numpy as np
import pycolmap
from jaxtyping import Bool, Float64, Int32, UInt8

from neuraltexgen.geometry import camera_centre
from neuraltexgen.scene import View
from neuraltexgen.types import Points


@dataclass(frozen=True, eq=False)
class SparseModel:
    """Registered views and sparse points. An observation is a pair (index in `views`, index in `points`), in any order.

    `errors`: each point's mean reprojection error in pixels. No point is seen twice by one view.
    """

    views: tuple[View, ...]
    points: Points
    errors: Float64[np.ndarray, " n"]
    colours: UInt8[np.ndarray, "n 3"]
    observations: Int32[np.ndarray, "o 2"]

    @property
    def track_lengths(self) -> Int32[np.ndarray, " n"]:
        """By how many views each point was seen."""
        return np.bincount(self.observations[:, 1], minlength=len(self.points)).astype(np.int32)

    @property
    def points_per_view(self) -> Int32[np.ndarray, " v"]:
        """How many points each view saw."""
        return np.bincount(self.observations[:, 0], minlength=len(self.views)).astype(np.int32)

    @property
    def centres(self) -> Float64[np.ndarray, "v 3"]:
        """Where the cameras stand."""
        return np.array([camera_centre(view.cam_from_world) for view in self.views]).reshape(-1, 3)

    def seen_by(self, view: int) -> Int32[np.ndarray, " k"]:
        """The points that a view saw, in ascending order."""
        return np.sort(self.observations[self.observations[:, 0] == view, 1])

    def visibility(self) -> Bool[np.ndarray, "v n"]:
        """Which view saw which point."""
        result = np.zeros((len(self.views), len(self.points)), bool)
        result[self.observations[:, 0], self.observations[:, 1]] = True
        return result


def sparse_model(model: pycolmap.Reconstruction, views: dict[str, View]) -> SparseModel:
    """The views named by the model's images, sorted by name, with its points; `views` has all of them by name."""
    names = {image.image_id: image.name for image in (model.image(i) for i in model.reg_image_ids())}
    order = {name: i for i, name in enumerate(sorted(names.values()))}
    points = [model.point3D(i) for i in sorted(model.point3D_ids())]
    seen = {
        (order[names[element.image_id]], i)
        for i, point in enumerate(points)
        for element in point.track.elements
        if element.image_id in names
    }
    return SparseModel(
        views=tuple(views[name] for name in order),
        points=np.array([point.xyz for point in points], np.float64).reshape(-1, 3),
        errors=np.array([point.error for point in points], np.float64),
        colours=np.array([point.color for point in points], np.uint8).reshape(-1, 3),
        observations=np.array(sorted(seen), np.int32).reshape(-1, 2),
    )
