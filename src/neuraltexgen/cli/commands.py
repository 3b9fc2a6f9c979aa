"""The subcommands: each says what it takes, calls the library, and tells what came out."""

import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from neuraltexgen.checks import inspect
from neuraltexgen.cli.options import (
    Capture,
    Enhancing,
    Fitting,
    Maybe,
    Out,
    Pages,
    Reading,
    Renderer,
    Resources,
    Sampling,
    Scale,
    Styling,
)
from neuraltexgen.cli.rows import left_out, left_out_rows, notes, score_cells
from neuraltexgen.cli.talk import Talk
from neuraltexgen.evaluation import Evaluation, evaluate_mesh
from neuraltexgen.export import ExportOptions
from neuraltexgen.files import plain, write_json
from neuraltexgen.machine import GIB, fit_peak, packed_bytes
from neuraltexgen.metrics import mean_score
from neuraltexgen.outcome import metrics, score_rows, summary, write_outcome
from neuraltexgen.pipeline import Density, Job, Refine, texture_capture, unwrapped
from neuraltexgen.prepared import UVMapSettings, fit_prepared, write_uv_maps
from neuraltexgen.readers import read_capture
from neuraltexgen.recipes import FitSettings, fit_bytes
from neuraltexgen.reconstruct import ReconstructSettings
from neuraltexgen.training_settings import TrainSettings, choose_solver, exposure_bytes
from neuraltexgen.unwrap import MethodName, UnwrapSettings
from neuraltexgen.update import check_job, keep_state
from neuraltexgen.view_cache import ViewSettings

MeshFile = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MESH")]

PAGE = 4096
"""Side of a page whose scale is given and whose size isn't."""


@dataclass(frozen=True)
class Texture:
    """Texture a capture: read, unwrap, make UV maps, fit, fill, export, report."""

    capture: Capture
    """A capture's folder, or the file that defines it."""
    out: Out = Path("textured")
    """Where everything is written."""
    reconstruct: bool = False
    """First make the mesh of the capture's depth maps (extra open3d), kept as mesh.ply; of photos, cameras too."""
    texture_size: int | None = None
    """Side of the texture (of each page) in texels; chosen from the photos' detail if not given."""
    unwrap: MethodName = "auto"
    """auto keeps the mesh's own uvs where it has them, else makes new ones."""
    pages: Pages = None
    """Spread the charts over so many textures; with --texels-per-unit, over so many at most."""
    texels_per_unit: Scale = None
    """Texels a world unit, on as many pages as that needs, of 4096 texels a side if --texture-size says nothing."""
    refine: Refine = "auto"
    """auto: first refine poses and lenses where some photos say that it helps, and warp photos where that does too;
    cameras: always, without warps; warps: always, with warps; none: never."""
    density: Density = "uniform"
    """observed: more texels where photos were taken from closer by; only with new uvs by fast."""
    mip_levels: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """With new uvs: charts as far apart as lookups at mip levels 0 to N take; 4 texels, enough for 1, if not given."""
    simplify: Annotated[int | None, tyro.conf.arg(metavar="FACES")] = None
    """First reduce the mesh to so many faces; needs neuraltexgen[open3d]."""
    holdout: str = "8"
    """Photos kept out of the fit and scored: N for every Nth, a file or a list of names, or none."""
    final_fit: bool = False
    """After scoring, fit once more on all photos and export that."""
    explain: bool = False
    """Also write what the texture rests on: photos a texel, their spread, its uncertainty, what of each was trusted."""
    texture_format: Literal["png", "png16", "exr"] = "png"
    """8 or 16 bit PNG, or EXR with 32-bit floats."""
    glb_image: Literal["png", "jpeg"] = "png"
    """The image inside the GLB."""
    keep_state: bool = False
    """Also write state.npz, so that `neuraltexgen update` can add photos or remove some; only for l2."""
    reading: Reading = field(default_factory=Reading)
    enhancing: Enhancing = field(default_factory=Enhancing)
    sampling: Sampling = field(default_factory=Sampling)
    fitting: Fitting = field(default_factory=Fitting)
    styling: Styling = field(default_factory=Styling)
    resources: Resources = field(default_factory=Resources)
    talk: Talk = field(default_factory=Talk)

    def job(self) -> Job:
        """The library's settings."""
        side = self.texture_size or (PAGE if self.texels_per_unit is not None else None)
        return Job(
            read=self.reading.settings(),
            reconstruct=ReconstructSettings() if self.reconstruct else None,
            refine="none" if self.keep_state and self.refine == "auto" else self.refine,
            enhance=self.enhancing.settings(),
            simplify=self.simplify,
            unwrap=UnwrapSettings(
                self.unwrap,
                side or 2048,
                mip_levels=self.mip_levels,
                pages=self.pages,
                texels_per_unit=self.texels_per_unit,
            ),
            density=self.density,
            views=self.sampling.settings(),
            train=TrainSettings(
                fit=self.fitting.settings(),
                texture_size=side,
                holdout=self.holdout,
                fall_off=self.fitting.fall_off,
                response=self.fitting.response,
                blur=self.fitting.blur,
                transients=self.fitting.transients,
                final_fit=self.final_fit,
                style=self.styling.settings(),
                device=self.resources.device,
                memory=self.resources.memory,
                sampling=self.fitting.sampling,
            ),
            export=ExportOptions(self.texture_format, self.glb_image),
            renderer=self.sampling.renderer,
            explain=self.explain,
            cache=self.resources.cache,
        )

    def run(self) -> None:
        job = self.job()
        if self.keep_state:
            check_job(job)
        outcome = texture_capture(self.capture, self.out, job, self.talk.progress)
        files = (*outcome.files, *write_outcome(self.out, outcome))
        if self.keep_state:
            files += (keep_state(self.out, outcome, self.capture, self.talk.progress),)
        if self.resources.cache is None:
            shutil.rmtree(self.out / ".cache", ignore_errors=True)
        rows = (*summary(outcome), *left_out(outcome.scene.left_out), *notes(outcome.scene.notes))
        self.talk.rows((*rows, *self.talk.files(files)), metrics(outcome))


@dataclass(frozen=True)
class Info:
    """Say what a capture holds and what looks wrong in it."""

    capture: Capture
    """A capture's folder, or the file that defines it."""
    reading: Reading = field(default_factory=Reading)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        info = inspect(read_capture(self.capture, self.reading.settings()))
        rows = [
            ("capture", f"{info.name} ({info.format})"),
            ("views", f"{info.views} used, {len(info.left_out)} left out"),
        ]
        for c in info.cameras:
            fov = "no pinhole field of view" if c.fov_x is None else f"{c.fov_x:.1f} x {c.fov_y or 0:.1f} degrees"
            rows.append(("camera", f"{c.model}, {c.width} x {c.height} pixels, {fov}, {c.count} views"))
        if info.masks or info.depths:
            rows.append(("beside", f"{info.masks} masks, {info.depths} depth maps"))
        if mesh := info.mesh:
            size = " x ".join(f"{high - low:.4g}" for low, high in zip(mesh.low, mesh.high))
            rows.append(("mesh", f"{mesh.vertices:,} vertices, {mesh.faces:,} faces, {mesh.uvs:,} uvs, extent {size}"))
            edges = f"{mesh.boundary_edges} boundary edges, {mesh.non_manifold_edges} shared by 3 or more faces"
            rows.append(("surface", f"{mesh.components} components, {edges}"))
        if info.median_distance is not None and info.seeing is not None:
            rows.append(
                (
                    "distance",
                    f"{info.median_distance:.4g} (median); {info.seeing:.0%} of the views have the mesh in view",
                )
            )
        pixels = [c.width * c.height for c in info.cameras for _ in range(c.count)]
        samples, first = ViewSettings().samples, info.cameras[0] if info.cameras else None
        settings = replace(FitSettings(), solver=choose_solver(FitSettings(), torch.device("cpu")))
        needed = fit_bytes(settings)
        if first is not None:
            views = sum(packed_bytes(count, samples) for count in pixels)
            needed += exposure_bytes(settings, views, (first.height, first.width))
        held, streamed = fit_peak(pixels, samples, needed)
        rows.append(
            ("memory", f"a fit at 2048 texels takes {held / GIB:.1f} GiB, or {streamed / GIB:.1f} with views read anew")
        )
        rows += [*left_out_rows(info.left_out), *notes(info.notes), *(("warning", text) for text in info.warnings)]
        memory = {"fit_bytes": held, "streamed_bytes": streamed}
        self.talk.rows(rows, plain({**info.to_json(), "memory": memory}))


@dataclass(frozen=True)
class UVMaps:
    """Write UV maps as EXR, with the photos beside them, as NeuralTexGen's preparation step does."""

    capture: Capture
    """A capture's folder, or the file that defines it."""
    out: Out = Path("prepared")
    """Gets uvs/ID.exr, images/ID.jpg and the mesh with its uvs."""
    scale: int = 2
    """Size of the UV map over that of the photo."""
    half: bool = False
    """16-bit floats: half the space, uvs to 1/4096."""
    fields: bool = True
    """Also store face id, distance, cosine and footprint."""
    unwrap: MethodName = "auto"
    """How to unwrap a mesh without uvs."""
    renderer: Renderer = "auto"
    """What makes them: ray (casting), raster (on the CPU), egl (OpenGL; egl:1: device 1), or the fastest."""
    reading: Reading = field(default_factory=Reading)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        settings = UVMapSettings(self.scale, self.half, self.fields, self.renderer)
        scene = read_capture(self.capture, self.reading.settings())
        mesh, _ = unwrapped(scene, UnwrapSettings(self.unwrap), self.out / ".cache", self.talk.progress)
        files = write_uv_maps(scene, mesh, self.out, settings, self.talk.progress)
        shutil.rmtree(self.out / ".cache", ignore_errors=True)
        rows = [("UV maps", f"{len(files)} in {self.out / 'uvs'}"), *left_out(scene.left_out), *notes(scene.notes)]
        self.talk.rows(rows, {"uv_maps": [str(path) for path in files]})


@dataclass(frozen=True)
class Fit:
    """Fit a texture to a prepared folder of images/ and uvs/, as NeuralTexGen's training step takes it."""

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Holds images/ID.jpg and uvs/ID.exr."""
    out: Out = Path("fitted")
    """Where everything is written."""
    mesh: Maybe = None
    """The mesh with the uvs that the UV maps were made from: fills unseen texels and exports it textured."""
    texture_size: int | None = None
    """Side of the texture in texels; chosen from the photos' detail if not given."""
    holdout: str = "8"
    """Photos kept out of the fit and scored: N for every Nth, a file or a list of names, or none."""
    fitting: Fitting = field(default_factory=Fitting)
    styling: Styling = field(default_factory=Styling)
    resources: Resources = field(default_factory=Resources)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        settings = TrainSettings(
            fit=self.fitting.settings(),
            texture_size=self.texture_size,
            holdout=self.holdout,
            fall_off=self.fitting.fall_off,
            response=self.fitting.response,
            blur=self.fitting.blur,
            transients=self.fitting.transients,
            style=self.styling.settings(),
            device=self.resources.device,
            memory=self.resources.memory,
            sampling=self.fitting.sampling,
        )
        result = fit_prepared(self.folder, self.out, settings, self.mesh, self.resources.cache, self.talk.progress)
        if self.resources.cache is None:
            shutil.rmtree(self.out / ".cache", ignore_errors=True)
        trained = result.trained
        views = f"{len(trained.train)} fitted, {len(trained.held)} held out"
        rows = [("views", views), ("texture", f"{result.texture.shape[1]} x {result.texture.shape[0]} texels")]
        rows += score_rows(trained.mean) if trained.scores else []
        self.talk.rows((*rows, *self.talk.files(result.files)), result.figures())


@dataclass(frozen=True)
class Evaluate:
    """Score a textured mesh, ours or another tool's, against a capture's held-out photos."""

    mesh: MeshFile
    """A textured OBJ, GLB or PLY."""
    capture: Capture
    """The capture with the photos and cameras."""
    holdout: str = "8"
    """The photos to score: N for every Nth, a file or a list of names."""
    align: bool = False
    """Score the photos where the textured mesh says that they were taken, by features of its renders."""
    texture: Maybe = None
    """The texture image, if the mesh does not name it."""
    fall_off: Maybe = None
    """A run's metrics.json, by which photos are put right (fall-off, response); by default that beside the mesh."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = None
    """Also write the figures to this JSON file."""
    reading: Reading = field(default_factory=Reading)
    sampling: Sampling = field(default_factory=Sampling)
    resources: Resources = field(default_factory=Resources)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        where = Evaluation(
            read=self.reading.settings(),
            views=self.sampling.settings(),
            renderer=self.sampling.renderer,
            holdout=self.holdout,
            align=self.align,
            fall_off=self.fall_off,
            device=self.resources.device,
            memory=self.resources.memory,
            cache=self.resources.cache,
        )
        scores = evaluate_mesh(self.mesh, self.capture, where, self.texture, self.talk.progress)
        mean = mean_score([s.score for s in scores])
        figures = plain({"mean": asdict(mean), "views": [{"name": s.name, **asdict(s.score)} for s in scores]})
        if self.out is not None:
            write_json(self.out, figures)
        columns = ("view", "PSNR fitted", "SSIM fitted", "sharpness", "PSNR", "SSIM", "pixels")
        self.talk.rows(score_rows(mean), figures)
        self.talk.table("held-out views", columns, (score_cells(s.name, s.score) for s in scores))
