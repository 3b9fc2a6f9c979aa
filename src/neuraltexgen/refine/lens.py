"""Lenses as functions of their parameters: derivatives for every camera model, richer models, which parameters move."""

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from neuraltexgen.geometry import check_camera, colmap_camera, project
from neuraltexgen.scene import Camera

STEP = 1e-6
"""Relative step of central differences: truncation and rounding are both near 1e-10 then."""

FOR_FOCAL, FOR_LENS = 3, 12
"""Views of one camera from which its focal length can be told, and its principal point and distortion."""

Freed = Literal["focal", "centre", "distortion"]
"""What of a lens may move: focal lengths; the principal point; all other parameters."""

RICHER = "OPENCV"
"""Two focal lengths, two radial and two tangential terms: what ordinary lenses are calibrated with."""

PLAIN = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL")
"""Models that are a special case of the richer one."""


def lens_derivatives(
    camera: Camera, points: Float64[np.ndarray, "n 3"]
) -> tuple[Float64[np.ndarray, "n 2 3"], Float64[np.ndarray, "n 2 k"]]:
    """How image points (pixels) move with points in camera axes, and with the camera's k parameters.

    By central differences of pycolmap's projection in double precision, so that every model is served alike. NaN where
    a point has no image.
    """
    size = np.linalg.norm(points, axis=1, keepdims=True)
    by_point = np.empty((len(points), 2, 3))
    for axis in range(3):
        shift = STEP * size * np.eye(3)[axis]
        by_point[:, :, axis] = (project(camera, points + shift) - project(camera, points - shift)) / (2 * STEP * size)
    by_params = np.empty((len(points), 2, len(camera.params)))
    for k, value in enumerate(camera.params):
        step = STEP * max(abs(value), 1.0)
        ahead, behind = (project(_with(camera, k, value + s), points) for s in (step, -step))
        by_params[:, :, k] = (ahead - behind) / (2 * step)
    return by_point, by_params


def ray_derivatives(
    by_point: Float64[np.ndarray, "n 2 3"], by_params: Float64[np.ndarray, "n 2 k"]
) -> Float64[np.ndarray, "n 3 k"]:
    """How the ray through a fixed image point turns with the lens's parameters, from `lens_derivatives` at the ray.

    The image point stays where it is: J dX + K dp = 0, and of all solutions the one across the ray is taken (the
    pseudo-inverse of J, whose null space is the ray itself).
    """
    square = by_point @ by_point.swapaxes(1, 2)
    return -by_point.swapaxes(1, 2) @ np.linalg.solve(square, by_params)


def enriched(camera: Camera) -> Camera:
    """The same lens as OPENCV, with no distortion that it had not before; models that are no special case stay."""
    if camera.model not in PLAIN:
        return camera
    old = dict(zip(parameter_names(camera), camera.params, strict=True))
    focal = old.get("f", 0.0)
    radial = old.get("k", old.get("k1", 0.0))
    params = (old.get("fx", focal), old.get("fy", focal), old["cx"], old["cy"], radial, old.get("k2", 0.0), 0.0, 0.0)
    return Camera(RICHER, camera.width, camera.height, params)


def parameter_names(camera: Camera) -> tuple[str, ...]:
    """COLMAP's names of the model's parameters, in order."""
    return tuple(name.strip() for name in colmap_camera(camera).params_info.split(","))


def free_parameters(camera: Camera, freed: Collection[Freed]) -> Bool[np.ndarray, " k"]:
    """Which of a camera's parameters may move."""
    lens = colmap_camera(camera)
    groups: dict[Freed, list[int]] = {
        "focal": list(lens.focal_length_idxs()),
        "centre": list(lens.principal_point_idxs()),
        "distortion": list(lens.extra_params_idxs()),
    }
    result = np.zeros(len(camera.params), bool)
    for name in freed:
        result[groups[name]] = True
    return result


def told_parameters(camera: Camera, views: int, freed: Collection[Freed]) -> Bool[np.ndarray, " k"]:
    """Those of `free_parameters` that so many views of the camera can tell: none, the focal length, or all."""
    allowed = {"focal"} if views < FOR_LENS else {"focal", "centre", "distortion"}
    return free_parameters(camera, [name for name in freed if name in allowed and views >= FOR_FOCAL])


def parameter_spread(camera: Camera) -> Float64[np.ndarray, " k"]:
    """How far each parameter may be from what is stated, as a standard deviation: a weak prior.

    A tenth of the focal length, a fiftieth of the photo's size for the principal point, and 0.1 for distortion.
    """
    lens = colmap_camera(camera)
    result = np.full(len(camera.params), 0.1)
    result[list(lens.focal_length_idxs())] = 0.1 * np.mean([camera.params[i] for i in lens.focal_length_idxs()] or [1])
    result[list(lens.principal_point_idxs())] = 0.02 * max(camera.width, camera.height)
    return result


def is_lens(camera: Camera) -> bool:
    """Whether the parameters make a lens: finite, focal lengths positive and not ten times off the photo's size."""
    if not np.isfinite(camera.params).all():
        return False
    focal = np.array([camera.params[i] for i in colmap_camera(camera).focal_length_idxs()])
    check_camera(camera)
    return bool((focal > 0.05 * camera.width).all())


def _with(camera: Camera, index: int, value: float) -> Camera:
    return replace(camera, params=(*camera.params[:index], value, *camera.params[index + 1 :]))
