"""A capture textured on two pages, by the command as a user types it: its files score as the run said."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from neuraltexgen.evaluation import Evaluation, evaluate_mesh
from neuraltexgen.meshes import read_mesh
from neuraltexgen.metrics import mean_score
from test_cli import refused, run


@pytest.fixture(scope="module")
def paged(room_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("paged")
    options = ("--pages", "2", "--texture-size", "128", "--passes", "3", "--holdout", "4")
    run("texture", room_capture, "-o", out, *options, "--cache", out / "cache")
    return out


def test_the_run_writes_a_texture_for_each_page(paged: Path) -> None:
    figures = json.loads((paged / "metrics.json").read_text())
    assert (figures["texture"]["size"], figures["texture"]["pages"]) == ([128, 128], 2)
    assert (figures["uvs"]["pages"], figures["uvs"]["resolution"]) == (2, 128)
    for number in (1001, 1002):
        assert Pillow.open(paged / f"texture.{number}.png").size == (128, 128)
    report = (paged / "report.html").read_text()
    assert "page 2 of the texture" in report
    assert "2 pages of 128×128" in report


@pytest.mark.parametrize("name", ["mesh.obj", "mesh_udim.obj", "mesh.glb"])
def test_every_form_scores_as_the_run_said(name: str, paged: Path, room_capture: Path) -> None:
    said = json.loads((paged / "metrics.json").read_text())["held_out"]["mean"]
    found = mean_score([s.score for s in evaluate_mesh(paged / name, room_capture, Evaluation(holdout="4"))])
    assert found.pixels == pytest.approx(said["pixels"], rel=0.002)
    assert found.psnr == pytest.approx(said["psnr"], abs=0.1)
    assert found.psnr_fitted == pytest.approx(said["psnr_fitted"], abs=0.1)


def test_textures_of_pages_are_given_by_their_pattern(paged: Path, room_capture: Path, tmp_path: Path) -> None:
    scores = evaluate_mesh(paged / "mesh_udim.obj", room_capture, Evaluation(holdout="0000,"))
    for name in ("mesh_udim.obj", "texture.1001.png", "texture.1002.png"):
        (tmp_path / name.replace("texture", "other")).write_bytes((paged / name).read_bytes())
    given = tmp_path / "other.<UDIM>.png"
    assert evaluate_mesh(tmp_path / "mesh_udim.obj", room_capture, Evaluation(holdout="0000,"), given) == scores


def test_pages_are_kept_when_a_mesh_brings_them(paged: Path, room_capture: Path, tmp_path: Path) -> None:
    options = ("--texture-size", "64", "--passes", "1", "--holdout", "none")
    run("texture", room_capture, "--mesh", paged / "mesh_udim.obj", "-o", tmp_path, *options)
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert (figures["uvs"]["by"], figures["texture"]["pages"]) == ("keep", 2)
    before, after = (read_mesh(folder / "mesh_udim.obj").mesh for folder in (paged, tmp_path))
    assert np.allclose(before.uvs[before.uv_faces], after.uvs[after.uv_faces], atol=1e-8)  # pyright: ignore


def test_a_mesh_unwrapped_on_pages_is_read_back(paged: Path, room_capture: Path, tmp_path: Path) -> None:
    scale = ("--texels-per-unit", "20", "--resolution", "64", "--method", "fast")
    done = run("unwrap", room_capture / "mesh.ply", "-o", tmp_path / "uv.obj", *scale, "--measure", "--json")
    made = json.loads(done.stdout)
    assert made["pages"] == made["figures"]["pages"] > 1
    assert len(made["figures"]["page_charts"]) == made["pages"]
    kept = json.loads(run("unwrap", tmp_path / "uv.obj", "--resolution", "64", "--measure", "--json").stdout)
    assert kept["figures"]["page_charts"] == made["figures"]["page_charts"]
    assert "UDIM tiles 1001 to" in run("unwrap", tmp_path / "uv.obj", "--measure").stdout
    assert "prepared folder" in refused("uvmap", room_capture, "--mesh", tmp_path / "uv.obj", "-o", tmp_path / "x")[0]
