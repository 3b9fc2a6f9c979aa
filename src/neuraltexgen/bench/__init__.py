"""What this machine does: passes, UV maps and a fit, beside the plain formulation and what memory allows at best."""

from neuraltexgen.bench.run import BenchSettings, run_bench
from neuraltexgen.bench.words import markdown, write_bench

__all__ = ["BenchSettings", "markdown", "run_bench", "write_bench"]
