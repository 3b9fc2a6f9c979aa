"""Held-out views scored where the finished texture says that they stand, beside where their capture says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from neuraltexgen.evaluate import ViewScore, score_view
from neuraltexgen.fall_off import Correction
from neuraltexgen.metrics import Score, mean_score
from neuraltexgen.refine.align import AS_IT_IS, Aligned, Aligner
from neuraltexgen.refine.through_mesh import ThroughMesh
from neuraltexgen.scene import Mesh, View
from neuraltexgen.types import Image, Mask, Progress, no_progress
from neuraltexgen.uvmap.render import Renderer
from neuraltexgen.view_cache import ViewSettings, prepare_views
from neuraltexgen.views import Views


@dataclass(frozen=True, eq=False)
class AlignedViews:
    """Views aligned to a texture, in the order given; those that can't be have the pose that they came with.

    `found`: what was found of each. `paths`: the views prepared at these poses, for `views.Views`.
    """

    views: tuple[View, ...]
    found: tuple[Aligned, ...]
    paths: tuple[Path, ...]

    @property
    def unaligned(self) -> tuple[str, ...]:
        """Names of the views that could not be aligned."""
        return tuple(view.name for view, found in zip(self.views, self.found, strict=True) if found.pose is None)


@dataclass(frozen=True, eq=False)
class AlignedScores:
    """`scores` of `aligned`'s views, at the poses found."""

    aligned: AlignedViews
    scores: tuple[ViewScore, ...]

    @property
    def mean(self) -> Score:
        """The mean over views."""
        return mean_score([s.score for s in self.scores])


@dataclass(frozen=True)
class Preparing:
    """How views are prepared: what `view_cache.prepare_views` takes besides them. `mesh` is what `key` names."""

    mesh: Mesh
    renderer: Renderer
    key: str
    settings: ViewSettings
    cache: Path


def align_views(
    views: Sequence[View],
    texture: Image,
    how: Preparing,
    progress: Progress = no_progress,
    far: bool = True,
    corrections: Mapping[str, Correction] | None = None,
) -> AlignedViews:
    """Aligns each view to the textured mesh, and prepares it there. `far`: see `Aligner.align`. `corrections`: by name,
    what is put right in a view's photo.

    Raises ImageError: a photo that can't be read.
    """
    aligner = Aligner(ThroughMesh(how.mesh), how.renderer, texture)
    right = corrections or {}
    found = tuple(aligner.align(v, far, right.get(v.name, AS_IT_IS)) for v in progress(views, "align", len(views)))
    moved = tuple(v if f.pose is None else replace(v, cam_from_world=f.pose) for v, f in zip(views, found, strict=True))
    paths = prepare_views(moved, how.renderer, how.key, how.settings, how.cache, progress)
    return AlignedViews(moved, found, tuple(paths))


def score_aligned(
    aligned: AlignedViews,
    texture: Image,
    seen: Mask,
    fitted: Views,
    progress: Progress = no_progress,
    corrections: Mapping[str, Correction] | None = None,
) -> AlignedScores:
    """The figures of the aligned views, as `score_view` gives them. `seen`: texels that training views see; `fitted`:
    views of the texture's own fit, whose device and sampling are taken. `corrections`: by name, what is put right in a
    view's photo.
    """
    device = fitted.device
    texels = torch.from_numpy(np.ascontiguousarray(texture)).to(device)
    given = corrections or {}
    right = {path: given[view.name] for path, view in zip(aligned.paths, aligned.views) if view.name in given}
    known, views = torch.from_numpy(seen).to(device), Views(aligned.paths, device, 0, fitted.taps, corrections=right)
    return AlignedScores(
        aligned, tuple(score_view(texels, views[i], known) for i in progress(range(len(views)), "score", len(views)))
    )
