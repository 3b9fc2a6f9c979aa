"""Cameras as rays and projections, for every COLMAP model; axis conversions; small rigid-motion helpers."""

import copy
from functools import lru_cache

import numpy as np
import pycolmap
from jaxtyping import Bool, Float, Float32, Float64

from neuraltexgen.errors import CameraError
from neuraltexgen.scene import Camera, View, WarpedCamera
from neuraltexgen.types import Points, Pose
from neuraltexgen.warp import as_warp, between_rays, unwarped, warped_by

CV_FROM_GL = np.diag([1.0, -1.0, -1.0, 1.0])
"""Camera axes: OpenCV (x right, y down, z forward) from OpenGL (x right, y up, z backward). Its own inverse."""

PINHOLE_IF_UNDISTORTED = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")


def camera_models() -> tuple[str, ...]:
    """The names of the camera models that this machine's pycolmap knows."""
    return tuple(name for name in pycolmap.CameraModelId.__members__ if name != "INVALID")


def check_camera(camera: Camera) -> None:
    """Raises CameraError: unknown model, wrong number of parameters, or a focal length that is not positive."""
    colmap_camera(camera)


@lru_cache(maxsize=64)
def colmap_camera(camera: Camera) -> pycolmap.Camera:
    """The pycolmap camera with the same model, size and parameters. Treat as read-only: it is shared."""
    if camera.model not in camera_models():
        raise CameraError(f"unknown camera model {camera.model!r}", fix=f"one of {', '.join(camera_models())}")
    result = pycolmap.Camera.create_from_model_name(1, camera.model, 1.0, camera.width, camera.height)
    if len(camera.params) != len(result.params):
        raise CameraError(
            f"camera model {camera.model} takes {len(result.params)} parameters ({result.params_info}), "
            f"got {len(camera.params)}"
        )
    result.params = list(camera.params)
    focal = np.asarray(result.params)[result.focal_length_idxs()]
    if not (focal > 0).all():
        raise CameraError(f"camera model {camera.model}: focal length must be positive, got {focal.tolist()}")
    return result


def pixel_rays(camera: Camera, samples: int = 1) -> tuple[Float32[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"]]:
    """Unit ray directions in camera axes through a grid of samples x samples points a pixel, and which are defined.

    H = height * samples, W = width * samples. Sub-sample (i, j) of a pixel is at ((j + 0.5) / samples, (i + 0.5) /
    samples) inside it, so one sample hits the centre. A ray is undefined where the lens model can't be inverted
    (outside an omnidirectional image, or past the turning point of a distortion polynomial); it is then (0, 0, 0).
    """
    rays, defined = _pixel_rays(camera, samples)
    return rays, defined


@lru_cache(maxsize=3)
def _pixel_rays(camera: Camera, samples: int) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(camera, WarpedCamera):
        # Between its lens's own rays, a fraction of a pixel apart: each photo's warp is another one, the lens is not.
        rays, defined = between_rays(*_pixel_rays(camera.lens(), samples), samples, np.array(camera.warp))
        rays.flags.writeable = False
        return rays, defined
    rows = (np.arange(camera.height * samples) + 0.5) / samples
    cols = (np.arange(camera.width * samples) + 0.5) / samples
    points = np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2)
    rays = rays_through(camera, points)
    # An iterative lens inversion may stop at a wrong place without saying so: a ray counts only if it projects back.
    back = project(camera, np.where(np.isfinite(rays), rays, 0.0))
    defined = np.all(np.isfinite(rays), axis=1) & np.all(np.abs(back - points) < 0.05, axis=1)
    rays = np.where(defined[:, None], rays, 0.0).astype(np.float32)
    shape = (camera.height * samples, camera.width * samples)
    rays.flags.writeable = False
    return rays.reshape(*shape, 3), defined.reshape(shape)


def rays_through(camera: Camera, points: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 3"]:
    """Unit directions in camera axes through image points (pixels, x then y); NaN where the model has none."""
    if isinstance(camera, WarpedCamera):
        points = points + warped_by(points, (camera.width, camera.height), np.array(camera.warp))
    return np.asarray(colmap_camera(camera).cam_ray_from_img(np.ascontiguousarray(points)), dtype=np.float64)


def project(camera: Camera, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 2"]:
    """Image points (pixels, x then y) of points in camera axes; NaN for points that the camera can't image."""
    image_points = colmap_camera(camera).img_from_cam(np.ascontiguousarray(points, dtype=np.float64))
    image_points = np.asarray(image_points, dtype=np.float64).reshape(-1, 2)
    if isinstance(camera, WarpedCamera):
        return unwarped(image_points, (camera.width, camera.height), np.array(camera.warp))
    return image_points


def invert_pose(pose: Pose) -> Pose:
    """The inverse of a rigid 4x4 motion, exact in its structure (transpose, not a matrix solve)."""
    result = np.eye(4)
    result[:3, :3] = pose[:3, :3].T
    result[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return result


def camera_centre(cam_from_world: Pose) -> Float64[np.ndarray, "3"]:
    """Where the camera stands, in world space."""
    return invert_pose(cam_from_world)[:3, 3]


def transform(a_from_b: Pose, points: Points) -> Points:
    """Points in frame a from points in frame b."""
    return points @ a_from_b[:3, :3].T + a_from_b[:3, 3]


def nearest_rotation(matrix: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 3"]:
    """The rotation nearest to a 3x3 matrix (Frobenius norm), by SVD; its determinant is +1."""
    u, _, vt = np.linalg.svd(matrix)
    return u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt


def face_areas(vertices: Float[np.ndarray, "n d"], faces: np.ndarray) -> Float64[np.ndarray, " f"]:
    """Area of each triangle; the vertices may have 2 coordinates (signed area) or 3 (area >= 0)."""
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    if vertices.shape[1] == 2:
        (ux, uy), (vx, vy) = (b - a).T, (c - a).T
        return 0.5 * (ux * vy - uy * vx)
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def resize_camera(camera: Camera, width: int, height: int) -> Camera:
    """The same lens over an image scaled to width x height pixels. Raises CameraError as `check_camera` does."""
    resized = copy.copy(colmap_camera(camera))
    resized.rescale(width, height)
    params = tuple(float(value) for value in resized.params)
    if not isinstance(camera, WarpedCamera):
        return Camera(camera.model, width, height, params)
    warp = np.array(camera.warp) * (width / camera.width, height / camera.height)
    return WarpedCamera(camera.model, width, height, params, as_warp(warp))


def depth_camera(view: View, width: int, height: int) -> Camera:
    """The camera that a view's depth map of width x height pixels is seen through: its own, else the photo's, scaled.

    Raises CameraError: the sizes are of different shapes.
    """
    stated = view.depth.camera if view.depth is not None and view.depth.camera is not None else view.camera
    if (stated.width, stated.height) == (width, height):
        return stated
    if not same_shape((stated.width, stated.height), (width, height)):
        raise CameraError(
            f"{view.name}: the depth map is {width}x{height}, its camera {stated.width}x{stated.height}: another shape"
        )
    return resize_camera(stated, width, height)


def depth_from_world(view: View) -> Pose:
    """The pose of the camera that a view's depth map is seen through."""
    if view.depth is None or view.depth.cam_from_depth is None:
        return view.cam_from_world
    return invert_pose(view.depth.cam_from_depth) @ view.cam_from_world


def same_shape(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether one size scales to the other to within a pixel of the smaller one."""
    (width, height), (w, h) = (a, b) if a[0] <= b[0] else (b, a)
    return abs(h * width / w - height) <= 1 or abs(w * height / h - width) <= 1


def pinhole(camera: Camera) -> tuple[float, float, float, float] | None:
    """Focal lengths and principal point (fx, fy, cx, cy), in pixels, of a lens that maps as a pinhole does; else None.

    That is PINHOLE, SIMPLE_PINHOLE, and the polynomial models with all distortion 0.
    """
    lens = colmap_camera(camera)
    if isinstance(camera, WarpedCamera):
        return None
    if camera.model not in PINHOLE_IF_UNDISTORTED or any(camera.params[i] for i in lens.extra_params_idxs()):
        return None
    focal, (cx, cy) = focal_and_centre(camera)
    return focal[0], focal[-1], cx, cy


def model_names() -> dict[int, str]:
    """COLMAP's camera model names by the numbers that stand for them in binary files."""
    return {int(pycolmap.CameraModelId.__members__[name]): name for name in camera_models()}


@lru_cache(maxsize=64)
def parameter_count(model: str) -> int:
    """How many parameters a camera model takes."""
    return len(pycolmap.Camera.create_from_model_name(1, model, 1.0, 1, 1).params)


def focal_and_centre(camera: Camera) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Focal lengths (one or two) and principal point (x, y) in pixels; both empty for lenses that have none."""
    lens = colmap_camera(camera)
    params = [float(value) for value in lens.params]
    focal = tuple(params[i] for i in lens.focal_length_idxs())
    return focal, tuple(params[i] for i in lens.principal_point_idxs())
