"""Better cameras: poses and lenses under which a capture's photos agree on its mesh; views aligned to a texture.

`refined_scene` works on photos and mesh alone, before a texture is fitted; `fit_refined` fits, and aligns the held-out
views to the texture.
"""

from neuraltexgen.refine.align import Aligned, Aligner
from neuraltexgen.refine.cameras import RefinedCameras, RefinedRig, refine_cameras, refine_rig, rig_of
from neuraltexgen.refine.heldout import AlignedScores, AlignedViews, Preparing, align_views, score_aligned
from neuraltexgen.refine.run import fit_refined, refined_scene
from neuraltexgen.refine.stored import cached_cameras
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.refine.warps import Warping

__all__ = [
    "Aligned",
    "AlignedScores",
    "AlignedViews",
    "Aligner",
    "Preparing",
    "RefinedCameras",
    "RefinedRig",
    "Rig",
    "ThroughMesh",
    "Warping",
    "align_views",
    "cached_cameras",
    "fit_refined",
    "refine_cameras",
    "refine_rig",
    "refined_scene",
    "rig_of",
    "score_aligned",
]
