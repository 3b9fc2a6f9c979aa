"""Writes the tables that are generated: of formats into the README, of unwrappers, of components.

`python docs/write_tables.py`
"""

import json
from pathlib import Path
from typing import Any

from neuraltexgen.readers import formats_table

ROOT = Path(__file__).parent.parent
README, UNWRAPPING, ABLATION = ROOT / "README.md", ROOT / "docs" / "unwrapping.md", ROOT / "docs" / "ablation.md"
RESULTS = ROOT / "benchmarks" / "results" / "unwrap.json"
COMPONENTS = ROOT / "benchmarks" / "results" / "ablation.json"

UNWRAP_COLUMNS = (
    "Method | Seconds | Peak GiB | Charts | Used | Stretch L2 | Largest | Angles | Seams | Overlap | Folded | Density"
)


def with_table(text: str) -> str:
    """The README's text with the table under "What you can feed it" replaced by what the readers state."""
    before, rest = text.split("### What you can feed it\n\n", 1)
    _, after = rest.split("\n\n", 1)
    return f"{before}### What you can feed it\n\n{formats_table()}\n{after}"


def with_unwrappers(text: str) -> str:
    """The page on unwrapping with the tables that end it replaced by the benchmark's figures."""
    before, _ = text.split("`benchmarks/results/unwrap.json`.\n\n", 1)
    return f"{before}`benchmarks/results/unwrap.json`.\n\n{unwrap_tables()}"


def unwrap_tables() -> str:
    """A table for each mesh of the benchmark."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    tables = []
    for mesh in dict.fromkeys(row["mesh"] for row in rows):
        mine = [row for row in rows if row["mesh"] == mesh]
        faces = next(row["figures"]["faces"] for row in mine if "figures" in row)
        head = f"| {UNWRAP_COLUMNS} |\n|{'---|' * len(UNWRAP_COLUMNS.split('|'))}"
        tables.append("\n".join((f"### {mesh}, {faces:,} faces\n\n{head}", *map(unwrap_row, mine), "")))
    return "\n".join(tables)


def with_components(text: str) -> str:
    """The page on components with the tables that end it replaced by the benchmark's figures."""
    before, _ = text.split("`benchmarks/results/ablation.json`.\n\n", 1)
    return f"{before}`benchmarks/results/ablation.json`.\n\n{component_tables()}"


def component_tables() -> str:
    """A table for each capture of the benchmark; those of the made-up room have the true places too."""
    rows = json.loads(COMPONENTS.read_text(encoding="utf-8"))["rows"]
    tables = []
    for capture in dict.fromkeys(row["capture"] for row in rows):
        mine = [row for row in rows if row["capture"] == capture]
        true = any("against_clean" in row for row in mine)
        columns = "Component | PSNR | SSIM | Sharpness | Aligned PSNR | Aligned sharpness"
        columns += " | At true places | Sharpness there" if true else ""
        head = f"| {columns} |\n|{'---|' * len(columns.split('|'))}"
        title = f"### {capture}, texture {mine[0]['texture']}"
        tables.append("\n".join((f"{title}\n\n{head}", *(component_row(row, true) for row in mine), "")))
    return "\n".join(tables)


def component_row(row: dict[str, Any], true: bool) -> str:
    aligned, clean = row.get("aligned"), row.get("against_clean")
    h = row["held_out"]
    cells = [row["component"], f"{h['psnr_fitted']:.2f}", f"{h['ssim_fitted']:.3f}", f"{h['sharpness']:.2f}"]
    for found in (aligned, clean) if true else (aligned,):
        cells += ["", ""] if found is None else [f"{found['psnr_fitted']:.2f}", f"{found['sharpness']:.2f}"]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def unwrap_row(row: dict[str, Any]) -> str:
    name = f"`{row['method']}`" + (f", gutter {row['gutter']}" if row.get("gutter", 4) != 4 else "")
    if "failed" in row:
        return f"| {name} | failed |{' |' * 10}"
    f = row["figures"]
    low, _, high = f["density"]
    cells = (
        name,
        f"{row['seconds']:.1f}",
        f"{row['peak_gib']:.2f}",
        f"{f['charts']:,}",
        f"{f['utilisation']:.0%}",
        f"{f['stretch_l2']:.3f}",
        f"{f['stretch_max']:.3g}",
        f"{f['angle_degrees']:.1f}°",
        f"{f['seam_length']:.1f}",
        f"{f['overlap']:.2%}",
        f"{f['flipped']:,}",
        f"{high / low:.2f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    UNWRAPPING.write_text(with_unwrappers(UNWRAPPING.read_text(encoding="utf-8")), encoding="utf-8")
    ABLATION.write_text(with_components(ABLATION.read_text(encoding="utf-8")), encoding="utf-8")
