"""Meshes for captures that have none: depth maps fused into a surface."""

from neuraltexgen.reconstruct.capture import Reconstruction, cached_mesh, reconstruct_capture, reconstruct_scene
from neuraltexgen.reconstruct.frames import Frame, Source, depth_sources
from neuraltexgen.reconstruct.fusion import Fused, fuse
from neuraltexgen.reconstruct.settings import FusionSettings, MeshSettings, ReconstructSettings

__all__ = [
    "Frame",
    "Fused",
    "FusionSettings",
    "MeshSettings",
    "ReconstructSettings",
    "Reconstruction",
    "Source",
    "cached_mesh",
    "depth_sources",
    "fuse",
    "reconstruct_capture",
    "reconstruct_scene",
]
