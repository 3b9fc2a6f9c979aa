"""A capture with depth in, a clean mesh out: fusion, pieces removed, faces to a budget."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from neuraltexgen.errors import MeshError, ReconstructError
from neuraltexgen.files import content_key
from neuraltexgen.meshes import WRITERS, read_mesh, write_mesh
from neuraltexgen.meshes.through_open3d import decimate, open3d
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.reconstruct.clean import Cleaned, clean, face_budget
from neuraltexgen.reconstruct.frames import depth_sources
from neuraltexgen.reconstruct.fusion import Fused, fuse
from neuraltexgen.reconstruct.settings import MeshSettings, ReconstructSettings
from neuraltexgen.scene import Mesh, Scene, View
from neuraltexgen.types import Progress, no_progress

CACHE_VERSION = 1
"""Part of every cache key: raise it when fusion computes something else."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A mesh made of a scene's depth, and how. `cleaned.mesh` is the surface before its faces were merged."""

    scene: Scene
    mesh: Mesh
    fused: Fused
    cleaned: Cleaned
    seconds: float


def reconstruct_capture(
    capture: Path,
    out: Path,
    settings: ReconstructSettings = ReconstructSettings(),  # noqa: B008  (it is frozen)
    read: ReadOptions = ReadOptions(),  # noqa: B008
    progress: Progress = no_progress,
) -> Reconstruction:
    """Reads a capture with depth, fuses it, and writes the mesh to `out` (.ply, .obj or .off), whole or not at all.

    Raises ReconstructError: no depth maps, Open3D is missing, no surface; MeshError: a suffix that can't be written;
    and what `read_capture` raises.
    """
    if out.suffix.lower() not in WRITERS:
        raise MeshError(f"{out}: can't write this mesh format", fix=f"one of {', '.join(WRITERS)}")
    open3d()
    scene = read_capture(capture, read)
    result = reconstruct_scene(scene, settings, progress)
    write_mesh(out, result.mesh)
    return result


def reconstruct_scene(scene: Scene, settings: ReconstructSettings, progress: Progress = no_progress) -> Reconstruction:
    """The same for a scene in memory, without writing. Raises ReconstructError as `reconstruct_capture` does."""
    began = time.monotonic()
    sources, without = depth_sources(scene.views)
    if not sources:
        raise ReconstructError(
            f"{scene.format}: none of the {len(scene.views)} views of {scene.name} has a depth map",
            fix="a mesh from another program with --mesh FILE; docs/formats.md says where depth is looked for",
        )
    fused = fuse(sources, settings.fusion, progress)
    fused = replace(fused, skipped=(*without, *fused.skipped))
    return _finished(scene, fused, settings.mesh, began, progress)


def cached_mesh(scene: Scene, settings: ReconstructSettings, cache: Path, progress: Progress) -> tuple[Mesh, str]:
    """The scene's mesh from its depth, and a note on it; from the cache if the same was made before."""
    key = content_key(CACHE_VERSION, repr(settings), [_view_key(view) for view in scene.views])
    path = cache / f"reconstructed-{key}.ply"
    if not path.is_file():
        write_mesh(path, reconstruct_scene(scene, settings, progress).mesh)
    mesh = read_mesh(path).mesh
    return mesh, f"the mesh ({len(mesh.faces):,} faces) was fused from the capture's depth maps"


def _finished(scene: Scene, fused: Fused, settings: MeshSettings, began: float, progress: Progress) -> Reconstruction:
    [cleaned] = [
        clean(fused.mesh, settings.least_size * fused.voxel, settings.least_share)
        for _ in progress(range(1), "clean mesh", 1)
    ]
    budget = settings.faces or face_budget(cleaned.mesh, settings.edge * fused.voxel, settings.most_faces)
    [mesh] = [decimate(cleaned.mesh, budget, settings.boundary_weight) for _ in progress(range(1), "merge faces", 1)]
    mesh = clean(mesh, 0.0, 0.0).mesh
    return Reconstruction(scene, mesh, fused, cleaned, time.monotonic() - began)


def _view_key(view: View) -> str:
    """A hash of what a view's part in the mesh depends on; its files are in memory no longer than this takes."""
    depth = view.depth
    if depth is None:
        return content_key(view.name)
    with depth.path.open("rb") as opened:
        opened.seek(depth.blob.at if depth.blob else 0)
        data = opened.read(depth.blob.length if depth.blob else -1)
    others = [file.read_bytes() for file in (view.photo, view.mask, depth.mask) if file is not None]
    stated = (
        repr(view.camera),
        repr(depth.camera),
        repr(depth.blob),
        depth.unit,
        list(depth.invalid),
        view.exif_upright,
    )
    return content_key(view.name, view.cam_from_world, depth.cam_from_depth, stated, data, others)
