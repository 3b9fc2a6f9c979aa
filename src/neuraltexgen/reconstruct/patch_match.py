"""A dense cloud by COLMAP's own PatchMatch stereo, which needs a CUDA card and a build of pycolmap with CUDA."""

import shutil
from pathlib import Path

import numpy as np
import pycolmap

from neuraltexgen.errors import ReconstructError
from neuraltexgen.reconstruct.cloud import Cloud, thin
from neuraltexgen.reconstruct.dense import FOOTPRINTS, DenseCloud
from neuraltexgen.reconstruct.sparse import SparseModel
from neuraltexgen.reconstruct.watch import watched
from neuraltexgen.types import Progress, no_progress


def has_patch_match() -> bool:
    """Whether this pycolmap was built with CUDA and finds a card."""
    return bool(pycolmap.has_cuda)


def patch_match_cloud(
    sparse: SparseModel,
    model: pycolmap.Reconstruction,
    photos: Path,
    cache: Path,
    longest: int,
    progress: Progress = no_progress,
) -> DenseCloud:
    """Undistorts the photos, matches them with geometric consistency, and fuses the depth maps.

    `photos`: the folder that the names of the model's images are in. Finished depth maps in `cache` are kept: COLMAP
    goes on where it was stopped. Raises ReconstructError: no CUDA, or COLMAP fails.
    Source: Schönberger et al., Pixelwise View Selection for Unstructured Multi-View Stereo, 2016.
    """
    if not has_patch_match():
        raise ReconstructError("PatchMatch stereo needs a pycolmap that was built with CUDA", fix="--surface stereo")
    workspace, count = cache / "patch_match", model.num_reg_images()
    sources = cache / "patch_match_model"
    if not (workspace / "undistorted").exists():
        shutil.rmtree(workspace, ignore_errors=True)
        sources.mkdir(parents=True, exist_ok=True)
        model.write(sources)
        undistort = pycolmap.UndistortCameraOptions(max_image_size=longest)
        watched(
            lambda token: pycolmap.undistort_images(
                workspace, sources, photos, undistort_options=undistort, cancellation_token=token
            ),
            lambda: _count(workspace / "images"),
            "undistort",
            count,
            progress,
        )
        (workspace / "undistorted").touch()
    options = pycolmap.PatchMatchOptions(max_image_size=longest, geom_consistency=True)
    depth = workspace / "stereo" / "depth_maps"
    watched(
        lambda token: pycolmap.patch_match_stereo(workspace, options=options, cancellation_token=token),
        lambda: _count(depth),
        "match views",
        2 * count,  # a photometric and a geometric depth map each
        progress,
    )
    fused = watched(
        lambda token: pycolmap.stereo_fusion(
            workspace / "fused.ply", workspace, output_type="PLY", cancellation_token=token
        ),
        lambda: 0,
        "join views",
        1,
        progress,
    )
    return _dense(sparse, fused, workspace / "fused.ply", longest)


def _dense(sparse: SparseModel, fused: pycolmap.Reconstruction, ply: Path, longest: int) -> DenseCloud:
    points = _read_fused(ply)
    if not len(points.points):
        raise ReconstructError("PatchMatch stereo found no depth that views agree on", fix="--surface stereo or sparse")
    # What a pixel of the matched pictures sees, from the sparse points' depths.
    sizes = []
    for i, view in enumerate(sparse.views):
        seen = sparse.points[sparse.seen_by(i)] @ view.cam_from_world[2, :3] + view.cam_from_world[2, 3]
        shrink = min(1.0, longest / max(view.camera.width, view.camera.height))
        if len(seen):
            sizes.append(float(np.median(seen)) / (view.camera.params[0] * shrink))
    cell = FOOTPRINTS * float(np.median(sizes))
    return DenseCloud(thin([points], cell), cell, tuple(1.0 for _ in range(fused.num_reg_images())))


def _read_fused(ply: Path) -> Cloud:
    """COLMAP's fused.ply: floats x y z nx ny nz, bytes red green blue. Raises ReconstructError: anything else."""
    data = ply.read_bytes()
    end = data.find(b"end_header\n")
    kinds = np.dtype([("p", "<f4", 3), ("n", "<f4", 3), ("c", "u1", 3)])
    body = data[end + len(b"end_header\n") :]
    if end < 0 or len(body) % kinds.itemsize:
        raise ReconstructError(f"{ply} is not the cloud that COLMAP writes")
    table = np.frombuffer(body, kinds)
    good = np.isfinite(table["p"]).all(axis=1) & (np.abs(table["n"]).sum(axis=1) > 0)
    return Cloud(table["p"][good].astype(np.float64), table["n"][good].astype(np.float64), table["c"][good].copy())


def _count(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
