"""The installed command, as a user runs it: every subcommand, what it says, its exit codes, real captures."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from egl_here import needs_egl
from neuraltexgen.images import read_exr
from warm import SETTLED, run_warm

COMMAND = Path(sys.executable).parent / "neuraltexgen"
SCENES = Path(__file__).parents[2] / "shared" / "scenes"
SUBCOMMANDS = (
    *("texture", "update", "demo", "info", "doctor", "convert", "enhance", "reconstruct", "unwrap", "uvmap", "fit"),
    *("evaluate", "suggest", "losses", "bench"),
)
SMALL = ("--texture-size", "128", "--passes", "3")


def run_installed(
    arguments: Sequence[str | Path], cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env={**os.environ, **SETTLED, **(env or {})},
    )


def run(
    *arguments: str | Path, code: int = 0, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The installed command's end; for arguments alone that of a fork of it, which starts at once."""
    words = [str(argument) for argument in arguments]
    done = run_warm(words) if cwd is None and env is None else run_installed(words, cwd, env)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def refused(*arguments: str | Path, env: dict[str, str] | None = None) -> list[str]:
    """The lines of an error: what is wrong, and what can be done."""
    done = run(*arguments, code=2, env=env)
    assert done.stdout == ""
    return done.stderr.rstrip("\n").split("\n")


@pytest.fixture(scope="module")
def textured(room_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "textured with spaces"
    done = run_installed(["texture", room_capture, "-o", out, *SMALL, "--holdout", "4", "--seed", "7"])
    assert done.returncode == 0, done.stderr
    for word in ("6 fitted, 2 held out, 0 left out", "held-out PSNR", "held-out SSIM", "128 x 128", "report.html"):
        assert word in done.stdout
    return out


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_every_subcommand_explains_itself(command: str) -> None:
    done = run(command, "--help")
    assert "usage: neuraltexgen" in done.stdout
    assert done.stderr == ""
    if command == "texture":
        for flag in ("--mesh", "--no-exposure", "--no-confidence", "--holdout", "--recipe", "--memory", "--quiet"):
            assert flag in done.stdout


def test_the_command_alone_lists_its_subcommands() -> None:
    done = run_installed(["--help"])
    assert done.returncode == 0
    assert all(command in done.stdout for command in SUBCOMMANDS)


def test_info_says_what_a_capture_holds(room_capture: Path) -> None:
    done = run("info", room_capture)
    assert "8 used, 0 left out" in done.stdout
    assert "PINHOLE, 96 x 72" in done.stdout
    info = json.loads(run("info", room_capture, "--json").stdout)
    assert info["views"] == 8
    assert info["format"] == "transforms"
    assert run("info", room_capture, "--quiet").stdout == ""


def test_texture_writes_all_that_it_names_and_nothing_else(textured: Path) -> None:
    names = {"texture.png", "mesh.obj", "mesh.mtl", "mesh.glb", "config.json", "metrics.json", "report.html"}
    assert {path.name for path in textured.iterdir()} == names
    metrics, config = (json.loads((textured / f"{name}.json").read_text()) for name in ("metrics", "config"))
    assert metrics["views"] == {"used": 8, "train": 6, "held_out": 2}
    assert metrics["held_out"]["mean"]["psnr_fitted"] > 15
    assert config["settings"]["train"]["fit"]["seed"] == 7
    assert config["settings"]["train"]["fit"]["passes"] == 3


@pytest.mark.parametrize("mesh", ["mesh.obj", "mesh.glb"])
def test_evaluate_agrees_with_the_run(mesh: str, textured: Path, room_capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = run("evaluate", textured / mesh, room_capture, "--holdout", "4", "--json", "-o", out)
    figures = json.loads(done.stdout)
    assert json.loads(out.read_text()) == figures
    said = json.loads((textured / "metrics.json").read_text())["held_out"]
    assert [view["name"] for view in figures["views"]] == [view["name"] for view in said["views"]]
    for name in ("psnr", "psnr_fitted"):
        assert figures["mean"][name] == pytest.approx(said["mean"][name], abs=0.1)
        for found, expected in zip(figures["views"], said["views"], strict=True):
            assert found[name] == pytest.approx(expected[name], abs=0.2)  # the run scores before filling
    assert not (textured / ".cache").exists()


def test_stages_by_hand_lead_to_the_same_place(room_capture: Path, tmp_path: Path) -> None:
    run("unwrap", room_capture / "mesh.ply", "-o", tmp_path / "uv.ply", "--resolution", "128", "--quiet")
    prepared = tmp_path / "prepared"
    run("uvmap", room_capture, "--mesh", tmp_path / "uv.ply", "-o", prepared, "--scale", "2")
    assert {path.name for path in prepared.iterdir()} == {"images", "uvs", "mesh.off"}
    common = (*SMALL, "--holdout", "4", "--json")
    found = run("fit", prepared, "-o", tmp_path / "fitted", "--mesh", prepared / "mesh.off", *common)
    direct = run("texture", room_capture, "--mesh", tmp_path / "uv.ply", "-o", tmp_path / "direct", *common)
    by_hand, at_once = (json.loads(done.stdout)["held_out"]["mean"] for done in (found, direct))
    assert by_hand["psnr_fitted"] == pytest.approx(at_once["psnr_fitted"], abs=1.0)
    assert (tmp_path / "fitted" / "mesh.glb").is_file()


@needs_egl
def test_opengl_and_rays_write_the_same_uv_maps(room_capture: Path, tmp_path: Path) -> None:
    run("unwrap", room_capture / "mesh.ply", "-o", tmp_path / "uv.ply", "--resolution", "128", "--quiet")
    for name in ("ray", "egl", "egl:0"):
        run("uvmap", room_capture, "--mesh", tmp_path / "uv.ply", "-o", tmp_path / name, "--renderer", name)
    for path in (tmp_path / "ray" / "uvs").iterdir():
        rays, opengl, device_0 = (read_exr(tmp_path / name / "uvs" / path.name) for name in ("ray", "egl", "egl:0"))
        same = rays["face_id"] == opengl["face_id"]
        assert same.mean() > 0.999
        for channel, values in rays.items():
            np.testing.assert_allclose(opengl[channel][same], values[same], rtol=1e-4, atol=1e-6)
            np.testing.assert_array_equal(opengl[channel], device_0[channel])


@needs_egl
def test_scores_do_not_depend_on_the_renderer(textured: Path, room_capture: Path) -> None:
    scores = []
    for name in ("ray", "egl"):
        flags = ("--holdout", "4", "--json", "--renderer", name)
        scores.append(json.loads(run("evaluate", textured / "mesh.obj", room_capture, *flags).stdout)["mean"])
    assert scores[1]["psnr_fitted"] == pytest.approx(scores[0]["psnr_fitted"], abs=0.02)


def test_texture_takes_every_flag(room_capture: Path, tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("0001\r\n0006.png\r\n")
    masks = tmp_path / "masks"
    masks.mkdir()
    for photo in (room_capture / "images").iterdir():
        mask = np.full((72, 96), 255, np.uint8)
        mask[:20] = 0
        Pillow.fromarray(mask).save(masks / photo.name)
    flags = [*("--holdout", tmp_path / "held.txt", "--masks", masks, "--mesh", room_capture / "mesh.ply")]
    flags += ["--no-exposure", "--no-confidence", "--final-fit", "--samples", "1", "--batch", "3", "--memory", "2"]
    flags += ["--loss", "l1=10", "--loss", "gradient_l1=2", "--regulariser", "0.1", "--level-weights", "4", "1", "0"]
    flags += ["--learning-rate", "0.03", "--sharpness-power", "0", "--compare-at", "photo", "--device", "cpu"]
    flags += ["--renderer", "ray", "--mip-levels", "1"]
    flags += ["--texture-format", "exr", "--glb-image", "jpeg", "--unwrap", "xatlas", "--cache", tmp_path / "cache"]
    flags += ["--missing", "error", "--format", "transforms", "--images", room_capture / "images", "--quiet"]
    done = run("texture", room_capture, "-o", tmp_path / "out", *SMALL, *flags)
    assert done.stdout == done.stderr == ""
    assert {"texture.exr", "mesh.glb"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert (tmp_path / "cache" / "views").is_dir()
    settings = json.loads((tmp_path / "out" / "config.json").read_text())["settings"]
    assert settings["renderer"] == "ray"
    assert settings["unwrap"]["mip_levels"] == 1
    assert settings["views"] == {"samples": 1, "confidence": None}
    fit = settings["train"]["fit"]
    assert fit["exposure"] is False
    assert fit["losses"] == ["l1=10", "gradient_l1=2"]
    assert fit["texture"]["level_weights"] == [4.0, 1.0, 0.0]
    held = json.loads((tmp_path / "out" / "metrics.json").read_text())["held_out"]["views"]
    assert [view["name"] for view in held] == ["images/0001.png", "images/0006.png"]


def test_densities_that_a_method_cannot_take_are_refused(room_capture: Path, tmp_path: Path) -> None:
    what, fix = refused("texture", room_capture, "-o", tmp_path, "--unwrap", "xatlas", "--density", "observed")
    assert "unwrap xatlas" in what
    assert "--unwrap fast, or --density uniform" in fix


def test_the_published_recipe_can_be_asked_for(room_capture: Path, tmp_path: Path) -> None:
    run("texture", room_capture, "-o", tmp_path, *SMALL, "--recipe", "published", "--holdout", "none", "--quiet")
    fit = json.loads((tmp_path / "config.json").read_text())["settings"]["train"]["fit"]
    assert fit["losses"] == ["l1=10", "gradient_l1=20"]
    assert fit["compare_at"] == "uvmap"
    assert fit["exposure"] is False
    assert fit["passes"] == 3


def test_a_users_own_loss(room_capture: Path, tmp_path: Path) -> None:
    (tmp_path / "my_losses.py").write_text(
        "def squared(render, photo, valid):\n    return ((render - photo) * valid).square().mean()\n"
    )
    env = {"PYTHONPATH": str(tmp_path)}
    arguments = ("texture", room_capture, "-o", tmp_path / "out", *SMALL, "--quiet", "--loss", "my_losses:squared=2.5")
    run(*arguments, env=env)
    mean = json.loads((tmp_path / "out" / "metrics.json").read_text())["held_out"]["mean"]
    assert mean["psnr_fitted"] > 14
    assert "can't import" in refused(*arguments)[0]


def test_losses_are_listed_with_those_of_installed_packages(tmp_path: Path) -> None:
    metadata = tmp_path / "sharp_losses-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sharp-losses\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[neuraltexgen.losses]\nsharpest = sharp_losses:sharpest\n")
    env = {"PYTHONPATH": str(tmp_path)}
    listed = json.loads(run("losses", "--json", env=env).stdout)
    assert {"l1", "l2", "ssim", "laplacian", "vgg_style", "lpips"} <= set(listed["losses"])
    assert {"photo", "published", "sharp", "style"} == set(listed["presets"])
    assert listed["plug-ins"] == {"sharpest": "sharp_losses:sharpest"}
    shown = run("losses", env=env).stdout
    assert all(name in shown for part in listed.values() for name in part)
    assert all(line in shown for line in listed["losses"].values())


def no_network(folder: Path) -> dict[str, str]:
    """An environment in which nothing is cached and nothing can be downloaded."""
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), nowhere)
    return {"TORCH_HOME": str(folder / "torch"), "NO_PROXY": "", "no_proxy": "", **proxies}


def test_losses_on_features_and_a_style(room_capture: Path, vgg_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "stripes.png"
    Pillow.fromarray(np.tile(np.uint8([[[250, 20, 20]], [[20, 20, 250]]]), (20, 40, 1))).save(picture)
    common = (
        "texture",
        room_capture,
        *SMALL,
        "--holdout",
        "4",
        "--cache",
        tmp_path / "cache",
        "--vgg-weights",
        vgg_file,
    )
    flags = ("--loss", "l2=1", "--loss", "vgg_content=0.01@relu1_2", "--crop", "64", "--memory", "3")
    run(*common, *flags, "-o", tmp_path / "fitted", "--quiet", env=no_network(tmp_path))
    style = ("--style", picture, "--style-size", "40", "--style-strength", "5", "--style-passes", "1")
    done = run(*common, *flags, *style, "-o", tmp_path / "styled", "--json", env=no_network(tmp_path))
    fitted, styled = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("fitted", "styled"))
    assert fitted["held_out"]["mean"]["psnr_fitted"] > 14
    assert styled["held_out"] == fitted["held_out"]  # the fit is scored, not the style
    assert "style" in json.loads(done.stdout)["seconds"]
    colours = [np.asarray(Pillow.open(tmp_path / name / "texture.png"), float) for name in ("fitted", "styled")]
    assert np.abs(colours[1] - colours[0]).mean() > 1
    settings = json.loads((tmp_path / "styled" / "config.json").read_text())["settings"]["train"]
    assert settings["fit"]["network"]["crop"] == 64
    assert settings["fit"]["network"]["vgg_weights"] == str(vgg_file)
    assert settings["style"] == {"picture": str(picture), "strength": 5.0, "size": 40, "passes": 1}


def test_weights_that_cannot_be_downloaded_are_asked_for(room_capture: Path, tmp_path: Path) -> None:
    arguments = ("texture", room_capture, "-o", tmp_path / "out", *SMALL, "--loss", "vgg_content=1")
    lines = refused(*arguments, env=no_network(tmp_path))
    assert len(lines) == 2
    assert lines[0].startswith("LossError: VGG-16's weights are not in")
    assert lines[1].startswith("fix: curl -L --create-dirs -o ")
    assert "--vgg-weights FILE" in lines[1]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no capture", "ReaderError: no capture at"),
        ("unknown loss", "LossError: unknown loss 'nonsense'"),
        ("bad holdout", "ConfigError: --holdout: 1 of 1 names"),
        ("no mesh", "ReaderError: transforms: "),
        ("missing mesh", "Error: "),
        ("device", "ConfigError: --device warp"),
        ("size", "ConfigError: texture size"),
        ("memory", "ConfigError: the fit needs at least"),
        ("samples", "ConfigError: views: 0 samples"),
        ("renderer", "ConfigError: --renderer pencil"),
        ("crop", "ConfigError: a crop of 8 pixels"),
        ("style", "ImageError: "),
    ],
)
def test_what_cannot_be_done_is_said_in_two_lines(what: str, message: str, room_capture: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(room_capture, bare)
    (bare / "mesh.ply").unlink()
    arguments: dict[str, Sequence[str | Path]] = {
        "no capture": (tmp_path / "nowhere",),
        "unknown loss": (room_capture, "--loss", "nonsense=1"),
        "bad holdout": (room_capture, "--holdout", "nobody"),
        "no mesh": (bare,),
        "missing mesh": (bare, "--mesh", tmp_path / "gone.ply"),
        "device": (room_capture, "--device", "warp"),
        "size": (room_capture, "--texture-size", "130"),
        "memory": (room_capture, "--memory", "0.2"),
        "samples": (room_capture, "--samples", "0"),
        "renderer": (room_capture, "--renderer", "pencil"),
        "crop": (room_capture, "--crop", "8"),
        "style": (room_capture, "--style", tmp_path / "gone.png"),
    }
    out = tmp_path / "out"
    passes = () if what == "size" else SMALL
    lines = refused("texture", *passes, *arguments[what], "-o", out)
    assert message in lines[0]
    assert len(lines) <= 2
    assert len(lines) == 1 or lines[1].startswith("fix: ")
    assert not [path for path in out.rglob("*") if path.is_file() and ".cache" not in path.parts]


def test_a_broken_photo_is_left_out_or_stops_the_run(room_capture: Path, tmp_path: Path) -> None:
    shutil.copytree(room_capture, tmp_path / "capture")
    photo = tmp_path / "capture" / "images" / "0003.png"
    photo.write_bytes(photo.read_bytes()[:300])
    lines = refused("texture", tmp_path / "capture", "-o", tmp_path / "out", *SMALL, "--missing", "error")
    assert "0003.png" in lines[0]
    assert len(lines) == 2


def test_a_place_that_cannot_be_written_is_no_traceback(room_capture: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    [line] = refused("texture", room_capture, "-o", tmp_path / "file" / "out", *SMALL)
    assert "file" in line


def test_words_that_are_no_command_are_refused() -> None:
    assert run("paint", code=2).stdout == ""
    refusal = run_installed(["texture"])
    assert (refusal.returncode, refusal.stdout) == (2, "")
    assert run("texture", code=2).stderr == refusal.stderr


def test_an_interrupted_run_leaves_nothing_half_and_goes_on(room_capture: Path, tmp_path: Path) -> None:
    arguments = ["texture", room_capture, "-o", tmp_path, "--texture-size", "128", "--passes", "100000"]
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background may have them ignore interrupts, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    cached = tmp_path / ".cache" / "views"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (cached.is_dir() and len(list(cached.glob("[!.]*.npz"))) == 8):
        time.sleep(0.1)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert process.returncode == 130, (output, error)
    assert error.startswith("interrupted")
    assert "Traceback" not in error
    assert not list(tmp_path.rglob(".writing-*"))
    assert {path.name for path in tmp_path.iterdir()} == {".cache"}
    run("texture", room_capture, "-o", tmp_path, *SMALL, "--quiet")
    assert (tmp_path / "report.html").is_file()


needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures (../shared/scenes) are not there")


@needs_scenes
@pytest.mark.parametrize("name", ["fox", "herzjesu", "neuraltexgen_room", "sevenscenes", "sevenscenes_colmap"])
def test_real_captures_are_understood(name: str) -> None:
    info = json.loads(run("info", SCENES / name, "--json").stdout)
    expected = {"fox": 44, "herzjesu": 21, "neuraltexgen_room": 12, "sevenscenes": 120, "sevenscenes_colmap": 120}
    assert info["views"] == expected[name]
    assert info["mesh"]["faces"] > 10000


@needs_scenes
def test_a_real_capture_is_textured(tmp_path: Path) -> None:
    flags = ("--texture-size", "512", "--passes", "2", "--samples", "1", "--quiet")
    run("texture", SCENES / "neuraltexgen_room", "-o", tmp_path, *flags)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["held_out"]["mean"]["psnr_fitted"] > 15
    assert metrics["texture"]["seen_texels"] > 5000
