"""Scoring any textured mesh: our own export scores as its run said, and what can't be scored is an error."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from neuraltexgen.errors import ConfigError, MeshError, UnwrapError
from neuraltexgen.evaluation import Evaluation, evaluate_mesh
from neuraltexgen.fall_off import FallOff
from neuraltexgen.metrics import mean_score
from neuraltexgen.pipeline import Job, Outcome, texture_capture
from neuraltexgen.recipes import FitSettings
from neuraltexgen.response import Response
from neuraltexgen.training_settings import TrainSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("textured")


@pytest.fixture(scope="module")
def outcome(room_capture: Path, folder: Path) -> Outcome:
    job = Job(train=TrainSettings(FitSettings(passes=4), texture_size=256, holdout="4"))
    return texture_capture(room_capture, folder, job)


def test_photos_are_put_right_by_the_runs_fall_off(
    outcome: Outcome, folder: Path, room_capture: Path, tmp_path: Path
) -> None:
    plain = evaluate_mesh(folder / "mesh.obj", room_capture, Evaluation(holdout="4", cache=folder / ".cache"))
    photo = Pillow.open(next((room_capture / "images").glob("*.png")))
    lens = FallOff((-0.4,))
    told = {"width": photo.width, "height": photo.height, "coefficients": lens.coefficients}
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps({"fall_off": [told]}))
    dark = tmp_path / "dark"
    shutil.copytree(room_capture, dark)
    left = lens.plane(photo.height, photo.width).numpy()[..., None]
    for path in (dark / "images").glob("*.png"):
        Pillow.fromarray(np.rint(np.asarray(Pillow.open(path)) * left).astype(np.uint8)).save(path)
    worse = evaluate_mesh(folder / "mesh.obj", dark, Evaluation(holdout="4"))
    right = evaluate_mesh(folder / "mesh.obj", dark, Evaluation(holdout="4", fall_off=file))
    first, dim, back = (mean_score([s.score for s in scores]).psnr for scores in (plain, worse, right))
    assert dim < first - 3
    assert back == pytest.approx(first, abs=0.3)
    shutil.copy(file, folder / "metrics.json")
    assert evaluate_mesh(folder / "mesh.obj", dark, Evaluation(holdout="4")) == right
    (folder / "metrics.json").write_text("some other program's")
    assert evaluate_mesh(folder / "mesh.obj", dark, Evaluation(holdout="4")) == worse
    with pytest.raises(ConfigError, match="tells no fall-off"):
        evaluate_mesh(folder / "mesh.obj", dark, Evaluation(holdout="4", fall_off=folder / "metrics.json"))
    (folder / "metrics.json").unlink()


def test_photos_are_straightened_by_the_runs_curve(
    outcome: Outcome, folder: Path, room_capture: Path, tmp_path: Path
) -> None:
    curve, values = Response((0.5, 0.2)), np.linspace(0, 1, 256)
    bent = tmp_path / "bent"
    shutil.copytree(room_capture, bent)
    for path in (bent / "images").glob("*.png"):
        shown = np.interp(np.asarray(Pillow.open(path)) / 255, curve.straight(values), values)
        Pillow.fromarray(np.rint(255 * shown).astype(np.uint8)).save(path)
    photo = Pillow.open(next((room_capture / "images").glob("*.png")))
    told = {"width": photo.width, "height": photo.height, "coefficients": curve.coefficients}
    (tmp_path / "metrics.json").write_text(json.dumps({"fall_off": [], "response": [told]}))
    cases = ((room_capture, None), (bent, None), (bent, tmp_path / "metrics.json"))
    wanted = [(capture, Evaluation(holdout="4", fall_off=file)) for capture, file in cases]
    scored = [evaluate_mesh(folder / "mesh.obj", capture, settings) for capture, settings in wanted]
    plain, worse, right = (mean_score([s.score for s in scores]) for scores in scored)
    assert worse.psnr < plain.psnr - 2
    assert right.psnr == pytest.approx(plain.psnr, abs=0.3)


@pytest.mark.parametrize("name", ["mesh.obj", "mesh.glb"])
def test_our_export_scores_as_the_run_said(name: str, outcome: Outcome, folder: Path, room_capture: Path) -> None:
    scores = evaluate_mesh(folder / name, room_capture, Evaluation(holdout="4", cache=folder / ".cache"))
    assert [s.name for s in scores] == [s.name for s in outcome.trained.scores]
    found, said = mean_score([s.score for s in scores]), outcome.trained.mean
    assert found.pixels == pytest.approx(said.pixels, rel=0.002)
    assert found.psnr == pytest.approx(said.psnr, abs=0.1)
    assert found.psnr_fitted == pytest.approx(said.psnr_fitted, abs=0.1)
    assert found.ssim == pytest.approx(said.ssim, abs=0.01)
    assert found.sharpness == pytest.approx(said.sharpness, abs=0.02)


def test_a_texture_given_apart_replaces_the_meshs_own(outcome: Outcome, room_capture: Path, tmp_path: Path) -> None:
    for path in outcome.files:
        shutil.copy(path, tmp_path)
    settings = Evaluation(holdout="0000,")
    whole = evaluate_mesh(tmp_path / "mesh.obj", room_capture, settings)
    (tmp_path / "texture.png").rename(tmp_path / "moved.png")
    with pytest.raises(MeshError, match="no texture") as caught:
        evaluate_mesh(tmp_path / "mesh.obj", room_capture, settings)
    assert "--texture" in (caught.value.fix or "")
    assert evaluate_mesh(tmp_path / "mesh.obj", room_capture, settings, tmp_path / "moved.png") == whole
    names = {"mesh.obj", "mesh.mtl", "mesh.glb", "moved.png"}
    assert {path.name for path in tmp_path.iterdir()} == names  # no cache stays beside the mesh


def test_a_mesh_without_uvs_is_an_error(outcome: Outcome, folder: Path, room_capture: Path) -> None:
    with pytest.raises(UnwrapError, match="no uvs"):
        evaluate_mesh(room_capture / "mesh.ply", room_capture, Evaluation(), folder / "texture.png")


def test_no_view_to_score_is_an_error(outcome: Outcome, folder: Path, room_capture: Path) -> None:
    with pytest.raises(ConfigError, match="none of 8 views"):
        evaluate_mesh(folder / "mesh.obj", room_capture, Evaluation(holdout="none"))
