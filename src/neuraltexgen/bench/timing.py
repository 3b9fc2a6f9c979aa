"""Timing that can be trusted: warmed up, the device waited for, medians with their range."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch


def timed(function: Callable[[], Any], views: int, repeats: int, device: torch.device) -> dict[str, Any]:
    """Median and range of a call in milliseconds, and the median a view; processor time beside, which neighbours on a
    shared machine disturb less. One call goes before, untimed.
    """
    walls, processor = [], []
    for repeat in range(repeats + 1):
        start, used = now(device), time.process_time()
        function()
        wall = now(device) - start
        if repeat > 0:
            walls.append(1e3 * wall)
            processor.append(1e3 * (time.process_time() - used))
    middle = statistics.median(walls)
    return {
        "pass_ms": [round(t, 2) for t in (middle, min(walls), max(walls))],
        "view_ms": round(middle / views, 3),
        "processor_ms": round(statistics.median(processor), 1),
    }


def now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_gib(device: torch.device) -> float:
    """The most memory that was in use: of the device's tensors on CUDA, else of the process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / (1 << 30), 2)
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 30), 2)
