"""A run's outcome in words and figures: metrics.json, config.json, report.html, and the lines that the CLI prints."""

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuraltexgen.checks import inspect
from neuraltexgen.evaluate import ViewScore, compare_view
from neuraltexgen.explain.words import texel_figures, texture_maps, transient_figures, transients_table
from neuraltexgen.files import plain, write_json
from neuraltexgen.metrics import Score
from neuraltexgen.pipeline import Outcome
from neuraltexgen.refine.words import aligned_note, camera_figures, camera_rows, cameras_json, refined_table
from neuraltexgen.report import Comparison, Curve, Report, Series, Table, write_report
from neuraltexgen.types import T
from neuraltexgen.unwrap.words import figure_rows
from neuraltexgen.views import FitView, load_view

PACKAGES = ("neuraltexgen", "torch", "numpy", "numba", "pycolmap", "embreex", "xatlas")

CAMERAS = "cameras.json"

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


def write_outcome(folder: Path, outcome: Outcome, extra: tuple[Table, ...] = ()) -> tuple[Path, ...]:
    """Writes config.json, metrics.json, report.html, and cameras.json if cameras were refined; returns their paths.

    `extra`: more tables.
    """
    write_json(folder / "config.json", config(outcome))
    write_json(folder / "metrics.json", metrics(outcome))
    names = ["config.json", "metrics.json", "report.html"]
    if outcome.refined is not None:
        write_json(folder / CAMERAS, cameras_json(outcome.scene.views, outcome.refined, outcome.aligned))
        names.insert(0, CAMERAS)
    write_report(folder / "report.html", report(outcome, extra))
    return tuple(folder / name for name in names)


def config(outcome: Outcome) -> dict[str, Any]:
    """Every setting in force, the seed, versions and the machine; plain JSON values."""
    return {
        "capture": outcome.scene.name,
        "format": outcome.scene.format,
        "unwrapped_by": outcome.unwrapped_by,
        "settings": plain(asdict(outcome.job)),
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "machine": {
            "system": platform.platform(),
            "device": str(outcome.trained.views.device),
            "threads": torch.get_num_threads(),
        },
    }


def metrics(outcome: Outcome) -> dict[str, Any]:
    """All figures of a run; NaN becomes null."""
    surface = outcome.surface_texels
    return plain(
        {
            "views": {
                "used": len(outcome.scene.views),
                "train": len(outcome.trained.train),
                "held_out": len(outcome.trained.held),
            },
            "left_out": [asdict(view) for view in outcome.scene.left_out],
            "texture": {
                "size": [outcome.texture.shape[0] // outcome.mesh.pages, outcome.texture.shape[1]],
                "pages": outcome.mesh.pages,
                "surface_texels": surface,
                "seen_texels": surface - outcome.filled_texels,
                "filled_texels": outcome.filled_texels,
                "seam_step": outcome.seam_step,
            },
            "uvs": {"by": outcome.unwrapped_by, **asdict(outcome.uvs)},
            "held_out": {
                "mean": asdict(outcome.trained.mean) if outcome.trained.scores else None,
                "views": [{"name": s.name, **asdict(s.score)} for s in outcome.trained.scores],
            },
            **camera_figures(outcome.refined, outcome.aligned),
            "solver": outcome.trained.settings.fit.solver,
            "transients": transient_figures(_fitted_names(outcome), outcome.trained.transients),
            "texels": texel_figures(outcome.maps),
            "curve": [{"pass": n, "psnr_fitted": p, "sharpness": s} for n, p, s in outcome.trained.curve],
            "loss": [asdict(record) for record in outcome.trained.result.history],
            "exposure": [
                {"name": name, "gain": gain.tolist(), "offset": offset.tolist(), "weight": weight}
                for name, gain, offset, weight in _exposure_rows(outcome)
            ],
            "seconds": outcome.seconds,
        }
    )


def summary(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The main figures as (label, value)."""
    trained = outcome.trained
    rows = [
        ("capture", f"{outcome.scene.name} ({outcome.scene.format})"),
        (
            "views",
            f"{len(trained.train)} fitted, {len(trained.held)} held out, {len(outcome.scene.left_out)} left out",
        ),
        ("mesh", f"{len(outcome.mesh.faces):,} faces, uvs by {outcome.unwrapped_by}"),
        ("texture", f"{_texels(outcome, ' x ')} texels"),
        ("surface seen", f"{1 - outcome.filled_texels / max(outcome.surface_texels, 1):.1%} of its texels"),
        ("seams", f"{255 * outcome.seam_step:.2f} of 255 colour levels between their two sides"),
    ]
    rows.append(("fitted by", _solver_words(outcome)))
    if outcome.trained.scores:
        rows += score_rows(outcome.trained.mean)
    rows += camera_rows(outcome.refined, outcome.aligned)
    if trained.settings.style is not None:
        rows.append(("style", f"{trained.settings.style.picture.name}, put on after the texture was scored"))
    rows.append(("time", ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.seconds.items())))
    return tuple(rows)


def score_rows(mean: Score) -> list[tuple[str, str]]:
    """A score's figures as (label, value)."""
    return [
        ("held-out PSNR", f"{mean.psnr_fitted:.2f} dB after a colour fit per view, {mean.psnr:.2f} dB as it is"),
        ("held-out SSIM", f"{mean.ssim_fitted:.3f} after the colour fit, {mean.ssim:.3f} as it is"),
        ("sharpness", f"{mean.sharpness:.2f} of the photos'"),
    ]


def report(outcome: Outcome, extra: tuple[Table, ...] = ()) -> Report:
    """The whole report page as data."""
    return Report(
        title=outcome.scene.name,
        lead=f"A texture fitted to photos in image space by {_solver_words(outcome)}"
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
            *transients_table(_fitted_names(outcome), outcome.trained.transients),
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


def _solver_words(outcome: Outcome) -> str:
    if outcome.trained.settings.fit.solver == "direct":
        return "normal equations (--solver direct)"
    return "gradient descent (--solver adam)"


def _texels(outcome: Outcome, by: str) -> str:
    height, width = outcome.texture.shape[:2]
    pages = outcome.mesh.pages
    return f"{pages} pages of {width}{by}{height // pages}" if pages > 1 else f"{width}{by}{height}"


def _tiles(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The main figures as short as the head of a page wants them."""
    trained, mean = outcome.trained, outcome.trained.mean
    tiles = [
        ("photos fitted", str(len(trained.train))),
        ("photos held out", str(len(trained.held))),
        ("faces", f"{len(outcome.mesh.faces):,}"),
        ("texture", _texels(outcome, "×")),
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


def _fitted_names(outcome: Outcome) -> list[str]:
    return [outcome.scene.views[i].name for i in outcome.trained.fitted]


def _exposure_rows(outcome: Outcome) -> list[tuple[str, np.ndarray, np.ndarray, float]]:
    fitted = outcome.trained.result
    return list(zip(_fitted_names(outcome), fitted.gains, fitted.offsets, fitted.view_weights.tolist(), strict=True))


def _exposure_table(outcome: Outcome) -> Table:
    rows = tuple(
        (name, *(float(g) for g in gain), *(float(o) for o in offset), weight)
        for name, gain, offset, weight in _exposure_rows(outcome)
    )
    channels = range(outcome.trained.result.gains.shape[1])
    names = "RGB" if len(channels) == 3 else "".join(str(i) for i in channels)
    columns = ("view", *(f"gain {names[i]}" for i in channels), *(f"offset {names[i]}" for i in channels), "weight")
    note = "A photo shows gain x texture + offset. Weight: how much the photo counts, by its sharpness."
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
    explained = {"explain"} if outcome.maps is not None else set()
    return {path.name for path in outcome.files} | {"metrics.json", "config.json"} | explained
