"""What cameras have in their fields of view, occlusion aside: quick enough for checks on every capture."""

import numpy as np

from neuraltexgen.geometry import face_areas, focal_and_centre, project, rays_through, transform
from neuraltexgen.scene import Camera, Mesh, View
from neuraltexgen.types import Points, Pose

OMNIDIRECTIONAL = "EQUIRECTANGULAR"


def field_of_view(camera: Camera, axis: int) -> float | None:
    """Degrees between the rays at the middles of two opposite edges, through the optical axis; None if undefined."""
    if camera.model == OMNIDIRECTIONAL:
        return (360.0, 180.0)[axis]
    _, centre = focal_and_centre(camera)
    ends = np.array([centre, centre], np.float64)
    ends[:, axis] = (0, (camera.width, camera.height)[axis])
    rays = rays_through(camera, ends)
    angles = np.degrees(np.arccos(np.clip(rays[:, 2], -1, 1)))
    return float(angles.sum()) if np.isfinite(rays).all() else None


def seen_depths(views: tuple[View, ...], poses: list[Pose], surface: Points) -> tuple[float | None, ...]:
    """Each view's median distance to the points in its field of view; None if it has none there."""
    limits = {camera: widest_cosine(camera) for camera in {view.camera for view in views}}
    result = []
    for view, pose in zip(views, poses):
        points = transform(pose, surface)
        distance = np.linalg.norm(points, axis=1)
        # Past the corners a distortion polynomial may fold back into the image: such points are not seen.
        ahead = points[:, 2] > limits[view.camera] * distance
        pixels = project(view.camera, points[ahead])
        with np.errstate(invalid="ignore"):
            inside = np.all((pixels >= 0) & (pixels < (view.camera.width, view.camera.height)), axis=1)
        result.append(float(np.median(distance[ahead][inside])) if inside.any() else None)
    return tuple(result)


def widest_cosine(camera: Camera) -> float:
    """The smallest cosine to the optical axis that a ray of the image makes, a little less; -1.1 if it may be any.

    A grid over the whole image, because strong distortion leaves its corners without a ray.
    """
    grid = np.stack(np.meshgrid(np.linspace(0, camera.width, 17), np.linspace(0, camera.height, 17)), axis=-1)
    points = grid.reshape(-1, 2)
    rays = rays_through(camera, points)
    back = project(camera, np.where(np.isfinite(rays), rays, 0.0))
    defined = np.all(np.abs(back - points) < 0.05, axis=1)
    if camera.model == OMNIDIRECTIONAL or not defined.any():
        return -1.1
    return float(rays[defined, 2].min()) - 0.01


def surface_points(mesh: Mesh, count: int) -> Points:
    """Points spread evenly over the mesh's area: a golden-ratio sequence in each face, the same every time."""
    areas = face_areas(mesh.vertices, mesh.faces)
    steps = (np.arange(count) + 0.5) / count
    index = np.minimum(np.searchsorted(np.cumsum(areas), steps * areas.sum()), len(areas) - 1)
    s, t = np.sqrt(steps * 0.618034 * count % 1), steps * 0.754878 * count % 1
    a, b, c = (mesh.vertices[mesh.faces[index, corner]] for corner in range(3))
    return a * (1 - s)[:, None] + b * (s * (1 - t))[:, None] + c * (s * t)[:, None]
