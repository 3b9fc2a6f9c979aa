"""A bench's result in words: JSON, Markdown tables, and the sweep as pictures."""

from pathlib import Path
from typing import Any

from neuraltexgen.bench.picture import standalone_chart
from neuraltexgen.files import write_json, write_text
from neuraltexgen.report import Curve, Series

PARTS = {
    "pass_ms": "pass over the photos",
    "step_ms": "Adam's step",
    "gather_ms": "direct: gathering",
    "round_ms": "direct: a round",
}

AXES = {"texture": ("megatexels", "million texels"), "photos": ("megapixels", "million pixels")}


def write_bench(folder: Path, result: dict[str, Any]) -> tuple[Path, ...]:
    """Writes bench.json, bench.md and, of a sweep, two SVGs into a folder; returns their paths."""
    files = [folder / "bench.json", folder / "bench.md"]
    write_json(files[0], result)
    write_text(files[1], markdown(result))
    for over in AXES if "sweep" in result else ():
        files.append(folder / f"cost-over-{over}.svg")
        write_text(files[-1], standalone_chart(sweep_curve(result["sweep"], over)))
    return tuple(files)


def markdown(result: dict[str, Any]) -> str:
    """All tables."""
    where = result["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    card = f", {where['cuda']}" if where["cuda"] else ""
    parts = [f"# Bench\n\n{where['system']}, {where['threads']} threads{card}; {versions}.\n"]
    parts += [_pass_words(table) for table in result["passes"]]
    rows = [(row["kind"], _spread(row["pass_ms"]), f"{row['million_samples_per_second']}") for row in result["uv_maps"]]
    faces = f"{result['uv_maps'][0]['faces']:,} faces"
    parts.append(f"## UV maps, {faces}\n\n" + table(("renderer", "ms a view", "million samples a second"), rows))
    rows = [(row["kind"], f"{row['seconds']}", f"{row['turns']}", f"{row['psnr']} dB") for row in result["fits"]]
    columns = ("solver", "seconds", "passes or rounds", "PSNR of the photos")
    parts.append(f"## A small fit: {_size(result['fit_settings'])}\n\n" + table(columns, rows))
    if "sweep" in result:
        columns = ("texture", "photos", "million pixels", *(f"{words}, ms" for words in PARTS.values()))
        rows = [
            (f"{row['texture']}", f"{row['views']}", f"{row['megapixels']:.2f}", *(f"{row[part]}" for part in PARTS))
            for row in result["sweep"]
        ]
        parts.append("## What cost goes with\n\n" + table(columns, rows))
    return "\n".join(parts)


def sweep_curve(rows: list[dict[str, Any]], over: str) -> Curve:
    """Cost over the texture's size, or over the photos' pixels."""
    key, label = AXES[over]
    chosen = [row for row in rows if row["over"] == over]
    series = tuple(Series(words, tuple((row[key], row[part]) for row in chosen)) for part, words in PARTS.items())
    return Curve(f"Cost over {label}", label, "milliseconds", series)


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = (columns, ("---",) * len(columns), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _pass_words(found: dict[str, Any]) -> str:
    rows = [
        (row["kind"], _spread(row["pass_ms"]), f"{row['view_ms']}", f"{row['processor_ms']}") for row in found["rows"]
    ]
    rows.append(("least bytes over bandwidth", f"{found['least_ms']}", f"{found['least_ms'] / found['views']:.3f}", ""))
    head = f"## A pass on {found['device']}: {_size(found)}\n\n"
    note = f"\n{found['times_faster']} times the plain formulation; {found['bandwidth_gb_s']} GB/s measured.\n"
    return head + table(("", "ms a pass (range)", "ms a view", "processor ms a pass"), rows) + note


def _size(found: dict[str, Any]) -> str:
    height, width = found["photo"]
    return f"{found['views']} views of {width} x {height}, texture {found['texture']}"


def _spread(times: list[float]) -> str:
    return f"{times[0]} ({times[1]} to {times[2]})"
