"""The demo: both methods on one made-up room, and a table that compares them with the truth."""

import math
from pathlib import Path

import pytest

import neuraltexgen.demo as demo
from neuraltexgen.demo import run_demo
from neuraltexgen.outcome import metrics, write_outcome
from neuraltexgen.synthetic import SyntheticSettings


def test_the_demo_compares_both_methods_with_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "TEXTURE_SIZE", 128)
    room = SyntheticSettings(views=6, width=64, height=48, supersampling=2, detail=50.0)
    result = run_demo(tmp_path, "cpu", settings=room)
    assert [row[0] for row in result.table.rows][:2] == ["ours", "published recipe"]
    assert all(len(row) == len(result.table.columns) for row in result.table.rows)
    for row in result.table.rows[:2]:
        figures = [float(cell) for cell in row[1:] if isinstance(cell, float)]
        assert len(figures) >= 4
        assert all(math.isfinite(figure) and figure > 0 for figure in figures)
    assert result.outcome.texture.shape == (128, 128, 3)
    assert (tmp_path / "capture" / "transforms.json").is_file()
    assert (tmp_path / "texture.png").is_file()
    assert len(result.figures["comparison"]) == len(result.table.rows)
    write_outcome(tmp_path, result.outcome, (result.table,))
    assert result.table.title in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert metrics(result.outcome)["views"]["used"] == 6
