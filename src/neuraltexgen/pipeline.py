"""The whole flow on one page: a capture in, a textured mesh and its scores out. CLI and library both call it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neuraltexgen.errors import MeshError, ReaderError
from neuraltexgen.evaluate import ViewScore, quick_score, score_view, scored_pixels, seen_texels
from neuraltexgen.export import ExportOptions, export_textured_mesh
from neuraltexgen.files import content_key, whole_file
from neuraltexgen.fill import fill_texture
from neuraltexgen.fit import FitResult, PassRecord, fit
from neuraltexgen.holdout import held_out
from neuraltexgen.machine import choose_device, memory_budget, view_budget
from neuraltexgen.metrics import Score, mean_score
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.recipes import FitSettings, fit_bytes
from neuraltexgen.scene import Mesh, Scene
from neuraltexgen.types import Image, Mask, Progress, no_progress
from neuraltexgen.unwrap import UnwrapSettings, unwrap
from neuraltexgen.uvmap.raycast import RayCaster
from neuraltexgen.views import Views, ViewSettings, load_view, prepare_views

TEXELS_PER_PIXEL = 1.5
"""Side length of a pixel's patch in texels that an automatic texture size aims at: finer than the photos, so that
sub-pixel detail that several photos share has room."""

FILL_WEIGHT = 0.02
"""A texel that got less than this share of one pixel is filled from its neighbours: its own value is mostly noise."""


@dataclass(frozen=True)
class Job:
    """Everything that decides a run. `texture_size`: side in texels, None to choose it from the photos' detail.

    `holdout`: see `holdout.held_out`. `final_fit`: fit once more on all views after scoring, and export that.
    `memory`: GiB to keep within, None for half the machine's. `cache`: a folder that keeps UV maps between runs; None
    keeps them in the output folder while the run lasts, so that a killed run goes on.
    """

    read: ReadOptions = ReadOptions()
    unwrap: UnwrapSettings = UnwrapSettings()
    views: ViewSettings = ViewSettings()
    fit: FitSettings = FitSettings()
    texture_size: int | None = None
    holdout: str = "8"
    final_fit: bool = False
    export: ExportOptions = ExportOptions()
    device: str = "auto"
    memory: float | None = None
    cache: Path | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run found. `texture` is the finished image; `fitted` what the optimisation gave before filling.

    `seen`: texels that a training view sees. `scores`: of the held-out views, empty if there are none; `curve`: mean
    PSNR after the colour fit and sharpness over passes. `seconds`: per stage.
    """

    job: Job
    scene: Scene
    mesh: Mesh
    unwrapped_by: str
    texture: Image
    fitted: FitResult
    seen: Mask
    train: tuple[int, ...]
    held: tuple[int, ...]
    scores: tuple[ViewScore, ...]
    curve: tuple[tuple[int, float, float], ...]
    filled_texels: int
    views: Views
    seconds: dict[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    @property
    def mean(self) -> Score:
        """The mean over held-out views."""
        return mean_score([s.score for s in self.scores])


def texture_capture(capture: Path, out: Path, job: Job | None = None, progress: Progress = no_progress) -> Outcome:
    """Reads a capture, fits its texture, and writes the texture and the textured meshes into `out`.

    Raises one of our errors (errors.NeuralTexGenError) for anything that a user can mend.
    """
    job = job or Job()
    clock = Clock()
    with clock.stage("read"):
        scene = read_capture(capture, job.read)
    outcome = texture_scene(scene, out, job, progress, clock)
    with clock.stage("export"):
        files = export_textured_mesh(out, outcome.mesh, outcome.texture, job.export)
    return replace(outcome, files=files, seconds=dict(clock.seconds))


def texture_scene(
    scene: Scene, out: Path, job: Job, progress: Progress = no_progress, clock: "Clock | None" = None
) -> Outcome:
    """The same for a scene in memory, without writing the result; `out` holds the cache."""
    clock = clock or Clock()
    cache = job.cache or out / ".cache"
    device = choose_device(job.device)
    with clock.stage("unwrap"):
        mesh, method = unwrapped(scene, job.unwrap, cache, progress)
    held = held_out([view.name for view in scene.views], job.holdout)
    train = tuple(i for i in range(len(scene.views)) if i not in held)
    with clock.stage("UV maps"):
        paths = prepare_views(scene.views, RayCaster(mesh), mesh_key(mesh), job.views, cache / "views", progress)
    settings = _sized(job, paths)
    views = Views(paths, device, _budget(job, settings, paths, device))
    watch = _Watch(views, train, held, settings.texture.size)
    with clock.stage("fit"):
        result = fit(views.subset(train), settings, progress, cache / "fit.pt", watch if held else None)
    size = settings.texture.size
    with clock.stage("score"):
        seen = watch.seen
        scores = tuple(
            score_view(torch.from_numpy(result.texture).to(device), views[i], seen)
            for i in progress(held, "score", len(held))
        )
    if job.final_fit and held:
        with clock.stage("final fit"):
            result = fit(views, settings, progress, cache / "final.pt")
    with clock.stage("fill"):
        filled = fill_texture(np.clip(result.texture, 0, 1), result.weight > FILL_WEIGHT, mesh)
    return Outcome(
        job=replace(job, fit=settings, texture_size=size[0]),
        scene=scene,
        mesh=mesh,
        unwrapped_by=method,
        texture=filled.image,
        fitted=result,
        seen=seen.cpu().numpy(),
        train=train,
        held=held,
        scores=scores,
        curve=tuple(watch.curve),
        filled_texels=filled.filled_surface,
        views=views,
        seconds=clock.seconds,
    )


def unwrapped(
    scene: Scene, settings: UnwrapSettings, cache: Path, progress: Progress = no_progress
) -> tuple[Mesh, str]:
    """The scene's mesh with uvs, and the method; taken from the cache if the same mesh was unwrapped before."""
    mesh = scene.mesh
    if mesh is None:
        raise ReaderError(
            f"{scene.format}: {scene.name} has no mesh", fix="--mesh FILE with a mesh in the frame of the cameras"
        )
    key = content_key(mesh_key(mesh), settings.method, settings.resolution, settings.gutter)
    path = cache / f"unwrapped-{key}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as data:
            return replace(mesh, uvs=data["uvs"], uv_faces=data["uv_faces"]), str(data["method"])
    for _ in progress(range(1), "unwrap", 1):
        mesh, method = unwrap(mesh, settings)
    if mesh.uvs is None or mesh.uv_faces is None:
        raise MeshError(f"unwrap {method} gave no uvs")
    with whole_file(path) as temporary:
        np.savez(temporary, uvs=mesh.uvs, uv_faces=mesh.uv_faces, method=np.array(method))
    return mesh, method


def mesh_key(mesh: Mesh) -> str:
    """A hash of what a UV map depends on."""
    return content_key(mesh.vertices, mesh.faces, mesh.uvs, mesh.uv_faces)


def automatic_size(footprints: list[float], level_count: int) -> int:
    """The power of two, 256 to 8192, at which the median view's pixel is nearest to 1.5 texels wide."""
    seen = [footprint for footprint in footprints if footprint > 0]
    if not seen:
        return 1024
    ideal = TEXELS_PER_PIXEL / float(np.median(seen))
    return int(np.clip(2 ** round(np.log2(ideal)), max(256, 2**level_count), 8192))


class Clock:
    """Seconds per stage, in the order of first use."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a stage."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start


class _Watch:
    """Scores the held-out views after each pass: PSNR after the colour fit and sharpness, for the curve."""

    def __init__(self, views: Views, train: tuple[int, ...], held: tuple[int, ...], size: tuple[int, int]) -> None:
        self.views = views
        self.seen = seen_texels(views, size, train)
        self.masks = {i: scored_pixels(views[i], self.seen) for i in held}
        self.curve: list[tuple[int, float, float]] = []

    def __call__(self, record: PassRecord, texture: Tensor) -> None:
        scores = [quick_score(texture, self.views[i], mask) for i, mask in self.masks.items()]
        psnr, sharpness = np.nanmean(scores, axis=0)
        self.curve.append((record.number, float(psnr), float(sharpness)))


def _sized(job: Job, paths: list[Path]) -> FitSettings:
    size = job.texture_size
    if size is None:
        size = automatic_size([load_view(path).footprint for path in paths], len(job.fit.texture.level_weights))
    return replace(job.fit, texture=replace(job.fit.texture, size=(size, size)))


def _budget(job: Job, settings: FitSettings, paths: list[Path], device: torch.device) -> int:
    largest = max(path.stat().st_size for path in paths)
    return view_budget(memory_budget(job.memory, device), fit_bytes(settings), largest)
