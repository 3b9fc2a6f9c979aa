"""A run's outcome as files: config.json, metrics.json, report.html, and refined cameras."""

import os
from contextlib import suppress
from pathlib import Path

from neuraltexgen.errors import ExportError
from neuraltexgen.export.colmap import write_colmap
from neuraltexgen.export.transforms import write_transforms
from neuraltexgen.files import write_json
from neuraltexgen.outcome.figures import config, metrics
from neuraltexgen.outcome.page import report
from neuraltexgen.pipeline import Outcome
from neuraltexgen.refine.words import cameras_json, final_views, photo_names
from neuraltexgen.report import Table, write_report

CAMERAS, MODEL, TRANSFORMS = "cameras.json", "cameras", "transforms.json"
"""The refined cameras of all views; and a folder with the same as sparse/0, which COLMAP and others read, and as
transforms.json, which nerfstudio does."""


def write_outcome(folder: Path, outcome: Outcome, extra: tuple[Table, ...] = ()) -> tuple[Path, ...]:
    """Writes config.json, metrics.json, report.html; if cameras were refined, cameras.json, a COLMAP text model and, if
    it has names for all lenses, transforms.json too.

    Returns their paths. `extra`: more tables.
    """
    write_json(folder / "config.json", config(outcome))
    write_json(folder / "metrics.json", metrics(outcome))
    names = ["config.json", "metrics.json", "report.html"]
    if outcome.refined is not None:
        write_json(folder / CAMERAS, cameras_json(outcome.refined, outcome.aligned))
        views = final_views(outcome.refined, outcome.aligned)
        model = write_colmap(folder / MODEL, views, photo_names(views))
        with suppress(ExportError):  # a lens without a name there; the others have them all
            photos = [_beside(folder / MODEL, view.photo) for view in views]
            masks = [None if view.mask is None else _beside(folder / MODEL, view.mask) for view in views]
            write_transforms(folder / MODEL / TRANSFORMS, views, photos, masks)
            model = (*model, folder / MODEL / TRANSFORMS)
        names = [CAMERAS, *(str(path.relative_to(folder)) for path in model), *names]
    write_report(folder / "report.html", report(outcome, extra))
    return tuple(folder / name for name in names)


def _beside(folder: Path, file: Path) -> str:
    """Where a file lies, as seen from a folder: the whole path where no other leads there."""
    try:
        return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return file.resolve().as_posix()
