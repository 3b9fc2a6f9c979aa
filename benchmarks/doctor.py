"""Which planted misreadings does the doctor find, on which capture, and by what margin?

python -m benchmarks.doctor SCENE... [--out results/doctor-NAME.json] [--only NAME ...]

Each capture is taken as right; every hypothesis is planted in memory by its opposite (photos are left out: they are
turned on disk in the tests), and the doctor is asked. A row says what it answered, whether that is the capture as it
was, and the standard errors by which it prefers it. A fault that moves nothing is not planted.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, provenance

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from faults import opposite, plant, same_reading
from neuraltexgen.doctor.candidate import as_read
from neuraltexgen.doctor.diagnosis import Diagnosis, examine, prepare
from neuraltexgen.doctor.table import GROSS, LENS
from neuraltexgen.readers import read_capture

ONE_WAY = (
    "principal-point:centre",
    "principal-point:from-centre",
    "principal-point:from-centre-y-up",
    "distortion:none",
)
"""No other row plants these faults."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*")
    arguments = parser.parse_args()
    for capture in arguments.scenes:
        out, rows = arguments.out or RESULTS / f"doctor-{capture.name}.json", []
        for row in measure(capture, arguments.only):
            print(capture.name, row, flush=True)
            rows.append(row)
            out.write_text(json.dumps({**provenance(), "capture": capture.name, "rows": rows}, indent=1) + "\n")


def measure(capture: Path, only: list[str] | None) -> Iterator[dict[str, Any]]:
    """One row for the capture as it is, one per planted fault."""
    scene = read_capture(capture)
    start = time.perf_counter()
    judges = prepare(scene)
    prepared = time.perf_counter() - start
    names = [row.name for row in (*GROSS, *LENS) if row.group != "photos" and row.name not in ONE_WAY]
    for name in [None, *(name for name in names if only is None or name in only)]:
        try:
            read = as_read(scene) if name is None else plant(scene, [name])
        except AssertionError:
            continue  # the fault changes nothing here, or its lens has no such parameter
        start = time.perf_counter()
        found = examine(read, judges)
        row = {"fault": name, "planted_by": None if name is None else opposite(name), **answer(found)}
        row |= {"as_it_was": same_reading(found.candidate, as_read(scene)), "prepare_s": round(prepared, 2)}
        yield row | {"examine_s": round(time.perf_counter() - start, 2)}


def answer(found: Diagnosis) -> dict[str, Any]:
    """What a row says of a diagnosis."""
    plain = next((row.agreement for row in found.rows if row.name == "as-read"), None)
    best = max((row.agreement for row in found.rows), default=None)
    figures = {"agreement_as_read": plain, "agreement_best": best, "z": found.z}
    rounded = {key: None if value is None else round(value, 3) for key, value in figures.items()}
    return {"verdict": found.verdict, "names": found.names, "as_good": found.undecided, **rounded}


if __name__ == "__main__":
    main()
