"""The least time that a pass can take on a machine: the bytes that must move, over the bandwidth that is there."""

import torch

from neuraltexgen.bench.timing import now
from neuraltexgen.bench.workload import Workload
from neuraltexgen.kernels.photometric import Stack

BLOCK = 1 << 26
"""Floats that are copied to measure the bandwidth: 256 MiB, more than caches hold."""

COPIES = 5

TEXEL_BYTES = 12 * (2 * 2 + 2 * 3 * 4 / 3)
"""Of a texel in a pass: gradient and composed texture, and level and moments on all levels, read and written once."""


def bandwidth(device: torch.device, floats: int = BLOCK) -> float:
    """Bytes a second of the fastest of a few large copies, what is read and what is written."""
    block = torch.ones(floats, device=device)
    other = torch.empty_like(block)
    copies = []
    for _ in range(COPIES):
        start = now(device)
        other.copy_(block)
        copies.append(now(device) - start)
    return 2 * block.nbytes / min(copies)


def least_bytes(stack: Stack, work: Workload) -> float:
    """What a pass must move: every view's bytes once; the texture's levels, moments and gradient, read and written."""
    return sum(field.nbytes for field in (*stack.places, stack.photo)) + work.texture**2 * TEXEL_BYTES


def roofline(stack: Stack, work: Workload, speed: float) -> dict[str, float]:
    """Bandwidth in GB/s, and milliseconds that the least bytes take at it."""
    return {"bandwidth_gb_s": round(speed / 1e9, 1), "least_ms": round(1e3 * least_bytes(stack, work) / speed, 2)}
