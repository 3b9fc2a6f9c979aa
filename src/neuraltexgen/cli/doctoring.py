"""The subcommand that finds out which conventions a capture was written with."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from neuraltexgen.cli.options import Capture, Reading
from neuraltexgen.cli.rows import left_out, notes
from neuraltexgen.cli.talk import Talk
from neuraltexgen.convert import Target, check_target
from neuraltexgen.doctor import Diagnosis, corrected, diagnose, write_corrected
from neuraltexgen.errors import ConfigError
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Scene

EXIT_CODES = {"right": 0, "misread": 3, "unknown": 4}
LINES = 8
"""Rows of a table that people are shown; --json has all."""

WORDS = {
    "right": "the capture is right as it is read",
    "misread": "the capture is misread",
    "unknown": "it can't be told",
}


@dataclass(frozen=True)
class Doctor:
    """Find out which conventions a capture was written with, by how well its photos agree, and put them right."""

    capture: Capture
    """A capture's folder, or the file that defines it."""
    fix: Annotated[Path | None, tyro.conf.arg(metavar="OUT")] = None
    """Write the corrected capture to a new folder, or a .json file in one, if something is clearly wrong."""
    to: Target = "auto"
    """The corrected capture's format: by OUT's suffix if not given, and COLMAP for a folder."""
    hypothesis: Annotated[str | None, tyro.conf.arg(metavar="NAME[,NAME]")] = None
    """With --fix: put right what is named here, whatever the photos say."""
    seed: int = 0
    """Decides which views a place is looked up in; one seed, one result."""
    reading: Reading = field(default_factory=Reading)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        if self.fix is not None:
            check_target(self.fix, self.to)
        elif self.hypothesis is not None:
            raise ConfigError("--hypothesis says what to put right, but not where to write it", fix="--fix OUT")
        scene = read_capture(self.capture, self.reading.settings())
        if self.hypothesis is not None:
            self._write_named(scene, self.hypothesis.split(","))
            return
        diagnosis = diagnose(scene, self.seed, self.talk.progress)
        written = self.fix if diagnosis.verdict == "misread" else None
        if written is not None:
            write_corrected(scene, diagnosis.candidate, written, self.to, self.talk.progress)
        self._tell(scene, diagnosis, written)
        sys.exit(EXIT_CODES[diagnosis.verdict])

    def _write_named(self, scene: Scene, names: Sequence[str]) -> None:
        assert self.fix is not None
        write_corrected(scene, corrected(scene, names), self.fix, self.to, self.talk.progress)
        rows = [("put right", ", ".join(names)), *self.talk.files([self.fix])]
        self.talk.rows(rows, {"names": list(names), "out": str(self.fix)})

    def _tell(self, scene: Scene, d: Diagnosis, written: Path | None) -> None:
        figures: dict[str, Any] = d.to_json() | {"out": None if written is None else str(written)}
        sure = f" ({d.z:.1f} standard errors better)" if d.names else ""
        rows = [("verdict", f"{WORDS[d.verdict]}{sure}"), *(("", why) for why in d.why)]
        rows += [("hypothesis", name) for name in d.names]
        rows += [("as good", name) for name in d.undecided[:LINES]]
        rows += [("looked at", f"{d.patches:,} places in {d.views} of {len(scene.views)} views")]
        rows += [*left_out(scene.left_out), *notes(scene.notes)]
        if written is not None:
            rows += self.talk.files([written])
        elif self.fix is not None:
            rows += [("not written", f"{self.fix}: nothing is clearly wrong; --hypothesis NAME writes it all the same")]
        elif d.names:
            rows += [("fix", "--fix OUT writes the capture with that put right")]
        self.talk.rows(rows, figures)
        if d.rows:
            columns = ("reading", "agreement", "seen twice", "against as read", "standard errors")
            self.talk.table("agreement of the photos", columns, _wide_cells(d))
        if d.fine:
            columns = ("other lens", "moves by", "cost", "standard errors")
            self.talk.table("other lenses against the verdict", columns, _fine_cells(d))


def _wide_cells(d: Diagnosis) -> list[tuple[str, ...]]:
    """The best rows, and the scene as read if it is not among them."""
    plain = [row for row in d.rows[LINES:] if row.name == "as-read"]
    return [
        (r.name, f"{r.agreement:.3f}", f"{r.seen:.0%}", f"{r.margin:+.3f}", f"{r.z:+.1f}")
        for r in (*d.rows[:LINES], *plain)
    ]


def _fine_cells(d: Diagnosis) -> list[tuple[str, ...]]:
    return [(r.name, f"{r.pixels:.2f} pixels", f"{-r.gain:+.4f}", f"{r.z:+.1f}") for r in d.fine[:LINES]]
