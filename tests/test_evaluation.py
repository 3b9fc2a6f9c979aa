"""Scoring any textured mesh: our own export scores as its run said, and what can't be scored is an error."""

import shutil
from pathlib import Path

import pytest

from neuraltexgen.errors import ConfigError, MeshError, UnwrapError
from neuraltexgen.evaluation import Evaluation, evaluate_mesh
from neuraltexgen.metrics import mean_score
from neuraltexgen.pipeline import Job, Outcome, texture_capture
from neuraltexgen.recipes import FitSettings
from neuraltexgen.training import TrainSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("textured")


@pytest.fixture(scope="module")
def outcome(room_capture: Path, folder: Path) -> Outcome:
    job = Job(train=TrainSettings(FitSettings(passes=4), texture_size=256, holdout="4"))
    return texture_capture(room_capture, folder, job)


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
