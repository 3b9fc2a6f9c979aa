"""A run's outcome as files: config.json, metrics.json, report.html, cameras.json."""

from pathlib import Path

from neuraltexgen.files import write_json
from neuraltexgen.outcome.figures import config, metrics
from neuraltexgen.outcome.page import report
from neuraltexgen.pipeline import Outcome
from neuraltexgen.refine.words import cameras_json
from neuraltexgen.report import Table, write_report

CAMERAS = "cameras.json"


def write_outcome(folder: Path, outcome: Outcome, extra: tuple[Table, ...] = ()) -> tuple[Path, ...]:
    """Writes config.json, metrics.json, report.html, and cameras.json if cameras were refined; returns their paths.

    `extra`: more tables.
    """
    write_json(folder / "config.json", config(outcome))
    write_json(folder / "metrics.json", metrics(outcome))
    names = ["config.json", "metrics.json", "report.html"]
    if outcome.refined is not None:
        write_json(folder / CAMERAS, cameras_json(outcome.refined, outcome.aligned))
        names.insert(0, CAMERAS)
    write_report(folder / "report.html", report(outcome, extra))
    return tuple(folder / name for name in names)
