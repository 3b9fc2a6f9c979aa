"""Views ready to be fitted, streamed from disk where they don't fit memory."""

import io
import math
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from neuraltexgen.errors import FitError
from neuraltexgen.fall_off import Correction
from neuraltexgen.files import content_key, whole_file
from neuraltexgen.fit_view import FIELDS, FitView
from neuraltexgen.types import Mask

READERS = 3
"""Views that are loaded at the same time."""


class Views(Sequence[FitView]):
    """Cached views on a device: held there while they fit into `budget` bytes, loaded again each time beyond that.

    `taps`: how their samples look, see `lookups`. `hidden`: per file a mask of pixels that get no confidence, at the
    photo's size or a fraction of it. `corrections`: per file what is put right in its photo.
    """

    def __init__(
        self,
        files: Sequence[Path],
        device: torch.device,
        budget: int,
        taps: int = 0,
        hidden: Mapping[Path, Mask] | None = None,
        corrections: Mapping[Path, Correction] | None = None,
    ) -> None:
        self.files = tuple(files)
        self.device = device
        self.budget = budget
        self.taps = taps
        self.hidden = hidden or {}
        self.corrections = corrections or {}
        self._shelf = _Shelf(budget, self.hidden, self.corrections)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> FitView:  # pyright: ignore[reportIncompatibleMethodOverride]
        view = self._shelf.take(self.files[index], self.device)
        return view if view.taps == self.taps else replace(view, taps=self.taps)

    def stream(self, order: Iterable[int]) -> Iterator[tuple[int, FitView]]:
        """(index, view) in the given order; READERS views are loaded in the background while one is in use."""
        indices = list(order)
        coming = iter(indices)
        with ThreadPoolExecutor(READERS) as pool:
            ahead = deque(pool.submit(self.__getitem__, index) for index in islice(coming, READERS))
            for index in indices:
                view = ahead.popleft().result()
                ahead.extend(pool.submit(self.__getitem__, index) for index in islice(coming, 1))
                yield index, view

    def held(self) -> list[FitView] | None:
        """All views, if they lie on the device together for as long as these views do; else None."""
        every = []
        for index, view in self.stream(range(len(self))):
            if not self._shelf.holds(self.files[index], view):
                return None
            every.append(view)
        return every

    def subset(self, indices: Sequence[int]) -> "Views":
        """The views of some indices; what is in memory, and the budget for it, is shared with this one."""
        part = Views([self.files[i] for i in indices], self.device, 0, self.taps, self.hidden, self.corrections)
        part._shelf = self._shelf
        return part

    def hiding(self, masks: Mapping[Path, Mask]) -> "Views":
        """The same views without confidence in masked pixels; they are loaded anew, within the same budget."""
        return Views(self.files, self.device, self.budget, self.taps, masks, self.corrections)

    def correcting(self, corrections: Mapping[Path, Correction]) -> "Views":
        """The same views with photos put right; they are loaded anew, within the same budget."""
        return Views(self.files, self.device, self.budget, self.taps, self.hidden, corrections)

    def key(self) -> list[str]:
        """What of the views decides how a fit to them goes on: for checkpoints."""
        hidden = [self.hidden[path] for path in self.files if path in self.hidden]
        corrected = [asdict(self.corrections[path]) for path in self.files if path in self.corrections]
        beside = [content_key(*part) for part in (hidden, corrected) if part]
        return [*(path.name for path in self.files), *beside]


class _Shelf:
    """Loaded views by file, as many as a budget of bytes allows: the first ones asked for stay."""

    def __init__(self, budget: int, hidden: Mapping[Path, Mask], corrections: Mapping[Path, Correction]) -> None:
        self._left = budget
        self._hidden, self._corrections = hidden, corrections
        self._held: dict[Path, FitView] = {}
        self._lock = Lock()

    def holds(self, path: Path, view: FitView) -> bool:
        return self._held.get(path) is view

    def take(self, path: Path, device: torch.device) -> FitView:
        if path in self._held:
            return self._held[path]
        view = load_view(path)
        if path in self._hidden:
            view = view.without(spread_mask(self._hidden[path], view.photo.shape[:2]))
        if path in self._corrections:
            view = view.corrected(self._corrections[path])
        view = view.to(device)
        with self._lock:
            if path not in self._held and view.nbytes <= self._left:
                self._left -= view.nbytes
                self._held[path] = view
            return self._held.get(path, view)


def spread_mask(mask: Mask, shape: Sequence[int]) -> Bool[Tensor, "H W"]:
    """A mask of every k'th row and column, from the first ones on, for all pixels: each takes its nearest value."""
    rows, columns = (_nearest(side, kept) for side, kept in zip(shape, mask.shape, strict=True))
    return torch.from_numpy(mask)[rows][:, columns]


def _nearest(side: int, kept: int) -> Int64[Tensor, " n"]:
    stride = -(-side // kept)
    return ((torch.arange(side) + stride // 2) // stride).clamp(max=kept - 1)


def save_view(path: Path, view: FitView, contradicted: float = math.nan) -> None:
    """Writes a view for `load_view`; `contradicted`: the share of its depth map that contradicts the mesh, if known."""
    buffer = io.BytesIO()
    arrays = {name: getattr(view, name).cpu().numpy() for name in FIELDS}
    named = {"name": view.name, "footprint": view.footprint, "stops": view.stops, "contradicted": contradicted}
    np.savez(buffer, **{key: np.array(value) for key, value in named.items()}, **arrays)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_view(path: Path) -> FitView:
    """Reads a cached view. Raises FitError if the file is broken (it can be deleted: it is made anew)."""
    with opened_view(path) as data:
        tensors = [torch.from_numpy(data[name]) for name in FIELDS]
        return FitView(str(data["name"]), *tensors, footprint=float(data["footprint"]), stops=float(data["stops"]))


@contextmanager
def opened_view(path: Path) -> Iterator[Any]:
    """A cached view's arrays by name. Raises FitError if the file is broken."""
    try:
        with np.load(path, allow_pickle=False) as data:
            yield data
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FitError(f"the cached view {path} is broken: {error}", fix=f"delete {path.parent}") from error
