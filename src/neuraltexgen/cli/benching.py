"""The subcommand that measures the machine."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from neuraltexgen.bench import BenchSettings, markdown, run_bench, write_bench
from neuraltexgen.cli.talk import Talk


@dataclass(frozen=True)
class Bench:
    """Measure this machine: a pass, UV maps and a fit, beside the plain formulation and what memory allows at best."""

    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """Also write bench.json and bench.md (and the sweep's charts) into this folder."""
    quick: bool = False
    """On views so small that it takes seconds: to see that it works, not for figures."""
    sweep: bool = False
    """Also measure what cost goes with: pixels, and the texture's size."""
    views: int | None = None
    """Views of a pass; 6 on the CPU and 89 on CUDA if not given."""
    repeats: int = 5
    """Times that each is timed; the median counts."""
    device: str = "auto"
    """auto (the CPU, and CUDA if there is one), cpu, cuda or cuda:1."""
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        settings = BenchSettings(self.quick, self.views, self.repeats, self.sweep, self.device)
        result = run_bench(settings, self.talk.progress)
        files = () if self.out is None else write_bench(self.out, result)
        if self.talk.plain:
            print(markdown(result))
        self.talk.rows(self.talk.files(files), result)
