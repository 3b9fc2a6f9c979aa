"""The bench: both formulations are of one function, tables hold what was measured, charts stand alone."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from neuraltexgen.bench import BenchSettings, markdown, run_bench, write_bench
from neuraltexgen.bench.formulations import GRADIENT_BOUND, Ours, Plain, check
from neuraltexgen.bench.roofline import least_bytes
from neuraltexgen.bench.workload import Workload, make_views
from neuraltexgen.errors import ConfigError, FitError

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
WORK = Workload(2, 48, 64, 128, 16)


def test_the_two_formulations_go_down_one_function() -> None:
    """All but: a coarse level looked up by itself bends at other places than the composed texture does."""
    stack = make_views(WORK, CPU)
    ours, plain = Ours(stack, WORK), Plain(stack, WORK)
    losses = [(float(ours.one_pass()), float(plain.one_pass())) for _ in range(4)]
    for one, other in losses:
        assert one == pytest.approx(other, rel=0.02)
    assert losses[-1][0] < losses[0][0]


def test_without_coarse_levels_the_two_formulations_are_one_function() -> None:
    """So what parts them above are the coarse levels, not weights or means."""
    stack = make_views(WORK, CPU)
    ours, plain = Ours(stack, WORK), Plain(stack, WORK)
    with torch.no_grad():
        for level in (*list(ours.descent.texture.levels)[1:], *plain.levels[1:]):
            level.zero_()
    ours.descent.compose()
    assert float(ours.one_pass()) == pytest.approx(float(plain.one_pass()), rel=1e-5)


def test_what_is_off_its_definition_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = make_views(WORK, CPU)
    assert check(stack, WORK)["gradient_off"] < GRADIENT_BOUND
    monkeypatch.setattr("neuraltexgen.bench.formulations.GRADIENT_BOUND", 0.0)
    with pytest.raises(FitError, match="nothing is timed"):
        check(stack, WORK)


def test_the_least_bytes_grow_with_views_and_with_texels() -> None:
    two, four = (least_bytes(make_views(work, CPU), work) for work in (WORK, replace(WORK, views=4)))
    larger = replace(WORK, texture=256)
    assert four - two == pytest.approx(2 * 48 * 64 * (5 + 1 + 3))
    assert least_bytes(make_views(larger, CPU), larger) - two == pytest.approx(3 * 128 * 128 * 144)


def test_charts_lie_where_the_workload_says() -> None:
    stack = make_views(replace(WORK, spread=0.5), CPU)
    codes = stack.places.low.to(torch.int32) + ((stack.places.high.to(torch.int32) & 15) << 16)[..., None]
    assert int(codes[..., 1].max()) < 0.5 * 2**20


def test_a_quick_bench_fills_every_table(tmp_path: Path) -> None:
    result = run_bench(BenchSettings(quick=True, repeats=1, sweep=True, device="cpu"))
    files = write_bench(tmp_path, result)
    assert [path.name for path in files] == ["bench.json", "bench.md", "cost-over-texture.svg", "cost-over-photos.svg"]
    assert json.loads(files[0].read_text()) == json.loads(json.dumps(result))
    words = markdown(result)
    [passes] = result["passes"]
    for kind in ("ours", "plain", "ray caster", "rasteriser", "direct", "adam"):
        assert f"| {kind} |" in words
    assert f"{passes['times_faster']} times the plain" in words
    assert all(row["psnr"] > 25 for row in result["fits"])
    assert {row["over"] for row in result["sweep"]} == {"texture", "photos"}
    for chart in files[2:]:
        root = ElementTree.fromstring(chart.read_text())
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(root.findall(".//{http://www.w3.org/2000/svg}polyline")) == 4


def test_no_view_is_no_bench() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        BenchSettings(views=0)
