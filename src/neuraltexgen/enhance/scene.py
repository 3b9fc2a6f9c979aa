"""All photos of a scene, enhanced, in a cache; and the scene that looks at them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from neuraltexgen.enhance.balance import Gains, balancing_gains
from neuraltexgen.enhance.model import Upscaler, load_upscaler
from neuraltexgen.enhance.photo import Change, Tools, colour_of_light, enhance_photo, written_suffix
from neuraltexgen.enhance.settings import EnhanceSettings
from neuraltexgen.enhance.tiles import bytes_per_pixel
from neuraltexgen.errors import EnhanceError
from neuraltexgen.files import content_key, plain, write_json
from neuraltexgen.geometry import resize_camera
from neuraltexgen.machine import choose_device, memory_budget
from neuraltexgen.scene import Scene, View
from neuraltexgen.types import Progress, no_progress

CACHE_VERSION = 1
"""Part of every cache key: raise it when a step computes something else."""

NAMED = 3
"""Photos that a note names; more are counted."""


@dataclass(frozen=True, eq=False)
class Enhanced:
    """A scene of enhanced photos, and what was done: the settings with the model's hash, and a change per view.

    `model` is the model's architecture, `scale` by how much it enlarged, `gains` those of R, G and B in linear light.
    """

    scene: Scene
    settings: EnhanceSettings
    changes: tuple[Change, ...]
    model: str | None
    scale: int
    gains: Gains | None

    def figures(self) -> dict[str, Any]:
        """What enhanced.json holds."""
        photos = [
            {"name": view.name, "file": view.photo.name, **asdict(change)}
            for view, change in zip(self.scene.views, self.changes, strict=True)
        ]
        facts = {"settings": asdict(self.settings), "model": self.model, "scale": self.scale, "gains": self.gains}
        return plain({**facts, "photos": photos})


def enhance_scene(
    scene: Scene,
    settings: EnhanceSettings,
    cache: Path,
    device: str = "auto",
    memory: float | None = None,
    progress: Progress = no_progress,
) -> Enhanced:
    """Enhances every photo into `cache`, and returns the scene with those photos, cameras scaled as they are.

    A file's name is a key of all that decides its pixels (photo, mask, settings, gains, model), so what is there is not
    made again. Masks and transparency become the files' transparency. The notes say what was done to how many.
    `device`, `memory`: see `machine`. Raises ImageError: a photo that can't be read; EnhanceError: see `load_upscaler`.
    """
    where = choose_device(device)
    model = None if settings.super_resolution is None else load_upscaler(settings.super_resolution, where)
    if model is not None:
        settings = _with_hash(settings, model)
    gains = None
    if settings.white_balance:
        gains = balancing_gains(map(colour_of_light, progress(scene.views, "white balance", len(scene.views))))
    need = 0 if model is None else bytes_per_pixel(model)
    tools = Tools(settings, model, need, gains, where, memory_budget(memory, where))
    scale = 1 if model is None else model.scale
    views, changes = [], []
    for view in progress(scene.views, "enhance", len(scene.views)):
        path, change = _cached(view, tools, cache)
        camera = view.camera
        if scale != 1:
            camera = resize_camera(camera, camera.width * scale, camera.height * scale)
        views.append(replace(view, camera=camera, photo=path, mask=None, exif_upright=False))
        changes.append(change)
    if where.type == "cuda":
        torch.cuda.empty_cache()
    result = Enhanced(scene, settings, tuple(changes), model and model.architecture, scale, gains)
    return replace(result, scene=replace(scene, views=tuple(views), notes=(*scene.notes, *_notes(result))))


def _with_hash(settings: EnhanceSettings, model: Upscaler) -> EnhanceSettings:
    if settings.model_sha256 not in (None, model.sha256):
        raise EnhanceError(
            f"{model.file}: its SHA-256 is {model.sha256}, not {settings.model_sha256}", fix="the model that was meant"
        )
    return replace(settings, model_sha256=model.sha256)


def _cached(view: View, tools: Tools, cache: Path) -> tuple[Path, Change]:
    """The enhanced photo, made unless it is there. What is known about it lies beside it, written after it."""
    s = tools.settings
    pixels = (view.photo.read_bytes(), view.mask.read_bytes() if view.mask else None, view.exif_upright)
    key = content_key(CACHE_VERSION, view.name, *pixels, s.denoise, s.model_sha256, s.sharpen, tools.gains)
    path, about = cache / f"{key}{written_suffix(view)}", cache / f"{key}.json"
    if path.is_file() and about.is_file():
        return path, Change(**json.loads(about.read_text(encoding="utf-8")))
    change = enhance_photo(view, tools, path)
    write_json(about, asdict(change))
    return path, change


def _notes(done: Enhanced) -> tuple[str, ...]:
    """How many photos were changed, by what, and which were not."""
    names = [view.name for view, change in zip(done.scene.views, done.changes, strict=True) if not change.changed]
    total = len(done.changes)
    if not names:
        who = f"all {total} photos were changed before the fit"
    else:
        who = f"{total - len(names)} of {total} photos were changed before the fit (not {_listed(names)})"
    note = f"{who}: {'; '.join(_steps(done))}. Scores compare with the changed photos"
    if done.settings.white_balance and done.gains is None:
        return note, "no photo has edges that tell the colour of the light: white balance left as it was"
    return (note,)


def _steps(done: Enhanced) -> list[str]:
    s, steps = done.settings, []
    if s.denoise:
        noise = [100 * change.noise for change in done.changes if change.noise is not None]
        steps.append(
            f"denoised at {s.denoise:g} times the noise found ({min(noise):.2f} to {max(noise):.2f} % of white)"
        )
    if s.super_resolution is not None:
        what = f"enlarged {done.scale} times" if done.scale > 1 else "restored"
        steps.append(f"{what} by {s.super_resolution.name} ({done.model})")
    if s.sharpen:
        steps.append(f"sharpened by {s.sharpen:g}")
    if done.gains is not None:
        steps.append("white balance with the gains " + ", ".join(f"{gain:.3f}" for gain in done.gains))
    return steps


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
