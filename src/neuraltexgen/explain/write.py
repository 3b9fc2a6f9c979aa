"""An explanation as files: maps as pictures and as numbers, and every fitted photo with what of it was trusted."""

import io
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image as Pillow

from neuraltexgen.explain.pictures import counted, limit_of, measured, trusted
from neuraltexgen.explain.texels import TexelMaps
from neuraltexgen.files import whole_file
from neuraltexgen.images import write_exr, write_png
from neuraltexgen.transients import Transients
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views, spread_mask

FOLDER = "explain"


def write_explanation(
    out: Path, maps: TexelMaps, views: Views, transients: Transients | None = None, progress: Progress = no_progress
) -> tuple[Path, ...]:
    """Writes `explain/` into `out`; returns the maps' paths and the folder of the photos'.

    photos.png, spread.png and uncertainty.png show the maps, texels.exr holds their numbers, and confidence/ has a
    JPEG for each of `views`, the fitted ones, under its photo's name.
    """
    folder = out / FOLDER
    for name, picture in pictures(maps):
        write_png(folder / f"{name}.png", picture)
    channels = {"photos": maps.photos.astype(np.float32), "spread": maps.spread, "uncertainty": maps.uncertainty}
    write_exr(folder / "texels.exr", channels)
    for index, view in progress(views.stream(range(len(views))), "confidence", len(views)):
        mask = None
        if transients is not None:
            mask = spread_mask(transients.masks[index], view.trust.shape).numpy()
        picture = trusted(view.colours().cpu().numpy(), view.confidence.cpu().numpy(), mask)
        _write_jpeg(folder / "confidence" / _file_name(view.name), picture)
    made = [folder / f"{name}.png" for name, _ in pictures(maps)]
    return *made, folder / "texels.exr", folder / "confidence"


def pictures(maps: TexelMaps) -> tuple[tuple[str, np.ndarray], ...]:
    """(name, picture) of each map."""
    spread, uncertainty = limit_of(maps.spread), limit_of(maps.uncertainty)
    return (
        ("photos", counted(maps.photos)),
        ("spread", measured(maps.spread, spread)),
        ("uncertainty", measured(maps.uncertainty, uncertainty)),
    )


def _file_name(view: str) -> str:
    """A view's name as one file's: folders become part of it."""
    return "_".join(PurePosixPath(view).with_suffix(".jpg").parts)


def _write_jpeg(path: Path, image: np.ndarray) -> None:
    data = io.BytesIO()
    Pillow.fromarray(np.rint(image * 255).astype(np.uint8)).save(data, "JPEG", quality=88)
    with whole_file(path) as temporary:
        temporary.write_bytes(data.getvalue())
