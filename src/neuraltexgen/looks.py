"""What a view sees of points on a mesh, and how finely: from the camera alone, without a picture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from neuraltexgen.geometry import camera_centre, project, transform
from neuraltexgen.images import read_mask
from neuraltexgen.scene import Camera, Mesh, View
from neuraltexgen.sight import OMNIDIRECTIONAL, widest_cosine
from neuraltexgen.types import Points
from neuraltexgen.uvmap.hits import FirstHits
from neuraltexgen.visibility import BACK_SHARE

STEP = 1e-4
"""Length, over the distance to the camera, of the steps on the surface whose images are measured."""


@dataclass(frozen=True, eq=False)
class Places:
    """Points on a mesh, the face of each, and two orthonormal vectors in the plane of each, their cross product the
    face's normal (of no use where a face has no area)."""

    points: Points
    faces: Int64[np.ndarray, " p"]
    tangents: Float64[np.ndarray, "p 2 3"]


def places_on(mesh: Mesh, points: Points, faces: Int64[np.ndarray, " p"]) -> Places:
    """Points that lie on the given faces of a mesh."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    normal, along = _unit(np.cross(b - a, c - a)), _unit(b - a)
    return Places(points, faces, np.stack([along, np.cross(normal, along)], axis=1)[faces])


def look(
    view: View, hits: FirstHits, places: Places, sides: Literal["auto", "front", "both"] = "auto"
) -> tuple[Int64[np.ndarray, " s"], Float64[np.ndarray, " s"]]:
    """The places that a view sees, by index, and how many pixels a unit of length gets there.

    A place is seen if its ray meets it first, from the front, in a pixel that the view's mask leaves. auto: from both
    sides in a view that sees much of the mesh from behind, as in `visibility`. A photo's own transparency is not looked
    at. Raises ImageError: a mask that can't be read or used.
    """
    local = transform(view.cam_from_world, places.points)
    index = np.flatnonzero(_in_image(view, local))
    origin = (camera_centre(view.cam_from_world) - hits.centre) * hits.scale
    rays = (places.points[index] - hits.centre) * hits.scale - origin
    met = hits.faces(origin.astype(np.float32)[None], rays.astype(np.float32))
    index = index[met == places.faces[index]]
    local, frames = local[index], places.tangents[index] @ view.cam_from_world[:3, :3].T
    facing = np.einsum("nk,nk->n", local, np.cross(frames[:, 0], frames[:, 1])) < 0
    lengths = np.sqrt(_pixels_per_area(view.camera, local, frames))
    use = np.isfinite(lengths) & (lengths > 0)
    if sides == "front" or (sides == "auto" and (~facing).sum() <= BACK_SHARE * len(facing)):
        use &= facing
    return index[use], lengths[use]


def _in_image(view: View, local: Points) -> Bool[np.ndarray, " p"]:
    """Which points in camera axes fall on a pixel that the view's mask leaves."""
    camera = view.camera
    # Past the corners a distortion polynomial may fold back into the image: such points are not seen.
    result = local[:, 2] > widest_cosine(camera) * np.linalg.norm(local, axis=1)
    with np.errstate(invalid="ignore"):
        pixels = np.floor(project(camera, local[result]))
        inside = np.all((pixels >= 0) & (pixels < (camera.width, camera.height)), axis=1)
    if view.mask is not None:
        mask = read_mask(view.mask, (camera.width, camera.height))
        cols, rows = pixels[inside].astype(np.int64).T
        inside[inside] = mask[rows, cols]
    result[result] = inside
    return result


def _pixels_per_area(camera: Camera, local: Points, frames: Float64[np.ndarray, "p 2 3"]) -> Float64[np.ndarray, " p"]:
    """How large in the image (pixels) a unit of area is at each point, by finite differences along its tangents.

    So distance, slant and the lens all count, whatever the model. NaN where it has no image nearby.
    """
    step = STEP * np.linalg.norm(local, axis=1, keepdims=True)
    start = project(camera, local)
    across, down = (project(camera, local + step * frames[:, axis]) - start for axis in range(2))
    if camera.model == OMNIDIRECTIONAL:
        for moved in (across, down):
            moved[:, 0] -= camera.width * np.round(moved[:, 0] / camera.width)  # a step over the image's closing edge
    return np.abs(across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]) / step[:, 0] ** 2


def _unit(vectors: Points) -> Points:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
