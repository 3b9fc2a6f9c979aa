"""The whole bench on one page: passes beside the plain formulation and the roofline, UV maps, a small fit, a sweep."""

import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numba
import torch

from neuraltexgen.bench.formulations import Ours, Plain, check
from neuraltexgen.bench.roofline import BLOCK, bandwidth, roofline
from neuraltexgen.bench.sweep import sweep_rows
from neuraltexgen.bench.timing import peak_gib, timed
from neuraltexgen.bench.uv_maps import GRID, uv_map_rows
from neuraltexgen.bench.whole_fit import fit_rows
from neuraltexgen.bench.workload import Workload, make_views
from neuraltexgen.errors import ConfigError
from neuraltexgen.machine import choose_device
from neuraltexgen.types import Progress, no_progress

PACKAGES = ("neuraltexgen", "torch", "numba", "numpy")

CPU_VIEWS, CUDA_VIEWS = 24, 89
"""Views of a pass, unless something else is asked for: so many that the optimiser's step, one a pass, counts as little
as in a fit of that many photos; fewer would not fill a GPU."""


@dataclass(frozen=True)
class BenchSettings:
    """`quick`: on views so small that it takes seconds, to see that all works. `views`: of a pass. `sweep`: also what
    cost goes with. `device`: a name for `choose_device`; auto takes the CPU, and CUDA too if there is one.

    Raises ConfigError: no view, or no repeat.
    """

    quick: bool = False
    views: int | None = None
    repeats: int = 5
    sweep: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.repeats < 1 or (self.views is not None and self.views < 1):
            raise ConfigError(f"bench: {self.views} views, {self.repeats} repeats: at least 1 of each is needed")


def run_bench(settings: BenchSettings, progress: Progress = no_progress) -> dict[str, Any]:
    """Every table as plain JSON values. Raises FitError or RenderError: ours is off its definition, and not timed."""
    devices = [choose_device(settings.device)]
    if settings.device == "auto" and devices[0].type == "cuda":
        devices.insert(0, torch.device("cpu"))
    result: dict[str, Any] = {
        "machine": machine(devices[-1]),
        "quick": settings.quick,
        "passes": [pass_table(settings, device) for device in progress(devices, "passes", len(devices))],
    }
    size, grid = ((96, 128), 33) if settings.quick else ((1024, 1280), GRID)
    [result["uv_maps"]] = [uv_map_rows(size, settings.repeats, grid) for _ in progress(range(1), "UV maps", 1)]
    small = Workload(4, 96, 128, 256, 16) if settings.quick else Workload(12, 480, 640, 1024, 32)
    result["fit_settings"] = words_of(small)
    [result["fits"]] = [fit_rows(small, devices[-1]) for _ in progress(range(1), "fits", 1)]
    if settings.sweep:
        work = replace(small, views=2, texture=1024) if settings.quick else Workload(4, 480, 640, 2048)
        textures = (1024, 2048) if settings.quick else (1024, 2048, 4096)
        counts = (1, 2) if settings.quick else (1, 2, 4, 8)
        result["sweep"] = sweep_rows(work, textures, counts, settings.repeats, devices[-1], progress)
    return result


def pass_table(settings: BenchSettings, device: torch.device) -> dict[str, Any]:
    """Ours, the plain formulation and the optimiser's step in one run; ours is checked against its definition first."""
    views = settings.views or (CUDA_VIEWS if device.type == "cuda" else CPU_VIEWS)
    work = Workload(2, 96, 128, 256, 16) if settings.quick else Workload(views)
    stack = make_views(work, device)
    agreement = check(stack, work)
    ours, plain = Ours(stack, work), Plain(stack, work)
    rows = [
        {"kind": "ours", **timed(ours.one_pass, work.views, settings.repeats, device)},
        {"kind": "plain", **timed(plain.one_pass, work.views, max(2, settings.repeats // 2), device)},
        {"kind": "ours, optimiser's step alone", **timed(ours.step, 1, settings.repeats, device)},
    ]
    speed = bandwidth(device, BLOCK // 64 if settings.quick else BLOCK)
    return {
        "device": str(device),
        **words_of(work),
        "agreement": agreement,
        "rows": rows,
        "times_faster": round(rows[1]["pass_ms"][0] / rows[0]["pass_ms"][0], 1),
        **roofline(stack, work, speed),
        "peak_gib": peak_gib(device),
    }


def words_of(work: Workload) -> dict[str, Any]:
    """A workload as a result names it."""
    return {"photo": [work.height, work.width], "views": work.views, "texture": work.texture, "levels": 4}


def machine(device: torch.device) -> dict[str, Any]:
    """Where the figures are from."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    return {"system": platform.platform(), "threads": numba.get_num_threads(), "cuda": card, "versions": versions}
