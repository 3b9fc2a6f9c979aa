"""The subcommand that makes a mesh of a capture that has none."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neuraltexgen.cli.options import Capture, OutFile, Reading
from neuraltexgen.cli.photographs import Photographs, run_photographs
from neuraltexgen.cli.rows import left_out, notes
from neuraltexgen.cli.talk import Talk
from neuraltexgen.reconstruct import (
    FusionSettings,
    MeshSettings,
    Reconstruction,
    ReconstructSettings,
    reconstruct_capture,
)
from neuraltexgen.reconstruct.photos import holds_only_photos

MESH, FOLDER = Path("mesh.ply"), Path("reconstructed")
"""Where the result goes if nothing is said: of depth, and of photos alone."""


@dataclass(frozen=True)
class Reconstruct:
    """Make a mesh of a capture's depth maps (extra open3d); or of photos alone, cameras and mesh (extra stereo)."""

    capture: Capture
    """A capture's folder, or the file that defines it; or a folder of photos without cameras."""
    out: OutFile = MESH
    """The mesh: .ply or .obj with vertex colours, or .off; from photos alone a folder, `reconstructed` if not given."""
    voxel: float | None = None
    """Side of a voxel in world units; chosen from the depth's resolution and noise if not given."""
    truncation: float = 5.0
    """Voxels before and behind a surface in which distances are averaged: more for noisy depth or poses."""
    depth_max: float | None = None
    """Depth beyond is not used; in world units."""
    least_views: int | None = None
    """How many frames must have seen a place before it may carry a surface; 1 to 3 by their number if not given."""
    faces: int | None = None
    """At most so many faces; chosen by the surface's area, up to 200,000, if not given."""
    device: str = "auto"
    """auto (CUDA if Open3D has it), cpu, cuda or cuda:1."""
    memory: float | None = None
    """GiB for the volume, by larger voxels; half the machine's if not given."""
    photographs: Photographs = field(default_factory=Photographs)
    reading: Reading = field(default_factory=Reading)
    talk: Talk = field(default_factory=Talk)

    def settings(self) -> ReconstructSettings:
        """The library's settings."""
        fusion = FusionSettings(
            voxel=self.voxel,
            truncation=self.truncation,
            depth_max=self.depth_max,
            least_views=self.least_views,
            memory=self.memory,
            device=self.device,
        )
        return ReconstructSettings(fusion, MeshSettings(faces=self.faces))

    def run(self) -> None:
        read = self.reading.settings()
        if holds_only_photos(self.capture, read.format):
            out = FOLDER if self.out == MESH else self.out
            settings = self.photographs.settings(self.faces, read.masks)
            run_photographs(self.capture, out, settings, self.photographs.cache, self.talk)
            return
        done = reconstruct_capture(self.capture, self.out, self.settings(), read, self.talk.progress)
        rows = [*_rows(done), *self.talk.files([self.out])]
        rows.append(("next", f"neuraltexgen texture {self.capture} --mesh {self.out}"))
        self.talk.rows(rows, {**_figures(done), "out": str(self.out)})


def _rows(done: Reconstruction) -> list[tuple[str, str]]:
    fused, cleaned = done.fused, done.cleaned
    near = f"depth up to {fused.depth_max:.4g}, places seen by {fused.least_views} frames or more"
    removed = f"{cleaned.pieces:,} pieces ({cleaned.piece_faces:,} faces), {cleaned.broken_faces:,} broken faces"
    return [
        ("frames", f"{fused.used} fused, {len(fused.skipped)} skipped"),
        ("voxels", f"{fused.voxel:.4g} on a side, {fused.blocks:,} blocks, on {fused.device}; {near}"),
        ("removed", removed),
        (
            "mesh",
            f"{len(done.mesh.faces):,} faces of {len(cleaned.mesh.faces):,}, {len(done.mesh.vertices):,} vertices",
        ),
        ("time", f"{done.seconds:.1f} s"),
        *left_out((*done.scene.left_out, *fused.skipped)),
        *notes((*done.scene.notes, *fused.notes)),
    ]


def _figures(done: Reconstruction) -> dict[str, Any]:
    fused, cleaned = done.fused, done.cleaned
    return {
        "frames": fused.used,
        "skipped": {view.name: view.reason for view in (*done.scene.left_out, *fused.skipped)},
        "voxel": fused.voxel,
        "depth_max": fused.depth_max,
        "least_views": fused.least_views,
        "blocks": fused.blocks,
        "device": fused.device,
        "pieces_removed": cleaned.pieces,
        "piece_faces_removed": cleaned.piece_faces,
        "broken_faces_removed": cleaned.broken_faces,
        "fused_faces": len(cleaned.mesh.faces),
        "faces": len(done.mesh.faces),
        "vertices": len(done.mesh.vertices),
        "seconds": done.seconds,
        "notes": [*done.scene.notes, *fused.notes],
    }
