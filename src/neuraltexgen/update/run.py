"""A finished texture with photos added or removed: only their UV maps are made, and only they are looked at."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from neuraltexgen.direct.kept import KeptSums, add_photos, look_at_new, solve_kept
from neuraltexgen.errors import ConfigError
from neuraltexgen.evaluate import SEEN_WEIGHT, grow, score_view
from neuraltexgen.export import export_textured_mesh
from neuraltexgen.fall_off import Correction
from neuraltexgen.fit_types import FitResult
from neuraltexgen.machine import choose_device, memory_budget, view_budget
from neuraltexgen.outcome import pictured
from neuraltexgen.pipeline import Outcome, finished, mesh_key
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Scene, View
from neuraltexgen.seam_tie import find_seam_tie
from neuraltexgen.training import Clock, Trained
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.update.choose import Change, check_poses, choose
from neuraltexgen.update.state import STATE, RunState, load_run, save_run
from neuraltexgen.uvmap.render import make_renderer
from neuraltexgen.view_cache import prepare_views
from neuraltexgen.views import Views


@dataclass(frozen=True)
class UpdateSettings:
    """`add`, `remove`: see `choose.choose`. `capture`: None for the one that the run was made of. `out`: None to update
    the run where it lies. `cache`: a folder with UV maps, those of the run if it had one; None makes a new one.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    capture: Path | None = None
    out: Path | None = None
    device: str = "auto"
    memory: float | None = None
    cache: Path | None = None


def update_run(run: Path, settings: UpdateSettings, progress: Progress = no_progress) -> Outcome:
    """Updates a run that kept its state: solves, fills, scores, exports, and keeps the new state.

    Exposures and weights of fitted photos stay as they are; new photos get theirs by the finished texture.
    Raises ConfigError: no state, a choice that can't be, a capture that is not the run's any more, too little memory.
    """
    clock, device = Clock(), choose_device(settings.device)
    out = settings.out or run
    with clock.stage("read"):
        state = load_run(run, device)
        scene = read_capture(settings.capture or state.capture, state.job.read)
        change = choose(state, scene.views, settings.add, settings.remove)
        check_poses(state, scene.views)
        near, far = _parted(scene, change)
    with clock.stage("UV maps"):
        views = _views(state, near, change, settings, out, progress)
    with clock.stage("gather"):
        state = _changed(state, views, near, change, progress)
    with clock.stage("solve"):
        fit = state.job.train.fit
        texture = solve_kept(state.kept, len(state.fitted), fit, find_seam_tie(state.mesh, fit.texture.size))
    stay = [place for place, view in enumerate(near) if view.name not in change.removed]
    scene = replace(scene, views=(*(near[place] for place in stay), *far), notes=(*scene.notes, *change.notes))
    with clock.stage("score"):
        trained = _scored(state, texture, views.subset(stay), scene, progress)
    outcome = finished(state.job, scene, (state.mesh, state.unwrapped_by), trained, clock)
    with clock.stage("export"):
        files = export_textured_mesh(out, outcome.mesh, outcome.texture, state.job.export)
        save_run(out, replace(state, capture=(settings.capture or state.capture).resolve()))
    return replace(outcome, files=(*files, out / STATE), seconds=dict(clock.seconds))


def _parted(scene: Scene, change: Change) -> tuple[tuple[View, ...], tuple[View, ...]]:
    """The views that are looked at (added, removed, scored, or else shown in the report), and the other fitted ones."""
    shown = () if change.held else pictured(change.fitted)
    looked = {*change.added, *change.removed, *change.held, *shown}
    near = tuple(view for view in scene.views if view.name in looked)
    return near, tuple(view for view in scene.views if view.name in {*change.fitted} - looked)


def _views(
    state: RunState, near: tuple[View, ...], change: Change, settings: UpdateSettings, out: Path, progress: Progress
) -> Views:
    """The views that are looked at, made where they are not cached."""
    cache = (settings.cache or state.job.cache or out / ".cache") / "views"
    renderer = make_renderer(state.mesh, state.job.renderer)
    made = prepare_views(near, renderer, mesh_key(state.mesh), state.job.views, cache, progress)
    before = dict(zip(state.fitted, state.files, strict=True))
    changed = [v.name for v, file in zip(near, made) if v.name in change.removed and file.name != before[v.name]]
    if changed:
        raise ConfigError(
            f"{len(changed)} of {len(change.removed)} photos to remove have changed since they were fitted, so their "
            f"part can't be told any more (first: {changed[0]!r})",
            fix="texture the capture anew, without them",
        )
    device, largest = state.kept.anchor.device, max(file.stat().st_size for file in made)
    views = Views(made, device, view_budget(memory_budget(settings.memory, device), _bytes(state.kept), largest))
    right = {file: state.correction(view) for file, view in zip(made, near, strict=True)}
    hidden = {file: state.hidden[v.name] for file, v in zip(made, near) if v.name in state.hidden}
    return views.hiding(hidden).correcting({file: what for file, what in right.items() if what != Correction()})


def _bytes(kept: KeptSums) -> int:
    """What an update takes beside the views: the sums, the copy that is solved, the vectors of conjugate gradients."""
    curvature = 0 if kept.sums.stencil is None else 2 * kept.sums.stencil.nbytes
    return curvature + 12 * kept.anchor.nbytes


def _changed(state: RunState, views: Views, near: tuple[View, ...], change: Change, progress: Progress) -> RunState:
    """The state with the photos' sums added and taken out, in the memory of the old one."""
    fit, figures = state.job.train.fit, state.figures
    places = {view.name: place for place, view in enumerate(near)}
    rows = {name: row for row, name in enumerate(state.fitted)}
    if change.removed:
        leaving = figures.take([rows[name] for name in change.removed])
        add_photos(state.kept, views.subset([places[n] for n in change.removed]), leaving, fit, -1, progress)
    stay = [row for name, row in rows.items() if name not in change.removed]
    figures, files, poses = figures.take(stay), [state.files[row] for row in stay], state.poses[stay]
    if change.added:
        coming = views.subset([places[name] for name in change.added])
        new = add_photos(state.kept, coming, look_at_new(coming, state.kept, figures, fit), fit, 1, progress)
        figures, files = figures.joined(new), [*files, *(file.name for file in coming.files)]
        poses = np.concatenate([poses, np.stack([near[places[name]].cam_from_world for name in change.added])])
    return replace(
        state,
        fitted=change.fitted,
        held=change.held,
        removed=tuple(name for name in (*state.removed, *change.removed) if name not in change.added),
        files=tuple(files),
        poses=poses,
        figures=figures,
        hidden={name: mask for name, mask in state.hidden.items() if name not in change.removed},
    )


def _scored(state: RunState, texture: Tensor, views: Views, scene: Scene, progress: Progress) -> Trained:
    """The texture as a fit would give it, with its scores over the photos that are still held out."""
    figures, kept = state.figures, state.kept
    places = {view.name: place for place, view in enumerate(scene.views)}
    train, held = (tuple(places[name] for name in names) for names in (state.fitted, state.held))
    seen = grow(kept.looks[..., 0] > SEEN_WEIGHT, figures.spacing.tolist())
    result = FitResult(
        texture=texture.cpu().numpy(),
        weight=kept.weight[..., 0].cpu().numpy(),
        gains=figures.gains.cpu().numpy(),
        offsets=figures.offsets.cpu().numpy(),
        view_weights=figures.weights.numpy(),
    )
    scores = tuple(score_view(texture, views[place], seen) for place in progress(held, "score", len(held)))
    return Trained(state.job.train, views, train, held, result, seen.cpu().numpy(), scores, ())
