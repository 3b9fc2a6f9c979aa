"""Scores of any textured mesh, ours or another tool's, against photos of a capture."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuraltexgen.errors import ConfigError, MeshError
from neuraltexgen.evaluate import ViewScore, score_view, seen_texels
from neuraltexgen.fall_off import Correction, FallOff
from neuraltexgen.holdout import held_out
from neuraltexgen.images import read_photo
from neuraltexgen.machine import choose_device, memory_budget, view_budget
from neuraltexgen.meshes import read_mesh
from neuraltexgen.meshes.stack import stack_images
from neuraltexgen.pages import tile_number
from neuraltexgen.pipeline import mesh_key
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.refine import Preparing, align_views, score_aligned
from neuraltexgen.response import Response
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Image, Progress, no_progress
from neuraltexgen.uvmap.render import make_renderer
from neuraltexgen.view_cache import ViewSettings, prepare_views
from neuraltexgen.views import Views

METRICS = "metrics.json"
"""What a run tells of itself, beside its mesh."""


@dataclass(frozen=True)
class Evaluation:
    """Against which photos, and how.

    `renderer`: a name for `make_renderer`. `holdout`: the photos to score (`holdout.held_out`); the others decide which
    texels count as seen. `align`: the photos to score are aligned to the textured mesh first. `fall_off`: a run's
    metrics.json, by whose fall-offs and response curves photos are put right as they were there; None takes the one
    beside the mesh, if there is one. `cache`: a folder for UV maps; None keeps them beside the mesh meanwhile.
    """

    read: ReadOptions = ReadOptions()
    views: ViewSettings = ViewSettings()
    renderer: str = "auto"
    holdout: str = "8"
    align: bool = False
    fall_off: Path | None = None
    device: str = "auto"
    memory: float | None = None
    cache: Path | None = None


def evaluate_mesh(
    mesh_file: Path,
    capture: Path,
    settings: Evaluation,
    texture: Path | None = None,
    progress: Progress = no_progress,
) -> tuple[ViewScore, ...]:
    """Renders a textured mesh into the held-out views and scores it; `texture` replaces the one the mesh names.

    With `settings.align` at the poses that the textured mesh gives the views, where it can tell them (see `refine`).

    Raises UnwrapError: no uvs. MeshError: no texture. ConfigError: no view to score, or a file that tells no fall-off.
    """
    loaded = read_mesh(mesh_file)
    image = _given(texture, loaded.mesh) if texture is not None else loaded.texture
    if image is None:
        raise MeshError(f"{mesh_file} names no texture that is there", fix="--texture IMAGE")
    renderer = make_renderer(loaded.mesh, settings.renderer)
    scene = read_capture(capture, settings.read)
    held = held_out([view.name for view in scene.views], settings.holdout)
    if not held:
        raise ConfigError(f"none of {len(scene.views)} views is held out to be scored", fix="--holdout NAMES")
    device = choose_device(settings.device)
    known = _corrections(settings.fall_off, mesh_file.parent / METRICS)
    with _cache(settings.cache, mesh_file.parent) as cache:
        paths = prepare_views(scene.views, renderer, mesh_key(loaded.mesh), settings.views, cache / "views", progress)
        largest = max(path.stat().st_size for path in paths)
        views = Views(paths, device, view_budget(memory_budget(settings.memory, device), 3 * image.nbytes, largest))
        right = [known.get((view.camera.height, view.camera.width), Correction()) for view in scene.views]
        views = views.correcting(dict(zip(paths, right, strict=True)) if known else {})
        seen = seen_texels(views, image.shape[:2], [i for i in range(len(paths)) if i not in held])
        if settings.align:
            how = Preparing(loaded.mesh, renderer, mesh_key(loaded.mesh), settings.views, cache / "views")
            even = {view.name: correction for view, correction in zip(scene.views, right, strict=True)} if known else {}
            aligned = align_views([scene.views[i] for i in held], image, how, progress, corrections=even)
            return score_aligned(aligned, image, seen.cpu().numpy(), views, progress, even).scores
        texels = torch.from_numpy(np.ascontiguousarray(image)).to(device)
        return tuple(score_view(texels, views[i], seen) for i in progress(held, "score", len(held)))


def _corrections(wanted: Path | None, beside: Path) -> dict[tuple[int, int], Correction]:
    """By (height, width) of photos what a run put right in them."""
    file = wanted or beside
    if wanted is None and not beside.is_file():
        return {}
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        # Runs before curves were looked for tell none.
        fall_offs, responses = _by_size(told["fall_off"]), _by_size(told.get("response", []))
        return {
            size: Correction(FallOff(fall_offs.get(size, ())), Response(responses.get(size, ())))
            for size in {*fall_offs, *responses}
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        if wanted is None:  # some other program's file of that name
            return {}
        raise ConfigError(f"{file} tells no fall-off of light: {error!r}", fix="a run's metrics.json") from error


def _by_size(told: list[dict[str, Any]]) -> dict[tuple[int, int], tuple[float, ...]]:
    return {(int(own["height"]), int(own["width"])): tuple(map(float, own["coefficients"])) for own in told}


@contextmanager
def _cache(wanted: Path | None, beside: Path) -> Iterator[Path]:
    """The folder that was asked for, or one that is gone afterwards."""
    if wanted is not None:
        yield wanted
    else:
        with tempfile.TemporaryDirectory(prefix=".cache-", dir=beside) as folder:
            yield Path(folder)


def _given(path: Path, mesh: Mesh) -> Image:
    """The texture in a file; with <UDIM> in its name, the files of all pages, one above the other."""
    pattern = path.name.replace("<udim>", "<UDIM>")
    names = [pattern.replace("<UDIM>", str(tile_number(page))) for page in range(mesh.pages)]
    if "<UDIM>" not in pattern:
        pixels = read_photo(path).pixels
        return pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels
    notes: list[str] = []
    image, _ = stack_images([path.with_name(name) for name in names], notes)
    if image is None:
        raise MeshError("; ".join(notes), fix="one texture file for each page, numbered from 1001")
    return image
