"""Depth frames in, one surface out: survey, choose the voxel, average every frame into the volume, extract."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from neuraltexgen.errors import CameraError, ConfigError, ImageError, ReconstructError
from neuraltexgen.machine import GIB, memory_budget
from neuraltexgen.meshes.through_open3d import open3d
from neuraltexgen.reconstruct.frames import Source
from neuraltexgen.reconstruct.settings import FusionSettings
from neuraltexgen.reconstruct.survey import Survey, count_blocks, survey
from neuraltexgen.reconstruct.volume import BLOCK, BLOCK_BYTES, MOST_FRAMES, Volume
from neuraltexgen.scene import LeftOut, Mesh
from neuraltexgen.types import Progress, no_progress

PIXELS_A_VOXEL = 3.0
"""A voxel is what so many pixels cover at the median depth: finer ones would hold single readings."""

NOISE_A_VOXEL = 2.0
"""Or so many standard deviations of the depth, if that is more."""

MESH_BYTES = 8 * 1024
"""For the extracted mesh and its copies, on average per block."""

UNSEEN = 1.3
"""Blocks in use over blocks counted on the surveyed frames: what lies between them and between sampled pixels."""


@dataclass(frozen=True, eq=False)
class Fused:
    """The fused surface and how it came about. `skipped` frames could not be used; `depth_max` and `voxel` as used."""

    mesh: Mesh
    used: int
    skipped: tuple[LeftOut, ...]
    voxel: float
    depth_max: float
    least_views: int
    blocks: int
    device: str
    notes: tuple[str, ...] = ()


def fuse(sources: Sequence[Source], settings: FusionSettings, progress: Progress = no_progress) -> Fused:
    """Fuses depth frames into one surface with vertex colours. Frames are read one at a time, twice at most.

    A frame that can't be read, or has no depth in range, is skipped and counted. If the volume does not fit into the
    memory, the voxels are made larger, with a note.
    Raises ReconstructError: Open3D is missing, no frame can be used, no surface was found; ConfigError: a `device` that
    is not there.
    """
    if not sources:
        raise ReconstructError("there are no depth frames to fuse")
    device, notes = _device(settings.device)
    if len(sources) > MOST_FRAMES:
        kept = sources[:: -(-len(sources) // MOST_FRAMES)]
        notes.append(f"{len(kept)} of {len(sources)} depth frames are fused, evenly chosen: more can't be counted")
        sources = kept
    found = survey(sources, settings.depth_max, progress)
    voxel, blocks, coarser = plan_voxel(found, settings, len(sources))
    volume = Volume(voxel, settings.truncation, blocks, found.origin, device)
    used, skipped = 0, []
    for source in progress(sources, "fuse depth", len(sources)):
        try:
            if volume.integrate(source.read(), found.depth_max):
                used += 1
            else:
                skipped.append(LeftOut(source.name, f"no depth within {found.depth_max:.4g}"))
        except (ImageError, CameraError) as error:
            skipped.append(LeftOut(source.name, error.message))
    least = settings.least_views or least_views(used)
    mesh = volume.mesh(least)
    facts = {"voxel": voxel, "depth_max": found.depth_max, "least_views": least, "blocks": volume.blocks}
    return Fused(mesh, used, tuple(skipped), **facts, device=device, notes=(*notes, *coarser))


def plan_voxel(found: Survey, settings: FusionSettings, frames: int) -> tuple[float, int, tuple[str, ...]]:
    """The voxel's side, how many blocks it will take, and a note if the memory made it larger than wished.

    Raises ReconstructError if even voxels of a tenth of the median depth don't fit.
    """
    wished = settings.voxel or max(PIXELS_A_VOXEL * found.pixel, NOISE_A_VOXEL * found.noise)
    budget = memory_budget(settings.memory, torch.device("cpu"))
    most = max(1, budget // (BLOCK_BYTES + MESH_BYTES))
    voxel = wished
    while True:
        blocks = int(UNSEEN * count_blocks(found, BLOCK * voxel, settings.truncation * voxel))
        if blocks <= most:
            break
        voxel *= max(1.05, float(np.sqrt(blocks / most)))
        if voxel > max(wished, found.depth / 10):
            raise ReconstructError(
                f"the surfaces of {frames} frames need {blocks:,} blocks even with voxels of {voxel:.3g}, and "
                f"{budget / GIB:.2g} GiB hold {most:,}",
                fix="a larger --memory, or --depth-max to leave out what is far",
            )
    if voxel == wished:
        return voxel, blocks, ()
    note = f"voxels are {voxel:.4g} instead of {wished:.4g}, to keep within {budget / GIB:.3g} GiB (--memory)"
    return voxel, blocks, (note,)


def least_views(frames: int) -> int:
    """How many frames must have seen a voxel: 3 of a sequence, fewer where there are few frames to see anything."""
    return 1 if frames < 12 else 2 if frames < 100 else 3


def _device(name: str) -> tuple[str, list[str]]:
    """Open3D's name of the device, and a note if it is not what one would think."""
    cuda = open3d().core.cuda
    there = bool(cuda.is_available()) and cuda.device_count() > 0
    if name == "cpu":
        return "CPU:0", []
    if name == "auto":
        if there:
            return "CUDA:0", []
        card = torch.cuda.is_available()
        return "CPU:0", ["this build of Open3D has no CUDA: fused on the processor"] if card else []
    index = name.removeprefix("cuda").removeprefix(":") or "0"
    if not name.startswith("cuda") or not index.isdecimal():
        raise ConfigError(f"--device {name}: no such device", fix="auto, cpu, cuda or cuda:1")
    if not there or int(index) >= cuda.device_count():
        # Open3D's CPU wheels know no CUDA even where PyTorch does: the result is the same, so this stops nothing.
        return "CPU:0", [f"--device {name}: Open3D has no such device here, fused on the processor"]
    return f"CUDA:{index}", []
