"""What the machine offers: the device to compute on and the memory to keep within."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from neuraltexgen.errors import ConfigError
from neuraltexgen.losses import NetworkMemory

GIB = 1 << 30
LEAST_STEP = GIB // 4
"""What a network loss needs for a step on the smallest tile."""

MOVING = 8
"""Views' worth of memory in use whatever is held: one in use, those being read (a file and its arrays), and a step's
own images, which take up to three times the bytes of a packed view."""

BASELINE = int(0.75 * GIB)
"""What Python, PyTorch, numba and a mesh take before any view or texture is in memory."""


def choose_device(name: str) -> torch.device:
    """The device of a name: auto (CUDA if there is one), cpu, cuda, cuda:1. Raises ConfigError if it isn't there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device {name}: no such kind of device", fix="auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ConfigError(
            f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices", fix="--device cpu"
        )
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"--device {name}: only cpu and cuda are supported", fix="--device auto")
    return device


def memory_budget(gib: float | None, device: torch.device) -> int:
    """Bytes a run may use on its device: as the user said, else half the machine's, or 90 % of the GPU's free."""
    if gib is not None:
        return int(gib * GIB)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(0.9 * free)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def packed_bytes(pixels: int, samples: int) -> int:
    """Bytes of a packed view of an 8-bit photo of 3 channels with `samples` x `samples` places a pixel."""
    return math.ceil(pixels * (3 + 5 * samples**2 + 1 + samples**2 / 8))


def fit_peak(pixels: Sequence[int], samples: int, fit_bytes: int) -> tuple[int, int]:
    """What a fit takes in bytes on the CPU with all its views in memory, and with none held: a pass reads each again.

    `pixels`: of each photo, 8 bit with 3 channels; `samples` x `samples` places a pixel.
    """
    sizes = [packed_bytes(count, samples) for count in pixels]
    least = BASELINE + fit_bytes + MOVING * max(sizes, default=0)
    return least + sum(sizes), least


def network_memory(spare: int, device: torch.device, folder: Path) -> NetworkMemory:
    """How a fit with a network shares out what is left beside the least that it needs: a third for a step (3 GiB more
    at the most on the CPU) and a third for targets, the rest for views. Targets overflow from the GPU into host memory,
    and from there to `folder`.
    """
    if device.type == "cuda":
        host = memory_budget(None, torch.device("cpu")) // 2
        return NetworkMemory(step=LEAST_STEP + spare // 3, device=spare // 3, host=host, folder=folder)
    return NetworkMemory(step=LEAST_STEP + min(spare // 3, 3 * GIB), host=spare // 3, folder=folder)


def view_budget(budget: int, fit_bytes: int, largest_view: int) -> int:
    """Bytes left to keep views in memory, beside those that are being read and a step on one of them.

    Raises ConfigError if a step does not fit beside the texture.
    """
    left = budget - BASELINE - fit_bytes - MOVING * largest_view
    if left < 0:
        need = (BASELINE + fit_bytes + MOVING * largest_view) / GIB
        raise ConfigError(
            f"the fit needs at least {need:.1f} GiB, and may use {budget / GIB:.1f}",
            fix=f"--memory {need + 0.1:.1f}, a smaller --texture-size, or fewer --samples",
        )
    return left


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """PyTorch on the calling thread alone: between numba kernels that take all cores, its many small operations only
    wait for threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
