"""What is known of the photos, kept between steps: on the device, in host memory, then on disk, each up to a budget."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from neuraltexgen.files import content_key, whole_file

Tensors = dict[str, Tensor]

SMALL = 1 << 20
"""Tensors of fewer values are kept as they are: halving them saves nothing worth its error."""

PREFIX = "targets-"
"""Of a store's own folder; its process's number follows."""

HALF_PEAK = 1e4
"""Halved tensors are scaled to this largest size: float16 is exact to 0.05 % over eight decades below it."""


@dataclass(frozen=True, eq=False)
class _Halved:
    values: Tensor
    scale: float


class TargetStore:
    """Tensors by key, floats in half precision. What fits nowhere is not kept: it has to be computed again.

    `folder`: where to keep what memory can't, None for nowhere.
    """

    def __init__(
        self, device: torch.device, device_bytes: int, host_bytes: int, folder: Path | None, disk_bytes: int
    ) -> None:
        self.device, self.folder = device, folder
        self._left = {"device": device_bytes, "host": host_bytes, "disk": disk_bytes if folder else 0}
        self._held: dict[str, dict[str, _Halved]] = {}
        self._written: set[str] = set()
        self._own: Path | None = None

    def get(self, *key: object) -> Tensors | None:
        """What was put, on the device; None if it was not kept."""
        name = content_key(*key)
        held = self._held.get(name)
        if held is None and name in self._written:
            held = {
                part: _Halved(values, scale)
                for part, (values, scale) in torch.load(self._file(name), weights_only=True).items()
            }
        return None if held is None else {part: _whole(kept, self.device) for part, kept in held.items()}

    def put(self, tensors: Tensors, *key: object) -> Tensors:
        """Keeps tensors where there is room; returns them as they will be got, so that first and later uses agree."""
        name = content_key(*key)
        halved = {part: _halve(tensor.detach()) for part, tensor in tensors.items()}
        size = sum(kept.values.nbytes for kept in halved.values())
        if size <= self._left["device"]:
            self._left["device"] -= size
            self._held[name] = halved
        elif size <= self._left["host"]:
            self._left["host"] -= size
            self._held[name] = {part: _to_host(kept, self.device) for part, kept in halved.items()}
        elif size <= self._left["disk"]:
            self._left["disk"] -= size
            with whole_file(self._file(name)) as temporary:
                torch.save({part: (kept.values, kept.scale) for part, kept in halved.items()}, temporary)
            self._written.add(name)
        return {part: _whole(kept, self.device) for part, kept in halved.items()}

    def clear(self) -> None:
        """Removes what was written to disk."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None
        self._written.clear()
        self._held.clear()

    def _file(self, name: str) -> Path:
        if self.folder is None:
            raise ValueError("this store has no folder")
        if self._own is None:  # two stores may share a folder
            self.folder.mkdir(parents=True, exist_ok=True)
            _remove_orphans(self.folder)
            self._own = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=self.folder))
        return self._own / f"{name}.pt"


def _remove_orphans(folder: Path) -> None:
    """Removes what killed runs have left."""
    for left in folder.glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _halve(tensor: Tensor) -> _Halved:
    """float32 as scaled float16; half-precision and small tensors as they are."""
    if tensor.dtype != torch.float32 or tensor.numel() < SMALL:
        return _Halved(tensor.clone(), 0.0)
    scale = float(tensor.abs().amax()) / HALF_PEAK or 1.0
    return _Halved((tensor / scale).to(torch.float16), scale)


def _whole(kept: _Halved, device: torch.device) -> Tensor:
    values = kept.values.to(device, non_blocking=True)
    return values.float().mul_(kept.scale) if kept.scale else values


def _to_host(kept: _Halved, device: torch.device) -> _Halved:
    values = kept.values.cpu()
    return _Halved(values.pin_memory() if device.type == "cuda" else values, kept.scale)
