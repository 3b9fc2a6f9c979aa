"""`texture --refine warps` as a user types it, on a bent mesh: killed, gone on with, and taken from the cache."""

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture
from test_cli import COMMAND, run

OPTIONS = ("--refine", "warps", "--texture-size", "128", "--holdout", "6", "--quiet")
HELD = ("0000.png", "0006.png")


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of the made-up room, with a mesh that waves by 2 cm beside it."""
    scene = make_scene(SyntheticSettings(views=12, width=128, height=96, supersampling=2, detail=60.0))
    waves = 0.02 * np.sin(3 * scene.mesh.vertices[:, [1, 2, 0]])
    mesh = replace(scene.mesh, vertices=scene.mesh.vertices + waves)
    return write_capture(replace(scene, mesh=mesh), tmp_path_factory.mktemp("bent") / "capture")


@pytest.fixture(scope="module")
def killed(bent: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Path, int]]:
    """What a run that was killed once it knew the warps has written after it went on; and the cache before that."""
    out = tmp_path_factory.mktemp("killed")
    process = subprocess.Popen([COMMAND, "texture", bent, "-o", out, "--cache", out / "cache", *OPTIONS])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not list(out.glob("cache/refine/cameras-*.json")):
        time.sleep(0.02)
    process.kill()
    process.wait()
    cached = times(out / "cache" / "refine")
    assert any(path.name.startswith("cameras-") for path in cached)
    assert not (out / "metrics.json").exists()
    run("texture", bent, "-o", out, "--cache", out / "cache", *OPTIONS)
    return out, cached


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def told(out: Path) -> dict[str, np.ndarray]:
    """The warp of each view that has one."""
    views = json.loads((out / "cameras.json").read_text())["views"]
    return {view["name"]: np.array(view["warp"]) for view in views if "warp" in view}


def test_a_killed_run_goes_on_with_the_warps_that_it_found(killed: tuple[Path, dict[Path, int]]) -> None:
    out, before = killed
    assert times(out / "cache" / "refine") == before
    [found] = [json.loads(path.read_text()) for path in before if path.name.startswith("cameras-")]
    warps = told(out)
    assert len(warps) == 12
    for warp, name in zip(found["warps"], [name for name in sorted(warps) if not name.endswith(HELD)], strict=True):
        np.testing.assert_array_equal(warps[name], warp)


def test_places_held_out_of_the_warps_agree_better(killed: tuple[Path, dict[Path, int]]) -> None:
    out, _ = killed
    figures = json.loads((out / "metrics.json").read_text())["refined_cameras"]
    assert figures["warps_held_out"]["looks"] > 500
    assert figures["warps_held_out"]["after"] < 0.97 * figures["warps_held_out"]["before"]
    assert figures["warps_pixels"] > 0.05
    fitted = [warp for name, warp in told(out).items() if not name.endswith(HELD)]
    assert min(np.abs(warp).max() for warp in fitted) > 0.02


def test_uv_maps_of_warped_cameras_are_taken_from_the_cache(
    killed: tuple[Path, dict[Path, int]], bent: Path, tmp_path: Path
) -> None:
    """As many as are there: those that a killed run had not made yet are made."""
    out, _ = killed
    views = out / "cache" / "views"
    kept = times(views)
    lost = sorted(kept)[::3]
    for path in lost:
        path.unlink()
    run("texture", bent, "-o", tmp_path, "--cache", out / "cache", *OPTIONS)
    now = times(views)
    assert set(now) == set(kept)
    assert all((now[path] == kept[path]) == (path not in lost) for path in kept)
    assert (tmp_path / "texture.png").read_bytes() == (out / "texture.png").read_bytes()
