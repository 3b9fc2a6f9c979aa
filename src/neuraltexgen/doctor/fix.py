"""The corrected capture: cameras and poses put right, the mesh moved, photos turned where that is what was wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from neuraltexgen.convert import Target, check_target, write_scene
from neuraltexgen.doctor.candidate import Candidate
from neuraltexgen.errors import CameraError, ConfigError
from neuraltexgen.scene import Mesh, Scene, View
from neuraltexgen.types import Pose, Progress, no_progress


def write_corrected(
    scene: Scene, candidate: Candidate, out: Path, to: Target = "auto", progress: Progress = no_progress
) -> Scene:
    """Writes the scene as the candidate understands it, as `convert` writes captures; returns it.

    Photos and masks are copied, or turned exactly and stored as PNG; the mesh's vertices are moved.
    Raises ConfigError: `out` is not empty or contradicts `to`; ExportError as `convert_capture`.
    """
    check_target(out, to)
    return write_scene(corrected_scene(scene, candidate), out, to, progress, candidate.turn)


def corrected_scene(scene: Scene, candidate: Candidate) -> Scene:
    """The scene with the candidate's cameras, poses and mesh; its photos are still to be turned by `candidate.turn`.

    Raises ConfigError: a pose of the candidate is no rigid motion.
    """
    views: list[View] = []
    for view, camera, pose in zip(scene.views, candidate.cameras, candidate.poses, strict=True):
        try:
            views.append(replace(view, camera=camera, cam_from_world=pose))
        except CameraError as error:
            raise ConfigError(f"the corrected pose can't be written: {error.message}") from error
    mesh = None if scene.mesh is None else moved_mesh(scene.mesh, candidate.world_from_mesh)
    return replace(scene, views=tuple(views), mesh=mesh)


def moved_mesh(mesh: Mesh, world_from_mesh: Pose) -> Mesh:
    """The mesh in the world. A mirroring turns the faces over, so that their fronts stay fronts."""
    if np.array_equal(world_from_mesh, np.eye(4)):
        return mesh
    linear = world_from_mesh[:3, :3]
    vertices = mesh.vertices @ linear.T + world_from_mesh[:3, 3]
    if np.linalg.det(linear) > 0:
        return replace(mesh, vertices=vertices)
    uv_faces = None if mesh.uv_faces is None else np.ascontiguousarray(mesh.uv_faces[:, ::-1])
    return replace(mesh, vertices=vertices, faces=np.ascontiguousarray(mesh.faces[:, ::-1]), uv_faces=uv_faces)
