"""The demo: a room with a known texture is photographed, textured by ours and by the published recipe, and compared."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neuraltexgen.export import export_textured_mesh
from neuraltexgen.geometry import face_areas
from neuraltexgen.pipeline import Job, Outcome, texture_capture, texture_scene
from neuraltexgen.recipes import PUBLISHED, FitSettings
from neuraltexgen.report import Table
from neuraltexgen.synthetic import SyntheticScene, SyntheticSettings, make_scene, write_capture
from neuraltexgen.training import Clock
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.uvmap.atlas import rasterise_atlas, texel_positions
from neuraltexgen.view_cache import ViewSettings

TEXTURE_SIZE = 1536
SAMPLES = 3
PASSES = 12
PUBLISHED_SAMPLES = 2
"""Our sub-samples a pixel along each side, and the size of the published recipe's UV maps over the photos'."""

ROOM = SyntheticSettings(views=48, width=192, height=144, detail=112.0)
"""Small photos, so that both methods and the making of the scene fit into two minutes on two cores."""


@dataclass(frozen=True, eq=False)
class DemoResult:
    """Our outcome, the table that compares it, and the table's figures for JSON."""

    outcome: Outcome
    table: Table
    figures: dict[str, Any]


def run_demo(
    out: Path, device: str = "auto", progress: Progress = no_progress, settings: SyntheticSettings = ROOM
) -> DemoResult:
    """Makes the capture in `out/capture`, textures it into `out`, and fits the published recipe for comparison."""
    clock = Clock()
    with clock.stage("make the scene"):
        scene = make_scene(settings)
        capture = write_capture(scene, out / "capture", progress)
    job = Job(views=ViewSettings(SAMPLES), train=TrainSettings(FitSettings(passes=PASSES), TEXTURE_SIZE, device=device))
    ours = texture_capture(capture, out, job, progress)
    published = texture_scene(ours.scene, out, _published(job), progress)
    export_textured_mesh(out / "published", published.mesh, published.texture)
    rows = tuple(_row(name, run, scene) for name, run in (("ours", ours), ("published recipe", published)))
    table = Table(
        title="Against the published recipe and the known texture",
        columns=("method", "held-out PSNR, dB", "held-out SSIM", "sharpness", "texture PSNR, dB", "fit, s"),
        rows=rows,
        note="Same photos, uvs and texture size; 3 x 3 sub-samples a pixel for ours, UV maps of twice the photos' size "
        "for the published recipe. Held-out figures after the colour fit; the texture's PSNR is over seen texels, "
        "against the room's true colours averaged over each texel.",
    )
    seconds = {**clock.seconds, **ours.seconds, "published recipe": published.seconds["fit"]}
    figures = {"comparison": [dict(zip(table.columns, row)) for row in rows]}
    return DemoResult(replace(ours, seconds=seconds), table, figures)


def texture_error(outcome: Outcome, scene: SyntheticScene) -> float:
    """PSNR in dB of the finished texture against the known one, over surface texels that a training view sees."""
    atlas = rasterise_atlas(outcome.mesh, outcome.trained.settings.fit.texture.size)
    counted = (outcome.trained.result.weight > 0.5)[atlas.covered]
    points = texel_positions(outcome.mesh, atlas)[counted]
    truth = scene.known_colour(atlas.face_ids[atlas.covered][counted], points, _texel_side(outcome))
    error = np.square(outcome.texture[atlas.covered][counted] - truth, dtype=np.float64).mean()
    return float(-10 * np.log10(max(error, 1e-30)))


def _texel_side(outcome: Outcome) -> float:
    """The side of a texel on the surface, in metres: the mean over the mesh."""
    area = face_areas(outcome.mesh.vertices, outcome.mesh.faces).sum()
    return float(np.sqrt(area / outcome.surface_texels))


def _published(job: Job) -> Job:
    return replace(job, views=ViewSettings(PUBLISHED_SAMPLES), train=replace(job.train, fit=PUBLISHED))


def _row(name: str, outcome: Outcome, scene: SyntheticScene) -> tuple[str, float, float, float, float, float]:
    mean = outcome.trained.mean
    error = texture_error(outcome, scene)
    return name, mean.psnr_fitted, mean.ssim_fitted, mean.sharpness, error, outcome.seconds["fit"]
