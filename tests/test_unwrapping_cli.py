"""`neuraltexgen unwrap` and `texture --simplify`, as a user types them."""

import importlib.util
import json
from pathlib import Path

import pytest

from neuraltexgen.meshes import read_mesh, write_mesh
from neuraltexgen.unwrap import UnwrapSettings, unwrap
from surfaces import torus
from test_cli import SMALL, refused, run

needs_open3d = pytest.mark.skipif(importlib.util.find_spec("open3d") is None, reason="open3d is not installed")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "torus.ply"
    write_mesh(path, torus())
    return path


def test_figures_are_printed_and_are_those_of_the_file(bare: Path, tmp_path: Path) -> None:
    common = ("--resolution", "256", "--method", "per-triangle")
    made = json.loads(run("unwrap", bare, "-o", tmp_path / "uv.obj", *common, "--measure", "--json").stdout)
    assert made["method"] == "per-triangle"
    assert made["figures"]["charts"] == made["faces"] == 576
    kept = json.loads(run("unwrap", tmp_path / "uv.obj", "--resolution", "256", "--measure", "--json").stdout)
    assert kept["method"] == "keep"
    # The file's vertices are rounded as text; its uvs are what was measured.
    for name, value in made["figures"].items():
        assert kept["figures"][name] == pytest.approx(value, rel=1e-6), name
    said = run("unwrap", tmp_path / "uv.obj", "--measure").stdout
    for word in ("charts", "stretch", "seams", "overlap", "mirrored", "texels a unit"):
        assert word in said


def test_charts_lie_as_far_apart_as_mip_levels_take(bare: Path, tmp_path: Path) -> None:
    common = ("--resolution", "256", "--gutter", "0", "--measure", "--json", "-o", tmp_path / "uv.obj")
    levels = [json.loads(run("unwrap", bare, "--mip-levels", str(n), *common).stdout) for n in (0, 3)]
    assert [made["figures"]["mip_level"] >= n for made, n in zip(levels, (0, 3))] == [True, True]
    assert levels[0]["figures"]["mip_level"] < 3
    said = run("unwrap", tmp_path / "uv.obj", "--resolution", "256", "--measure").stdout
    assert f"keep to their charts at level 0 to {levels[1]['figures']['mip_level']}" in said
    assert "mip levels 0 to 8" in refused("unwrap", bare, "--resolution", "256", "--mip-levels", "9")[0]


def test_measuring_kept_uvs_writes_nothing_unless_asked(bare: Path, tmp_path: Path) -> None:
    write_mesh(tmp_path / "uv.ply", unwrap(torus(), UnwrapSettings("per-triangle", 128))[0])
    before = sorted(tmp_path.iterdir())
    run("unwrap", tmp_path / "uv.ply", "--measure", cwd=tmp_path)
    assert sorted(tmp_path.iterdir()) == before
    run("unwrap", bare, "--method", "per-triangle", "--measure", cwd=tmp_path)
    assert (tmp_path / "unwrapped.obj").is_file()


@needs_open3d
def test_a_mesh_is_simplified_first(bare: Path, tmp_path: Path) -> None:
    done = run("unwrap", bare, "-o", tmp_path / "uv.ply", "--simplify", "200", "--resolution", "256", "--json")
    result = json.loads(done.stdout)
    assert 100 < result["faces"] <= 200
    assert result["notes"] == [f"simplified from 576 to {result['faces']} faces"]
    assert len(read_mesh(tmp_path / "uv.ply").mesh.faces) == result["faces"]


@needs_open3d
def test_a_capture_is_textured_on_fewer_faces(room_capture: Path, tmp_path: Path) -> None:
    faces = len(read_mesh(room_capture / "mesh.ply").mesh.faces)
    out = tmp_path / "out"
    done = run("texture", room_capture, "-o", out, *SMALL, "--simplify", "1000", "--unwrap", "per-triangle")
    assert f"simplified from {faces:,} to" in done.stdout
    left = len(read_mesh(out / "mesh.obj").mesh.faces)
    assert 900 < left <= 1000
    figures = json.loads((out / "metrics.json").read_text())["uvs"]
    assert (figures["by"], figures["resolution"], figures["charts"]) == ("per-triangle", 128, left)
    assert "Unwrapping" in (out / "report.html").read_text()


def test_what_cannot_be_is_refused_with_a_fix(bare: Path, tmp_path: Path) -> None:
    lines = refused("unwrap", bare, "--method", "per-triangle", "--resolution", "32", "-o", tmp_path / "x.obj")
    assert "576 faces don't fit into 32 x 32 texels, 128 do" in lines[0]
    assert "--resolution 68" in lines[1]
    assert not (tmp_path / "x.obj").exists()
    assert "no uvs" in refused("unwrap", bare, "--method", "keep")[0]
    assert "partitions 0" in refused("unwrap", bare, "--partitions", "0")[0]
