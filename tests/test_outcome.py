"""What a run tells: figures and settings as plain JSON, and a report that names its views."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.outcome import config, metrics, summary, write_outcome
from neuraltexgen.pipeline import Job, Outcome, texture_capture
from neuraltexgen.recipes import FitSettings
from neuraltexgen.report import Table
from neuraltexgen.scene import LeftOut
from neuraltexgen.training_settings import TrainSettings


@pytest.fixture(scope="module")
def outcome(room_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    job = Job(train=TrainSettings(FitSettings(passes=4), texture_size=128, holdout="0002,0005"))
    found = texture_capture(room_capture, tmp_path_factory.mktemp("out"), job)
    scene = replace(found.scene, left_out=(LeftOut("images/0099.png", "no such file"),))
    return replace(found, scene=scene)


def test_figures_are_plain_json_and_those_of_the_run(outcome: Outcome) -> None:
    figures = metrics(outcome)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["views"] == {"used": 8, "train": 6, "held_out": 2}
    assert figures["left_out"] == [{"name": "images/0099.png", "reason": "no such file"}]
    assert figures["texture"]["size"] == [128, 128]
    texture = figures["texture"]
    assert texture["seen_texels"] + texture["filled_texels"] == texture["surface_texels"]
    held = figures["held_out"]
    assert [view["name"] for view in held["views"]] == ["images/0002.png", "images/0005.png"]
    assert held["mean"]["psnr"] == pytest.approx(np.mean([view["psnr"] for view in held["views"]]))
    assert [row["pass"] for row in figures["curve"]] == [row["number"] for row in figures["loss"]] == [1, 2, 3, 4]
    names = [row["name"] for row in figures["exposure"]]
    assert names == [f"images/{i:04d}.png" for i in (0, 1, 3, 4, 6, 7)]
    assert np.mean([row["gain"] for row in figures["exposure"]], axis=0) == pytest.approx([1, 1, 1], abs=1e-6)
    assert figures["uvs"]["by"] == "fast"
    assert figures["uvs"]["faces"] == len(outcome.mesh.faces)
    assert figures["uvs"]["utilisation"] * 128 * 128 == pytest.approx(texture["surface_texels"])
    assert set(figures["seconds"]) >= {"read", "fit", "export"}


def test_what_is_not_a_number_becomes_null(outcome: Outcome) -> None:
    nothing = replace(outcome.trained.scores[0].score, psnr=math.nan, ssim=math.inf)
    scores = (replace(outcome.trained.scores[0], score=nothing),)
    view = metrics(replace(outcome, trained=replace(outcome.trained, scores=scores)))["held_out"]["views"][0]
    assert view["psnr"] is None
    assert view["ssim"] is None
    assert view["psnr_fitted"] > 0


def test_without_held_out_views_there_is_no_mean(outcome: Outcome) -> None:
    bare = replace(outcome, trained=replace(outcome.trained, scores=(), held=(), curve=()))
    assert metrics(bare)["held_out"] == {"mean": None, "views": []}
    assert not any(label.startswith("held-out") for label, _ in summary(bare))


def test_settings_hold_what_was_in_force(outcome: Outcome) -> None:
    stored = config(outcome)
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
    assert stored["settings"]["train"]["texture_size"] == 128
    assert stored["settings"]["train"]["fit"]["texture"]["size"] == [128, 128]
    assert stored["settings"]["train"]["fit"]["seed"] == 0
    assert stored["settings"]["train"]["holdout"] == "0002,0005"
    assert stored["unwrapped_by"] == "fast"
    assert {"neuraltexgen", "torch", "numpy", "python"} <= set(stored["versions"])


def test_the_files_say_the_same_and_the_report_names_every_view(outcome: Outcome, tmp_path: Path) -> None:
    table = Table("An added table", ("method", "figure"), (("ours", 1.5),), "A note.")
    files = write_outcome(tmp_path, outcome, (table,))
    assert [path.name for path in files] == ["config.json", "metrics.json", "report.html"]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in files}
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics(outcome)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for view in outcome.scene.views:
        assert view.name in page
    for text in ("images/0099.png", "no such file", "An added table", "texture.png", "mesh.glb"):
        assert text in page
    assert f"{outcome.trained.mean.psnr_fitted:.2f} dB" in page


def test_the_summary_is_honest_about_every_count(outcome: Outcome) -> None:
    rows = dict(summary(outcome))
    assert rows["views"] == "6 fitted, 2 held out, 1 left out"
    assert rows["texture"] == "128 x 128 texels"
    seen = 1 - outcome.filled_texels / outcome.surface_texels
    assert rows["surface seen"].startswith(f"{seen:.1%}")
    assert f"{outcome.trained.mean.psnr:.2f} dB as it is" in rows["held-out PSNR"]
