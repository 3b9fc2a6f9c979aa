"""Better cameras: poses and lenses under which the photos of a capture agree on its mesh, and views aligned to a texture.

`refine_cameras` works on photos and mesh alone, before a texture is fitted; `Aligner` on a finished texture.
"""

from neuraltexgen.refine.align import Aligned, Aligner
from neuraltexgen.refine.cameras import RefinedCameras, RefinedRig, refine_cameras, refine_rig, rig_of
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh

__all__ = [
    "Aligned",
    "Aligner",
    "RefinedCameras",
    "RefinedRig",
    "Rig",
    "ThroughMesh",
    "refine_cameras",
    "refine_rig",
    "rig_of",
]
