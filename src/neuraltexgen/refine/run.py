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
from neuraltexgen.refine.warps import Warping
from neuraltexgen.refine.worth import worth_refining
from neuraltexgen.scene import Scene
from neuraltexgen.training import Clock, Trained, train_and_score
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.types import Progress, no_progress


def refined_scene(
    scene: Scene,
    holdout: str,
    cache: Path,
    progress: Progress = no_progress,
    always: bool = True,
    warps: Warping = "never",
) -> tuple[Scene, RefinedCameras | None]:
    """The scene with refined cameras of all views but the held-out ones; itself and None where they stay as given.

    Unless `always`, they are refined only where some photos say that it helps, see `worth`. `warps`: see
    `refine_cameras`. Notes say so, which views can't be aligned and are to be left out (`RefinedCameras.lost`), and
    which stay as given.

    Raises MeshError: the scene has no mesh, and `always`; and what `refine_cameras` and `held_out` raise.
    """
    if scene.mesh is None and not always:
        return scene, None
    if scene.mesh is None:
        raise MeshError(f"{scene.name} has no mesh that cameras could be refined against", fix="--mesh FILE")
    held = held_out([view.name for view in scene.views], holdout)
    chosen = [i for i in range(len(scene.views)) if i not in held]
    notes = list(scene.notes)
    if not always:
        worth = worth_refining(scene.views, chosen, scene.mesh, progress)
        if not worth.helps:
            return scene, None
        notes.append(
            f"the cameras are off and were refined: {worth.asked} photos differ by {255 * worth.before:.1f} of 255 at "
            f"the same places, and by {255 * worth.after:.1f} where their cameras agree (--refine none leaves them)"
        )
    found = cached_cameras(scene.views, chosen, scene.mesh, cache, progress, warps)
    warped = found.found.warped
    if warps == "worth" and warped is not None and warped.worth:
        notes.append(
            f"photos are warped a little, too: at places that no warp was fitted to they differ by "
            f"{255 * warped.after:.1f} of 255 in place of {255 * warped.before:.1f} (--refine cameras leaves them)"
        )
    lost = set(found.lost)
    stay = [name for name in found.unplaced if name not in lost]
    for names, what in ((lost, "can't be aligned and are left out"), (stay, "say too little and stay as given")):
        if names:
            notes.append(f"{len(names)} of {len(chosen)} views {what} (first: {min(names)})")
    return replace(scene, views=found.views, notes=tuple(notes)), found


def fit_refined(
    scene: Scene,
    train: TrainSettings,
    paths: Sequence[Path],
    how: Preparing,
    progress: Progress = no_progress,
    clock: Clock | None = None,
    far: bool = True,
) -> tuple[Trained, AlignedScores | None]:
    """The fit of a scene with refined cameras, prepared as `paths`; its held-out views aligned to the texture.

    `far`: these may stand many pixels from where they belong.
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
        right = {names[i]: trained.views.corrections.get(path) for i, path in enumerate(trained.views.files)}
        given = {name: correction for name, correction in right.items() if correction is not None}
        held = align_views([scene.views[i] for i in trained.held], np.clip(texture, 0, 1), how, progress, far, given)
        aligned = score_aligned(held, texture, trained.seen, trained.views, progress, given)
    if train.final_fit:
        moved = dict(zip(trained.held, held.paths, strict=True))
        there = [moved.get(i, path) for i, path in enumerate(paths)]
        final = replace(first, holdout="none", style=train.style)
        last = train_and_score(there, names, final, cache / "final", how.mesh, progress, clock)
        trained = replace(
            trained,
            settings=replace(trained.settings, style=train.style),
            result=last.result,
            transients=last.transients,
            equalised=last.equalised,
            blurs=last.blurs,
        )
    return trained, aligned
