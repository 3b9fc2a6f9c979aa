"""Refinement within a run: a scene with better cameras before the fit, and held-out views aligned after it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from neuraltexgen.errors import MeshError
from neuraltexgen.holdout import held_out
from neuraltexgen.refine.cameras import RefinedCameras
from neuraltexgen.refine.heldout import AlignedScores, Preparing, align_views, score_aligned
from neuraltexgen.refine.stored import cached_cameras
from neuraltexgen.scene import Scene
from neuraltexgen.training import Clock, Trained, TrainSettings, train_and_score
from neuraltexgen.types import Progress, no_progress


def refined_scene(
    scene: Scene, holdout: str, cache: Path, progress: Progress = no_progress
) -> tuple[Scene, RefinedCameras]:
    """The scene with refined cameras of all views but the held-out ones; a note says which views stay as given.

    Raises MeshError: the scene has no mesh; and what `refine_cameras` and `held_out` raise.
    """
    if scene.mesh is None:
        raise MeshError(f"{scene.name} has no mesh that cameras could be refined against", fix="--mesh FILE")
    held = held_out([view.name for view in scene.views], holdout)
    chosen = [i for i in range(len(scene.views)) if i not in held]
    found = cached_cameras(scene.views, chosen, scene.mesh, cache, progress)
    notes = list(scene.notes)
    if found.unplaced:
        notes.append(
            f"{len(found.unplaced)} of {len(chosen)} views have too few matches for their camera to be refined and "
            f"stay as given (first: {found.unplaced[0]})"
        )
    return replace(scene, views=found.views, notes=tuple(notes)), found


def fit_refined(
    scene: Scene,
    train: TrainSettings,
    paths: Sequence[Path],
    how: Preparing,
    progress: Progress = no_progress,
    clock: Clock | None = None,
) -> tuple[Trained, AlignedScores | None]:
    """The fit of a scene with refined cameras, prepared as `paths`; its held-out views aligned to the texture.

    They are scored as they are given, and where they were aligned to; None if there are none. A final fit, and a style,
    have them there. Raises what `training.train_and_score` raises.
    """
    clock, cache = clock or Clock(), how.cache.parent
    names = [view.name for view in scene.views]
    first = replace(train, final_fit=False, style=None) if train.final_fit else train
    trained = train_and_score(paths, names, first, cache, how.mesh, progress, clock)
    if not trained.held:
        return trained, None
    with clock.stage("align"):
        texture = trained.result.texture
        held = align_views([scene.views[i] for i in trained.held], np.clip(texture, 0, 1), how, progress)
        right = {names[i]: trained.views.corrections.get(path) for i, path in enumerate(trained.views.files)}
        given = {name: correction for name, correction in right.items() if correction is not None}
        aligned = score_aligned(held, texture, trained.seen, trained.views, progress, given)
    if train.final_fit:
        moved = dict(zip(trained.held, held.paths, strict=True))
        there = [moved.get(i, path) for i, path in enumerate(paths)]
        final = replace(first, holdout="none", style=train.style)
        last = train_and_score(there, names, final, cache / "final", how.mesh, progress, clock)
        trained = replace(trained, settings=replace(trained.settings, style=train.style), result=last.result)
    return trained, aligned
