"""The whole flow on one page: a capture in, a textured mesh and its scores out. CLI and library both call it."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np

from neuraltexgen.enhance import EnhanceSettings, enhance_scene
from neuraltexgen.errors import ConfigError, MeshError, ReaderError
from neuraltexgen.explain import TexelMaps, texel_maps, write_explanation
from neuraltexgen.export import ExportOptions, export_textured_mesh
from neuraltexgen.files import content_key, whole_file
from neuraltexgen.fill import fill_texture
from neuraltexgen.meshes import write_mesh
from neuraltexgen.meshes.simplify import simplify
from neuraltexgen.observed import observed_density, observed_key
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.reconstruct import ReconstructSettings, cached_mesh
from neuraltexgen.reconstruct.from_photos import PhotoSettings, reconstruct_photos
from neuraltexgen.reconstruct.photos import holds_only_photos
from neuraltexgen.refine import AlignedScores, Preparing, RefinedCameras, Warping, fit_refined, refined_scene
from neuraltexgen.scene import Mesh, Scene
from neuraltexgen.seam_tie import find_seam_tie
from neuraltexgen.style import check
from neuraltexgen.training import Clock, Trained, train_and_score
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.types import Image, Progress, no_progress
from neuraltexgen.unwrap import UnwrapFigures, UnwrapSettings, choose_method, measure, unwrap
from neuraltexgen.uvmap.atlas import coverage
from neuraltexgen.uvmap.render import make_renderer
from neuraltexgen.view_cache import ViewSettings, depth_notes, prepare_views

Density = Literal["uniform", "observed"]
"""Texels an area of the surface: everywhere as many, or more where photos were taken from closer by."""

Refine = Literal["none", "auto", "cameras", "warps"]
"""Whether cameras are made better before the fit: never, where some photos say that it helps (and photos are warped
where these say that that does), or always; or always, and photos warped besides."""

WARPING: dict[Refine, Warping] = {"none": "never", "auto": "worth", "cameras": "never", "warps": "always"}

RECONSTRUCTED, FROM_PHOTOS = "mesh.ply", "capture"
"""Where a mesh made of depth maps lies in the output folder; and cameras and mesh made of photos alone."""

FILL_WEIGHT = 0.02
"""A texel that got less than this share of one pixel is filled from its neighbours: its own value is mostly noise."""

OVERLAP_SHARE = 0.001
"""Share of the surface's texels that several faces may claim before it is worth a note: rounding claims a few."""


@dataclass(frozen=True)
class Job:
    """Everything that decides a run, in the order of the flow.

    `reconstruct` makes the mesh of the capture's depth maps, whatever mesh it has, or cameras and mesh of a folder of
    photos; None: it must have both. `refine` cameras: poses and lenses of the views to be fitted are refined by what
    their photos show, and held-out views aligned to the finished texture (see `refine`); auto: where that helps.
    `simplify`: how many faces the mesh is reduced to; None leaves it. `density` observed takes the texels where the
    photos have their pixels, with new uvs by fast alone. `renderer` makes the UV maps: a name for `make_renderer`.
    `explain`: also what the texture rests on. `cache`: a folder that keeps enhanced photos, UV maps, uvs, features and
    refined cameras between runs; None keeps them in the output folder, so that a killed run goes on.
    """

    read: ReadOptions = ReadOptions()
    reconstruct: ReconstructSettings | None = None
    refine: Refine = "auto"
    enhance: EnhanceSettings = EnhanceSettings()
    simplify: int | None = None
    unwrap: UnwrapSettings = UnwrapSettings()
    density: Density = "uniform"
    views: ViewSettings = ViewSettings()
    train: TrainSettings = TrainSettings()
    export: ExportOptions = ExportOptions()
    renderer: str = "auto"
    explain: bool = False
    cache: Path | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run found. `texture` is the finished image, `trained.result.texture` what the fit gave before filling.

    `uvs`: how good they are, at the texture's size. Of the `surface_texels` that lie on the mesh, `filled_texels` had
    no data of their own. `refined`, `aligned`: what --refine cameras found, and the held-out views' scores at the poses
    that the texture gives them; `trained.scores` are at the given ones. `maps`: what its texels rest on, if that was
    asked for. `seconds`: per stage.
    """

    job: Job
    scene: Scene
    mesh: Mesh
    unwrapped_by: str
    uvs: UnwrapFigures
    texture: Image
    trained: Trained
    filled_texels: int
    surface_texels: int
    seam_step: float
    seconds: dict[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    maps: TexelMaps | None = None
    refined: RefinedCameras | None = None
    aligned: AlignedScores | None = None


def texture_capture(capture: Path, out: Path, job: Job | None = None, progress: Progress = no_progress) -> Outcome:
    """Reads a capture, fits its texture, and writes the texture and the textured meshes into `out`.

    Raises one of our errors (errors.NeuralTexGenError) for anything that a user can mend.
    """
    job = job or Job()
    check(job.train.fit, job.train.style)
    clock = Clock()
    photos = job.reconstruct is not None and holds_only_photos(capture, job.read.format)
    name = capture.resolve().name if photos else None
    if photos:
        with clock.stage("reconstruct"):
            capture, job = _from_photos(capture, out, job, progress)
    with clock.stage("read"):
        scene = read_capture(capture, job.read)
        scene = replace(scene, name=name or scene.name)
    made: tuple[Path, ...] = ()
    if job.reconstruct is not None and not photos:
        with clock.stage("reconstruct"):
            scene = _reconstructed(scene, out, job, progress)
            made = (out / RECONSTRUCTED,)
    outcome = texture_scene(scene, out, job, progress, clock)
    with clock.stage("export"):
        files = export_textured_mesh(out, outcome.mesh, outcome.texture, job.export)
    if outcome.maps is not None:
        with clock.stage("explain"):
            trained = outcome.trained
            views = trained.views.subset(trained.fitted)
            made += write_explanation(out, outcome.maps, views, trained.transients, progress)
    return replace(outcome, files=(*files, *made), seconds=dict(clock.seconds))


def texture_scene(
    scene: Scene, out: Path, job: Job, progress: Progress = no_progress, clock: Clock | None = None
) -> Outcome:
    """The same for a scene in memory, without writing the result; `out` holds the cache."""
    clock = clock or Clock()
    cache = job.cache or out / ".cache"
    names = [view.name for view in scene.views]
    with clock.stage("unwrap"):
        scene = simplified(scene, job.simplify)
    refined = None
    if job.refine != "none":
        with clock.stage("cameras"):
            how = job.refine != "auto", WARPING[job.refine]
            scene, refined = refined_scene(scene, job.train.holdout, cache / "refine", progress, *how)
        lost = () if refined is None else refined.lost
        job = replace(job, train=replace(job.train, left_out=(*job.train.left_out, *lost)))
    with clock.stage("unwrap"):
        mesh, method = unwrapped(scene, job.unwrap, cache, progress, job.density)
    if job.enhance.on:
        with clock.stage("enhance"):
            memory = job.train.memory
            done = enhance_scene(scene, job.enhance, cache / "enhanced", job.train.device, memory, progress)
            scene, job = done.scene, replace(job, enhance=done.settings)
    with clock.stage("UV maps"):
        renderer = make_renderer(mesh, job.renderer)
        paths = prepare_views(scene.views, renderer, mesh_key(mesh), job.views, cache / "views", progress)
    scene = replace(scene, notes=(*scene.notes, *depth_notes(paths)))
    if refined is None:
        trained = train_and_score(paths, names, job.train, cache, mesh, progress, clock)
        return finished(job, scene, (mesh, method), trained, clock)
    how = Preparing(mesh, renderer, mesh_key(mesh), job.views, cache / "views")
    trained, aligned = fit_refined(scene, job.train, paths, how, progress, clock, refined.found.matches > 0)
    return replace(finished(job, scene, (mesh, method), trained, clock), refined=refined, aligned=aligned)


def finished(job: Job, scene: Scene, unwrapped: tuple[Mesh, str], trained: Trained, clock: Clock) -> Outcome:
    """What a run found, once its texture is fitted: filled, and measured. `unwrapped`: the mesh, and by what."""
    mesh, method = unwrapped
    with clock.stage("fill"):
        result = trained.result
        filled = fill_texture(_in_range(result.texture), result.weight > FILL_WEIGHT, mesh)
        size = trained.settings.fit.texture.size
        found = coverage(mesh, size)
        uvs = measure(mesh, size[1], found)
    maps = None
    if job.explain:
        with clock.stage("explain"):
            maps = texel_maps(trained.views.subset(trained.fitted), trained.result)
    if uvs.overlap > OVERLAP_SHARE:
        note = f"{found.overlapped} texels are claimed by several faces: the uvs overlap (--unwrap fast makes new ones)"
        scene = replace(scene, notes=(*scene.notes, note))
    return Outcome(
        job=replace(job, train=trained.settings),
        scene=scene,
        mesh=mesh,
        unwrapped_by=method,
        uvs=uvs,
        texture=filled.image,
        trained=trained,
        filled_texels=filled.filled_surface,
        surface_texels=found.covered,
        seam_step=find_seam_tie(mesh, size).step(filled.image),
        seconds=clock.seconds,
        maps=maps,
    )


def simplified(scene: Scene, faces: int | None) -> Scene:
    """The scene with its mesh reduced to so many faces, and a note on it; None leaves it as it is."""
    if faces is None or scene.mesh is None:
        return scene
    mesh, note = simplify(scene.mesh, faces)
    return replace(scene, mesh=mesh, notes=(*scene.notes, *filter(None, [note])))


def unwrapped(
    scene: Scene,
    settings: UnwrapSettings,
    cache: Path,
    progress: Progress = no_progress,
    density: Density = "uniform",
) -> tuple[Mesh, str]:
    """The scene's mesh with uvs, and the method; taken from the cache if the same mesh was unwrapped before.

    Raises ReaderError if the scene has no mesh, UnwrapError if no uvs can be made, or not at densities that differ.
    """
    mesh = scene.mesh
    if mesh is None:
        raise _no_mesh(scene)
    observed = density == "observed"
    choose_method(mesh, settings, dense=observed)
    parts = (settings.method, settings.resolution, settings.gap, settings.partitions)
    paged = [settings.pages, settings.texels_per_unit] if settings.paged else []
    key = content_key(mesh_key(mesh), *parts, *paged, *([observed_key(scene.views)] if observed else []))
    path = cache / f"unwrapped-{key}.npz"
    if path.exists():
        # What can't be read costs the work that it held, nothing else.
        with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(path, allow_pickle=False) as data:
            found = replace(mesh, uvs=data["uvs"], uv_faces=data["uv_faces"], pages=int(data["pages"]))
            return found, str(data["method"])
    densities = observed_density(mesh, scene.views, progress) if observed else None
    [(mesh, method)] = [unwrap(mesh, settings, densities) for _ in progress(range(1), "unwrap", 1)]
    if mesh.uvs is None or mesh.uv_faces is None:
        raise MeshError(f"unwrap {method} gave no uvs")
    with whole_file(path) as temporary:
        made = np.array(method), np.array(mesh.pages)
        np.savez(temporary, uvs=mesh.uvs, uv_faces=mesh.uv_faces, method=made[0], pages=made[1])
    return mesh, method


def _from_photos(folder: Path, out: Path, job: Job, progress: Progress) -> tuple[Path, Job]:
    """A capture with cameras and a mesh made of photos alone, written to the output folder; and how to read it."""
    target, cache = out / FROM_PHOTOS, job.cache or out / ".cache"
    reconstruct_photos(folder, target, PhotoSettings(masks=job.read.masks), cache, progress)
    # The masks lie beside the photos now, where the reader finds them.
    return target, replace(job, read=replace(job.read, masks=None))


def _reconstructed(scene: Scene, out: Path, job: Job, progress: Progress) -> Scene:
    """The scene with a mesh made of its depth maps, which is also written to `out`."""
    if job.reconstruct is None:
        return scene
    if job.read.mesh is not None:
        raise ConfigError("--reconstruct and --mesh both name the mesh", fix="one of them")
    mesh, note = cached_mesh(scene, job.reconstruct, job.cache or out / ".cache", progress)
    write_mesh(out / RECONSTRUCTED, mesh)
    return replace(scene, mesh=mesh, notes=(*scene.notes, note))


def _no_mesh(scene: Scene) -> ReaderError:
    depths = sum(view.depth is not None for view in scene.views)
    if depths == 0:
        return ReaderError(
            f"{scene.format}: {scene.name} has no mesh", fix="--mesh FILE with a mesh in the frame of the cameras"
        )
    return ReaderError(
        f"{scene.format}: {scene.name} has no mesh, but {depths} depth maps to make one of",
        fix="texture with --reconstruct, or `neuraltexgen reconstruct CAPTURE -o mesh.ply` and then --mesh mesh.ply",
    )


def _in_range(texture: Image) -> Image:
    """The texture clipped to [0, 1]; itself, not a copy, where that changes nothing, as after a fit in bands."""
    return texture if texture.min() >= 0 and texture.max() <= 1 else np.clip(texture, 0, 1)


def mesh_key(mesh: Mesh) -> str:
    """A hash of what a UV map depends on."""
    pages = [mesh.pages] if mesh.pages > 1 else []
    return content_key(mesh.vertices, mesh.faces, mesh.uvs, mesh.uv_faces, *pages)
