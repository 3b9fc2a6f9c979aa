"""The documentation says what the code does: its numbers, tables, options and programs."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from neuraltexgen.cli.run import run
from neuraltexgen.doctor import HYPOTHESES
from neuraltexgen.geometry import CV_FROM_GL, camera_centre, invert_pose, pixel_rays, project, transform
from neuraltexgen.kernels.sample import render
from neuraltexgen.losses import HEADS, LOSSES, PRESETS, parse_loss
from neuraltexgen.meshes.raw import flip_v
from neuraltexgen.readers import READERS, formats_table
from neuraltexgen.recipes import BLURRED_PASSES, PASSES, PUBLISHED, FitSettings
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture
from neuraltexgen.unwrap import METHODS
from neuraltexgen.uvmap.render import RENDERERS

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = (
    "texture",
    "update",
    "demo",
    "info",
    "doctor",
    "convert",
    "enhance",
    "reconstruct",
    "unwrap",
    "uvmap",
    "fit",
    "evaluate",
    "losses",
    "bench",
)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def programs(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.is_file(), target
        if not anchor:
            continue
        headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {heading.lower().replace("`", "").replace(" ", "-") for heading in headings}, target


def test_the_numbers_of_the_conventions_page() -> None:
    point = np.array([[0.2, -0.1, 2.0], [-1.278, -0.958, 2.0]])
    pinhole = Camera("PINHOLE", 640, 480, (500.0, 500.0, 320.0, 240.0))
    np.testing.assert_allclose(project(pinhole, point), [(370, 215), (0.5, 0.5)], atol=1e-9)
    opencv = Camera("OPENCV", 640, 480, (500.0, 500.0, 320.0, 240.0, -0.1, 0.01, 0.0, 0.0))
    np.testing.assert_allclose(project(opencv, point[:1]), [(369.938, 215.031)], atol=5e-4)
    rays, _ = pixel_rays(Camera("PINHOLE", 2, 2, (1.0, 1.0, 0.0, 0.0)), 2)
    np.testing.assert_allclose((rays / rays[..., 2:])[0, :2, :2], [(0.25, 0.25), (0.75, 0.25)], atol=1e-6)
    pose = np.array([[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1.0]])
    assert transform(pose, np.array([[1.0, 0, 0]])).tolist() == [[1, 3, 3]]
    assert camera_centre(pose).tolist() == [-2, 1, -3]
    world_from_gl = np.eye(4)
    world_from_gl[:3, 3] = 1, 2, 3
    stated = [[1, 0, 0, -1], [0, -1, 0, 2], [0, 0, -1, 3], [0, 0, 0, 1]]
    assert (CV_FROM_GL @ invert_pose(world_from_gl)).tolist() == stated
    np.testing.assert_allclose(flip_v(np.array([[0.25, 0.9]])), [(0.25, 0.1)])


@pytest.mark.parametrize(("u", "v", "texel"), [(0.375, 0.625, 9.0), (0.5, 0.625, 9.5), (0.0, 0.0, 0.0)])
def test_the_lookups_of_the_conventions_page(u: float, v: float, texel: float) -> None:
    texture = torch.arange(16.0).reshape(4, 4, 1)
    assert render(texture, torch.tensor([[[[u, v]]]]), torch.ones(1, 1, dtype=torch.bool)).item() == texel


@pytest.mark.parametrize("command", COMMANDS)
def test_options_that_the_docs_name_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run([command, "--help"])
    assert stop.value.code == 0
    known = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    section = page("docs/command-line.md").split(f"\n## {command}\n", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"--[a-z][a-z-]+", section))
    assert not named - known


def test_every_row_of_a_table_is_documented() -> None:
    doctor = page("docs/doctor.md")
    named = [row for row in HYPOTHESES.values() if row.group not in ("camera axes", "mesh axes", "mesh scale")]
    assert all(f"`{row.name}`" in doctor or f"{row.name.split(':')[1]}`" in doctor for row in named)
    assert all(f"`{name}`" in page("docs/losses.md") for name in (*LOSSES, *HEADS, *PRESETS))
    assert all(f"`{name}`" in page("docs/unwrapping.md") for name in METHODS)
    assert all(f"| `{name}` |" in page("docs/uv-maps.md") for name in RENDERERS)


def test_the_table_of_formats_is_that_of_the_readers() -> None:
    readme = page("README.md")
    assert formats_table() in readme, "python docs/write_tables.py"
    assert all(f"`--format {reader.name}`" in page("docs/formats.md") for reader in READERS), (
        "a reader needs a section there"
    )


def test_the_tables_of_unwrappers_are_those_of_the_benchmark() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "write_tables.py"))["unwrap_tables"]()
    assert page("docs/unwrapping.md").endswith(tables), "python docs/write_tables.py"
    assert all(f"| {method.line}" in page("docs/unwrapping.md") for method in METHODS.values())


def test_the_tables_of_components_are_those_of_the_benchmark() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "write_tables.py"))["component_tables"]()
    assert page("docs/ablation.md").endswith(tables), "python docs/write_tables.py"


def test_the_table_of_recipes() -> None:
    table = page("docs/fitting.md")
    ours = FitSettings()
    for row in (
        f"| passes | {PASSES}, {BLURRED_PASSES} where many photos are much blurred | {PUBLISHED.passes} (20 + 40) |",
        f"| loss | `{ours.losses[0]}` | `{PUBLISHED.losses[0]}`, `{PUBLISHED.losses[1]}` |",
        f"| regulariser | {ours.regulariser:g} | {PUBLISHED.regulariser:g} |",
        f"| Adam's learning rate | {ours.learning_rate:g} | {PUBLISHED.learning_rate:g} |",
        f"| Adam's betas | {ours.betas[0]}, {ours.betas[1]} | {PUBLISHED.betas[0]}, {PUBLISHED.betas[1]} |",
        f"| sharpness weights | power {ours.sharpness_power:g} | none |",
    ):
        assert row in table
    assert (ours.damping, PUBLISHED.damping) == (2.5e-4, None)
    assert (ours.exposure, PUBLISHED.exposure) == (True, False)
    assert (ours.compare_at, PUBLISHED.compare_at) == ("photo", "uvmap")
    assert (ours.start, PUBLISHED.start) == ("mean", "grey")
    assert ours.losses == ("l2=1",)


def test_the_layers_are_those_that_are_checked() -> None:
    layers = page("pyproject.toml").split("layers = [\n", 1)[1].split("]", 1)[0]
    rows = [line.strip().strip(",").strip('"') for line in layers.splitlines()]
    assert "\n".join(rows).strip() in page("docs/architecture.md")


def test_the_loss_of_the_losses_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = programs(page("docs/losses.md"))
    (tmp_path / "my_losses.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    term = parse_loss("my_losses:blurred_l2=0.5")
    photo, valid = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.ones(1, 1, 8, 8).bool()
    valid[..., :4, :4] = False
    hidden = torch.where(valid, photo, torch.nan)
    assert term.function(photo, hidden, valid) == 0
    assert term.function(photo + 0.5, hidden, valid).item() == pytest.approx(0.25)


def test_the_program_of_the_readme_runs(tmp_path: Path) -> None:
    capture = write_capture(make_scene(SyntheticSettings(6, 80, 60, 2, detail=50.0)), tmp_path / "capture")
    (source,) = programs(page("README.md"))
    source = source.replace('"CAPTURE"', repr(str(capture))).replace('"OUT"', repr(str(tmp_path / "out")))
    command = [sys.executable, "-c", source.replace("2048", "256")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "psnr_fitted" in ran.stdout
    assert (tmp_path / "out" / "report.html").is_file()
