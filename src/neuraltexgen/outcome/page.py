"""A run's outcome as the report's page: tiles, comparisons, tables, curves."""

from collections.abc import Sequence

import numpy as np
import torch

from neuraltexgen.checks import inspect
from neuraltexgen.evaluate import ViewScore, compare_view
from neuraltexgen.explain.words import texture_maps, transients_table
from neuraltexgen.fit_view import FitView
from neuraltexgen.metrics import Score
from neuraltexgen.outcome.figures import config
from neuraltexgen.outcome.words import exposure_rows, fitted_names, solver_words, texture_words
from neuraltexgen.pipeline import Outcome
from neuraltexgen.refine.words import aligned_note, refined_table
from neuraltexgen.report import Comparison, Curve, Report, Series, Table
from neuraltexgen.types import T
from neuraltexgen.unwrap.words import figure_rows
from neuraltexgen.views import load_view

COMPARISONS = 4
"""Held-out views shown as pictures."""

METRIC_COLUMNS = ("view", "PSNR fitted", "SSIM fitted", "sharpness", "PSNR", "SSIM", "pixels")

FILES = {
    "texture.png": "the texture",
    "texture.exr": "the texture, as fitted, in 32-bit floats",
    "mesh.obj": "the mesh with uvs, and its material",
    "mesh.mtl": "the OBJ's material",
    "mesh_udim.obj": "the mesh with one material over UDIM's tiles",
    "mesh_udim.mtl": "its material",
    "mesh.glb": "mesh and texture in one file",
    "explain": "what the texture rests on: maps as pictures and as numbers, and what of each photo was trusted",
    "cameras.json": "the refined cameras, and the held-out ones as aligned to the texture",
    "metrics.json": "the figures on this page",
    "config.json": "every setting in force, versions and seed",
}


def report(outcome: Outcome, extra: tuple[Table, ...] = ()) -> Report:
    """The whole report page as data."""
    return Report(
        title=outcome.scene.name,
        lead=f"A texture fitted to photos in image space by {solver_words(outcome)}"
        + (", and scored on photos it has not seen." if outcome.trained.scores else "."),
        summary=_tiles(outcome),
        views_used=len(outcome.scene.views),
        left_out=outcome.scene.left_out,
        notes=outcome.scene.notes,
        warnings=inspect(outcome.scene).warnings,
        comparisons=_comparisons(outcome),
        metrics=_metrics_table(outcome),
        curves=_curves(outcome),
        texture=outcome.texture,
        exposure=_exposure_table(outcome) if outcome.job.train.fit.exposure else None,
        tables=(
            _uvs_table(outcome),
            *_camera_tables(outcome),
            *transients_table(fitted_names(outcome), outcome.trained.transients),
            *extra,
        ),
        maps=texture_maps(outcome.maps),
        stage_times=tuple(outcome.seconds.items()),
        settings=config(outcome),
        files=_listed(outcome),
    )


def pictured(views: Sequence[T]) -> list[T]:
    """Those of some views that the report shows as pictures, spread evenly."""
    return [views[i] for i in np.unique(np.linspace(0, len(views) - 1, COMPARISONS).round().astype(int))]


def _tiles(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The main figures as short as the head of a page wants them."""
    trained, mean = outcome.trained, outcome.trained.mean
    tiles = [
        ("photos fitted", str(len(trained.train))),
        ("photos held out", str(len(trained.held))),
        ("faces", f"{len(outcome.mesh.faces):,}"),
        ("texture", texture_words(outcome, "×")),
        ("surface seen", f"{1 - outcome.filled_texels / max(outcome.surface_texels, 1):.1%}"),
    ]
    if trained.scores:
        tiles += [
            ("PSNR, colour-fitted", f"{mean.psnr_fitted:.2f} dB"),
            ("SSIM, colour-fitted", f"{mean.ssim_fitted:.3f}"),
            ("sharpness", f"{mean.sharpness:.2f}"),
        ]
    return (*tiles, ("total time", f"{sum(outcome.seconds.values()):.0f} s"))


def _camera_tables(outcome: Outcome) -> tuple[Table, ...]:
    if outcome.refined is None:
        return ()
    if outcome.aligned is None:
        return (refined_table(outcome.refined),)
    note = aligned_note(outcome.aligned)
    scored = _score_table("Held-out views, aligned", outcome.aligned.scores, outcome.aligned.mean, note)
    return scored, refined_table(outcome.refined)


def _metrics_table(outcome: Outcome) -> Table | None:
    if not outcome.trained.scores:
        return None
    note = "Over pixels that the mesh covers and a training view sees. Fitted: after a gain and offset per channel."
    if outcome.aligned is not None:
        note += " Their poses are those given with the capture."
    return _score_table("Held-out views", outcome.trained.scores, outcome.trained.mean, note)


def _score_table(title: str, scores: Sequence[ViewScore], mean: Score, note: str) -> Table:

    def cells(name: str, score: Score) -> tuple[str | float | int, ...]:
        fitted = (score.psnr_fitted, score.ssim_fitted, score.sharpness)
        return (name, *fitted, score.psnr, score.ssim, score.pixels)

    return Table(
        title=title,
        columns=METRIC_COLUMNS,
        rows=tuple(cells(s.name, s.score) for s in scores),
        note=note,
        footer=cells("mean", mean),
    )


def _curves(outcome: Outcome) -> tuple[Curve, ...]:
    losses = tuple((r.number, r.loss) for r in outcome.trained.result.history)
    turn = "round" if outcome.trained.settings.fit.solver == "direct" else "pass"
    several = f"{turn}s" if turn == "round" else "passes"
    curves = [Curve(f"Loss over {several}", turn, "loss", (Series("mean over views", losses),))]
    if outcome.trained.curve:
        points = tuple((n, psnr) for n, psnr, _ in outcome.trained.curve)
        curves.insert(
            0, Curve(f"Held-out score over {several}", turn, "PSNR, dB", (Series("after the colour fit", points),))
        )
    return tuple(curves)


def _exposure_table(outcome: Outcome) -> Table:
    rows = tuple(
        (name, *(float(g) for g in gain), *(float(o) for o in offset), weight, blur.sigma, *blur.axes, blur.angle)
        for name, gain, offset, weight, blur in exposure_rows(outcome)
    )
    channels = range(outcome.trained.result.gains.shape[1])
    names = "RGB" if len(channels) == 3 else "".join(str(i) for i in channels)
    colours = *(f"gain {names[i]}" for i in channels), *(f"offset {names[i]}" for i in channels)
    columns = ("view", *colours, "weight", "blur", "most", "least", "angle")
    note = (
        "A photo shows gain x fall-off x texture + offset. Weight: how much the photo counts, by its sharpness. "
        "Blur: its standard deviation in pixels beside the sharp photos, the mean and in the directions of most and "
        "least; the angle is that of most, in degrees from the rows downwards. A moving camera blurs along its way."
    )
    return Table("Exposure per view", columns, rows, note)


def _uvs_table(outcome: Outcome) -> Table:
    note = f"How the surface lies in the texture, by {outcome.unwrapped_by}."
    return Table("Unwrapping", ("figure", "value"), figure_rows(outcome.uvs), note)


def _comparisons(outcome: Outcome) -> tuple[Comparison, ...]:
    trained = outcome.trained
    picked = pictured(trained.held or trained.train)
    texture = torch.from_numpy(outcome.texture).to(outcome.trained.views.device)
    seen = torch.from_numpy(outcome.trained.seen).to(outcome.trained.views.device)
    result = []
    for index in picked:
        view = _shown(outcome, index)
        render, error = compare_view(texture, view, seen, colour_fit=outcome.job.train.style is None)
        result.append(
            Comparison(
                name=view.name,
                photo=view.colours().cpu().numpy(),
                render=render.cpu().numpy(),
                error=error.cpu().numpy(),
                caption=_caption(outcome),
            )
        )
    return tuple(result)


def _shown(outcome: Outcome, index: int) -> FitView:
    """A view as it is shown: a held-out one where it was aligned to, if it was."""
    if outcome.aligned is None or index not in outcome.trained.held:
        return outcome.trained.views[index]
    path = outcome.aligned.aligned.paths[outcome.trained.held.index(index)]
    return load_view(path).to(outcome.trained.views.device)


def _caption(outcome: Outcome) -> str:
    if outcome.job.train.style is not None:
        return "the texture shown has a picture's style; the scores are from before"
    if not outcome.trained.held:
        return "used in the fit"
    if outcome.job.train.final_fit:
        return "held out for the scores; the texture shown was fitted once more, on all photos"
    return "held out of the fit"


def _listed(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The files and what they are, textures of pages first."""
    names = _file_names(outcome)
    pages = sorted(name for name in names if name.startswith("texture.") and name not in FILES)
    known = ((name, what) for name, what in FILES.items() if name in names)
    return (*((name, f"page {number} of the texture") for number, name in enumerate(pages, 1)), *known)


def _file_names(outcome: Outcome) -> set[str]:
    beside = {"explain": outcome.maps, "cameras.json": outcome.refined}
    made = {name for name, what in beside.items() if what is not None}
    return {path.name for path in outcome.files} | {"metrics.json", "config.json"} | made
