"""Writes the tables that are generated: of formats into the README, of unwrappers. `python docs/write_tables.py`."""

import json
from pathlib import Path
from typing import Any

from neuraltexgen.readers import formats_table

ROOT = Path(__file__).parent.parent
README, UNWRAPPING = ROOT / "README.md", ROOT / "docs" / "unwrapping.md"
RESULTS = ROOT / "benchmarks" / "results" / "unwrap.json"

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
