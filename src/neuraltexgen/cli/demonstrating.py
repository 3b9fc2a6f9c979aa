"""The subcommand that makes a capture whose truth is known, textures it, and compares."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from neuraltexgen.cli.options import Out
from neuraltexgen.cli.talk import Talk
from neuraltexgen.demo import ROOM, run_demo
from neuraltexgen.outcome import metrics, summary, write_outcome
from neuraltexgen.synthetic import plant


@dataclass(frozen=True)
class Demo:
    """Make a room with a known texture, photograph it, texture it, and compare with the truth."""

    out: Out = Path("demo_result")
    """Where everything is written."""
    plant: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME:NUMBER[:NUMBER]")] = ()
    """Give the capture an error of a known size, as pose:0.5:10 or focal:1.05. Repeat for several."""
    device: str = "auto"
    """auto (CUDA if there is one), cpu, cuda or cuda:1."""
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        room = replace(ROOM, planted=plant(self.plant))
        result = run_demo(self.out, self.device, self.talk.progress, room)
        shutil.rmtree(self.out / ".cache", ignore_errors=True)
        files = (*result.outcome.files, *write_outcome(self.out, result.outcome, (result.table,)))
        rows = [
            tuple("-" if c is None else f"{c:.2f}" if isinstance(c, float) else str(c) for c in r)
            for r in result.table.rows
        ]
        self.talk.rows((*summary(result.outcome), *self.talk.files(files)), metrics(result.outcome) | result.figures)
        self.talk.table(result.table.title, result.table.columns, rows)
        if self.talk.plain:
            print(f"\nThe result lies in {self.out}, its report in {self.out / 'report.html'}")
