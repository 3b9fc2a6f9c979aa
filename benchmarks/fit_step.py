"""What does a pass over all views cost beside the plain formulation: L1, gradient loss and regulariser, photos given?

python -m benchmarks.fit_step [--device cpu|cuda] [--views N] [--repeats N]

The table of `neuraltexgen bench` (`neuraltexgen.bench` has the views, both formulations and the timing), alone and with
the commit. A pass is every view once and one step of the optimiser. Ours is checked against its definition before it is
timed.
"""

import argparse
import json

import torch

from benchmarks.common import RESULTS, provenance
from neuraltexgen.bench.formulations import BETAS, LOSSES, RATE, REGULARISER, Plain, check
from neuraltexgen.bench.run import BenchSettings, pass_table
from neuraltexgen.bench.timing import now
from neuraltexgen.bench.timing import peak_gib as peak
from neuraltexgen.bench.workload import USUAL, Workload, make_views
from neuraltexgen.kernels.photometric import Stack
from neuraltexgen.machine import choose_device

__all__ = ["BETAS", "LOSSES", "RATE", "REGULARISER", "TEXTURE", "Plain", "check", "made_up", "now", "peak"]

TEXTURE = USUAL.texture


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--views", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    device = choose_device(options.device)
    settings = BenchSettings(views=options.views, repeats=options.repeats)
    result = {**provenance(), **pass_table(settings, device)}
    print(json.dumps(result, indent=1))
    (RESULTS / f"fit-step-{device.type}.json").write_text(json.dumps(result, indent=1) + "\n")


def made_up(count: int, device: torch.device) -> Stack:
    """So many of the pass's views."""
    return make_views(Workload(count), device)


if __name__ == "__main__":
    main()
