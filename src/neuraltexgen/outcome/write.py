"""A run's outcome as files: config.json, metrics.json, report.html, and refined cameras."""

from pathlib import Path

from neuraltexgen.export.colmap import write_colmap
from neuraltexgen.files import write_json
from neuraltexgen.outcome.figures import config, metrics
from neuraltexgen.outcome.page import report
from neuraltexgen.pipeline import Outcome
from neuraltexgen.refine.words import cameras_json, final_views, photo_names
from neuraltexgen.report import Table, write_report

CAMERAS, MODEL = "cameras.json", "cameras"
"""The refined cameras of all views; and a folder with the same as sparse/0, which COLMAP and others read."""


def write_outcome(folder: Path, outcome: Outcome, extra: tuple[Table, ...] = ()) -> tuple[Path, ...]:
    """Writes config.json, metrics.json, report.html; if cameras were refined, cameras.json and a COLMAP text model too.

    Returns their paths. `extra`: more tables.
    """
    write_json(folder / "config.json", config(outcome))
    write_json(folder / "metrics.json", metrics(outcome))
    names = ["config.json", "metrics.json", "report.html"]
    if outcome.refined is not None:
        write_json(folder / CAMERAS, cameras_json(outcome.refined, outcome.aligned))
        views = final_views(outcome.refined, outcome.aligned)
        model = write_colmap(folder / MODEL, views, photo_names(views))
        names = [CAMERAS, *(str(path.relative_to(folder)) for path in model), *names]
    write_report(folder / "report.html", report(outcome, extra))
    return tuple(folder / name for name in names)
