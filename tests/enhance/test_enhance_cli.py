"""`neuraltexgen enhance`, and `texture` with the same options, as a user runs them."""

import json
from pathlib import Path

import pytest

from models import compact, write_model
from neuraltexgen.images import photo_size
from test_cli import SMALL, refused, run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "double.safetensors", compact(2, strength=0.05))


def test_an_enhanced_capture_is_textured_with_no_more_words(room_capture: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "enhanced"
    steps = ("--denoise", "1", "--super-resolution", model, "--sharpen", "0.5", "--white-balance")
    done = run("enhance", room_capture, "-o", out, *steps)
    for words in ("8 in", "192 x 144 pixels", "all 8 photos were changed", "enlarged 2 times by double.safetensors"):
        assert words in done.stdout
    assert photo_size(out / "images" / "0000.png") == (192, 144)
    info = json.loads(run("info", out, "--json").stdout)
    assert (info["format"], info["views"], info["notes"]) == ("colmap", 8, [])
    run("texture", out, "-o", tmp_path / "textured", *SMALL, "--quiet")
    metrics = json.loads((tmp_path / "textured" / "metrics.json").read_text())
    assert metrics["views"]["used"] == 8
    assert metrics["held_out"]["mean"]["psnr_fitted"] > 14


def test_texture_enhances_and_fits_in_one_go(room_capture: Path, model: Path, tmp_path: Path) -> None:
    steps = ("--super-resolution", model, "--sharpen", "0.25", "--samples", "1")
    done = run("texture", room_capture, "-o", tmp_path, *SMALL, *steps)
    assert "all 8 photos were changed before the fit: enlarged 2 times by double.safetensors" in done.stdout
    assert "enhance" in done.stdout.split("time  ", 1)[1].split("\n", 1)[0]
    enhance = json.loads((tmp_path / "config.json").read_text())["settings"]["enhance"]
    assert enhance["super_resolution"] == str(model)
    assert len(enhance["model_sha256"]) == 64
    assert (enhance["denoise"], enhance["sharpen"], enhance["white_balance"]) == (0.0, 0.25, False)
    assert "photos were changed before the fit" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / ".cache").exists()


def test_json_has_the_record(room_capture: Path, tmp_path: Path) -> None:
    done = run("enhance", room_capture, "-o", tmp_path / "out", "--sharpen", "1", "--json")
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "enhanced.json").read_text())


def test_what_cannot_be_done_is_said_in_two_lines(room_capture: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"PK\x03\x04 not quite")
    cases = {
        "ConfigError: nothing to do": (),
        "ConfigError: --sharpen -1": ("--sharpen", "-1"),
        "no such file": ("--super-resolution", tmp_path / "gone.pth"),
        "damaged": ("--super-resolution", broken),
        "ConfigError: --device warp": ("--sharpen", "1", "--device", "warp"),
    }
    for message, options in cases.items():
        lines = refused("enhance", room_capture, "-o", tmp_path / "out", *options)
        assert message in lines[0]
        assert len(lines) == 2
        assert lines[1].startswith("fix: ")
        assert not (tmp_path / "out").exists()
    lines = refused("enhance", room_capture, "-o", room_capture, "--sharpen", "1")
    assert "EnhanceError" in lines[0]
    assert "8 of the capture's photos" in lines[0]
