"""A run's state on disk: what it takes to add photos to its texture, or remove some, without looking at the others."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from neuraltexgen.direct.gather import Gathered
from neuraltexgen.direct.kept import KeptSums, PhotoFigures, add_photos, check_keepable
from neuraltexgen.errors import ConfigError, FitError
from neuraltexgen.fall_off import Correction, FallOff
from neuraltexgen.files import plain, whole_file
from neuraltexgen.kernels.normal import OFFSETS, SLOTS
from neuraltexgen.pipeline import FROM_PHOTOS, Job, Outcome
from neuraltexgen.point_spread import SHARP, PointSpread
from neuraltexgen.reconstruct.photos import holds_only_photos
from neuraltexgen.response import Response
from neuraltexgen.scene import Mesh, View
from neuraltexgen.training import Trained
from neuraltexgen.types import Mask, Progress, no_progress
from neuraltexgen.update.restore import restored

T = TypeVar("T")

STATE = "state.npz"
VERSION = 2
"""Raise it when what a state holds, or what the sums mean, changes."""

MESH = ("vertices", "faces", "uvs", "uv_faces")
FIGURES = ("gains", "offsets", "weights", "sharpness", "spacing")
HIDDEN = "hidden"
"""Bits of all masks one after the other."""


@dataclass(frozen=True, eq=False)
class RunState:
    """A finished run, as `update` needs it.

    `capture`: what it was made of. `job`: its settings, those in force. `fitted`, `held`: names of photos. `files`,
    `poses`: of each fitted photo its cached view's name, which is a key of all that it depends on, and its
    `cam_from_world`. `removed`: names of photos that were taken out. `fall_offs`, `responses`: height and width of
    photos, and what is put right in all such; `doubted`: names of photos whose bright pixels count little
    (`fall_off.Correction`); `blurs`: of photos that are blurred; `around`: these look as far around; `hidden`: masks
    (see `views.Views`) of photos in which something was left out. Photos that come later are taken to be sharp, and
    whole.
    """

    capture: Path
    job: Job
    unwrapped_by: str
    mesh: Mesh
    fitted: tuple[str, ...]
    held: tuple[str, ...]
    removed: tuple[str, ...]
    files: tuple[str, ...]
    poses: Float64[np.ndarray, "v 4 4"]
    figures: PhotoFigures
    kept: KeptSums
    fall_offs: tuple[tuple[int, int, FallOff], ...] = ()
    responses: tuple[tuple[int, int, Response], ...] = ()
    doubted: tuple[str, ...] = ()
    blurs: tuple[tuple[str, PointSpread], ...] = ()
    around: bool = True
    hidden: Mapping[str, Mask] = field(default_factory=dict)

    def correction(self, view: View) -> Correction:
        """What is put right in a photo, fitted or new."""
        size = (view.camera.height, view.camera.width)
        return Correction(
            next((own for *of, own in self.fall_offs if tuple(of) == size), FallOff()),
            next((own for *of, own in self.responses if tuple(of) == size), Response()),
            view.name in self.doubted,
            dict(self.blurs).get(view.name, SHARP),
            self.around,
        )


def check_job(job: Job) -> None:
    """Raises ConfigError if the state of such a run can't be kept."""
    check_keepable(job.train.fit)
    if job.train.sampling != "bilinear":
        raise ConfigError(
            f"the state of a run with --sampling {job.train.sampling} can't be kept: its sums are those of points",
            fix="--sampling bilinear, or no --keep-state",
        )
    if job.refine in ("cameras", "warps"):
        raise _refined()
    if job.enhance.on or job.train.style is not None:
        raise ConfigError(
            "the state of a run with enhanced photos or a style can't be kept",
            fix="no --keep-state; or `neuraltexgen enhance` first, and its capture textured",
        )


def _refined() -> ConfigError:
    return ConfigError(
        "the state of a run with refined cameras can't be kept: a new photo's camera would be an unrefined one",
        fix="no --keep-state, or --refine none",
    )


def keep_state(out: Path, outcome: Outcome, capture: Path, progress: Progress = no_progress) -> Path:
    """Gathers the photos' sums at a run's texture and writes them into `out`; returns the file.

    Raises ConfigError: see `check_job`.
    """
    check_job(outcome.job)
    if outcome.refined is not None:
        raise _refined()
    trained, views = outcome.trained, outcome.scene.views
    if outcome.job.reconstruct is not None and holds_only_photos(capture, outcome.job.read.format):
        capture = out / FROM_PHOTOS
    result, device = trained.result, trained.views.device
    whole = len(result.gains) == len(views)
    fitted = tuple(range(len(views))) if whole else trained.train
    nothing = torch.zeros(len(fitted))
    gains, offsets, weights = (torch.from_numpy(a) for a in (result.gains, result.offsets, result.view_weights))
    figures = PhotoFigures(gains.to(device), offsets.to(device), weights, nothing, nothing)
    kept = KeptSums.empty(torch.from_numpy(result.texture).to(device))
    figures = add_photos(kept, trained.views.subset(fitted), figures, trained.settings.fit, 1, progress)
    state = RunState(
        capture=capture.resolve(),
        job=outcome.job,
        unwrapped_by=outcome.unwrapped_by,
        mesh=outcome.mesh,
        fitted=tuple(views[i].name for i in fitted),
        held=() if whole else tuple(views[i].name for i in trained.held),
        removed=(),
        files=tuple(trained.views.files[i].name for i in fitted),
        poses=np.stack([views[i].cam_from_world for i in fitted]),
        figures=figures,
        kept=kept,
        fall_offs=_by_size({} if trained.equalised is None else trained.equalised.fall_offs),
        responses=_by_size({} if trained.equalised is None else trained.equalised.responses),
        doubted=tuple(views[i].name for i in fitted if _correction(trained, i).doubt_bright),
        blurs=tuple((views[i].name, blur) for i in fitted if (blur := _correction(trained, i).blur) != SHARP),
        around=all(_correction(trained, i).around for i in fitted),
        hidden=_hidden(trained, {views[i].name: trained.views.files[i] for i in fitted}),
    )
    save_run(out, state)
    return out / STATE


def save_run(folder: Path, state: RunState) -> None:
    """Writes a state into a run's folder, whole or not at all."""
    words = {
        "version": VERSION,
        "capture": state.capture,
        "job": asdict(state.job),
        "unwrapped_by": state.unwrapped_by,
        "pages": state.mesh.pages,
        **{name: getattr(state, name) for name in ("fitted", "held", "removed", "files")},
        "fall_offs": [(height, width, asdict(fall_off)) for height, width, fall_off in state.fall_offs],
        "responses": [(height, width, asdict(response)) for height, width, response in state.responses],
        "doubted": state.doubted,
        "blurs": [(name, asdict(blur)) for name, blur in state.blurs],
        "around": state.around,
        "hidden": {name: mask.shape for name, mask in state.hidden.items()},
    }
    arrays = {name: getattr(state.mesh, name) for name in MESH} | {"poses": state.poses}
    sums = {"gradient": state.kept.sums.gradient, "anchor": state.kept.anchor}
    sums |= {"weight": state.kept.weight, "looks": state.kept.looks}
    if state.kept.sums.stencil is not None:
        # How many slots a kernel pads its rows to is its own business.
        sums["stencil"] = state.kept.sums.stencil[..., : len(OFFSETS)]
    tensors: dict[str, Tensor] = {name: getattr(state.figures, name) for name in FIGURES} | sums
    arrays |= {name: value.cpu().numpy() for name, value in tensors.items()}
    arrays[HIDDEN] = np.packbits(np.concatenate([np.zeros(0, bool), *(m.reshape(-1) for m in state.hidden.values())]))
    arrays["words"] = np.array(json.dumps(plain(words)))
    with whole_file(folder / STATE) as temporary:
        np.savez(temporary, **arrays)  # pyright: ignore[reportArgumentType]  (none of them is named allow_pickle)


def load_run(folder: Path, device: torch.device) -> RunState:
    """The state that a run kept. Raises ConfigError: there is none, or another version's. FitError: it is broken."""
    path = folder / STATE
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no {STATE}: the run did not keep what photos can be added to",
            fix="texture the capture with --keep-state",
        )
    try:
        with np.load(path, allow_pickle=False) as data:
            words = json.loads(str(data["words"]))
            if words["version"] == VERSION:
                return _state(words, {name: data[name] for name in data.files if name != "words"}, device)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise FitError(f"{path} is broken: {error}", fix="texture the capture anew, with --keep-state") from error
    raise ConfigError(
        f"{path} is of version {words['version']}, not {VERSION}", fix="texture the capture anew, with --keep-state"
    )


def _state(words: dict[str, Any], arrays: dict[str, np.ndarray], device: torch.device) -> RunState:
    tensors = {name: torch.from_numpy(value) for name, value in arrays.items() if name not in (*MESH, "poses", HIDDEN)}
    figures = {name: tensors[name].to(device) if name in ("gains", "offsets") else tensors[name] for name in FIGURES}
    anchor, weight, looks = (tensors[name].to(device) for name in ("anchor", "weight", "looks"))
    stencil = torch.zeros(*anchor.shape[:2], SLOTS, device=device)
    stencil[..., : len(OFFSETS)] = tensors["stencil"].to(device)
    return RunState(
        capture=Path(words["capture"]),
        job=restored(Job, words["job"]),
        unwrapped_by=words["unwrapped_by"],
        mesh=Mesh(**{name: arrays[name] for name in MESH}, pages=words["pages"]),
        poses=arrays["poses"],
        figures=PhotoFigures(**figures),
        kept=KeptSums(Gathered(stencil, tensors["gradient"].to(device)), anchor, weight, looks),
        **{name: tuple(words[name]) for name in ("fitted", "held", "removed", "files")},
        fall_offs=restored(tuple[tuple[int, int, FallOff], ...], words["fall_offs"]),
        responses=restored(tuple[tuple[int, int, Response], ...], words["responses"]),
        doubted=tuple(words["doubted"]),
        blurs=restored(tuple[tuple[str, PointSpread], ...], words["blurs"]),
        around=words["around"],
        hidden=_masks(words["hidden"], arrays[HIDDEN]),
    )


def _hidden(trained: Trained, files: Mapping[str, Path]) -> dict[str, Mask]:
    """By name, what was left out of a photo; photos that count whole are not among them."""
    masks = {name: trained.views.hidden.get(file) for name, file in files.items()}
    return {name: mask for name, mask in masks.items() if mask is not None and mask.any()}


def _masks(shapes: Mapping[str, Sequence[int]], bits: UInt8[np.ndarray, " n"]) -> dict[str, Mask]:
    """The masks of `save_run`."""
    masks, left = {}, np.unpackbits(bits).astype(bool)
    for name, (height, width) in shapes.items():
        masks[name], left = left[: height * width].reshape(height, width), left[height * width :]
    return masks


def _by_size(found: Mapping[tuple[int, int], T]) -> tuple[tuple[int, int, T], ...]:
    return tuple((height, width, own) for (height, width), own in found.items())


def _correction(trained: Trained, index: int) -> Correction:
    return trained.views.corrections.get(trained.views.files[index], Correction())
