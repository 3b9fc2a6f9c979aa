"""Views ready to be fitted: photo, UV map and confidence as tensors, streamed from disk where they don't fit memory."""

import io
import math
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int64, UInt8, UInt16
from torch import Tensor

from neuraltexgen.errors import FitError
from neuraltexgen.fall_off import Correction
from neuraltexgen.files import content_key, whole_file
from neuraltexgen.kernels.packed import (
    Places,
    pack_bits,
    pack_share,
    pack_uv,
    unpack_bits,
    unpack_share,
    unpack_uv,
)
from neuraltexgen.point_spread import SHARP, PointSpread, spread_samples
from neuraltexgen.types import Mask

FIELDS = ("photo", "low", "high", "seen_bits", "trust")
"""The tensors of a FitView, as they are held and cached."""

BRIGHTEST, DOUBTED = 253.5 / 255, 0.1
"""Values from here on may be clipped; what is left of such a pixel's confidence where a photo's bright pixels are
doubted: enough where no other photo looks, and little beside another one."""

READERS = 3
"""Views that are loaded at the same time."""


@dataclass(frozen=True, eq=False)
class FitView:
    """One photo with s = k x k texture places a pixel, packed; `pack_view` makes it, properties unpack it.

    `photo` is 8 bit, or float in [0, 1]. `low`, `high`: the places, see `kernels.packed`. `seen_bits`: which samples
    meet the mesh, as bits. `trust`: the confidence in 255ths. `footprint`: median side length of the surface patch
    behind a pixel, in uv units (0 if nothing is seen). `taps`: how samples look, see `lookups`; not cached. `stops`:
    the light that the photo took (`images.stops_of`), NaN if nobody said.
    """

    name: str
    photo: UInt8[Tensor, "h w c"] | Float32[Tensor, "h w c"]
    low: UInt16[Tensor, "h w s 2"]
    high: UInt8[Tensor, "h w s"]
    seen_bits: UInt8[Tensor, " bytes"]
    trust: UInt8[Tensor, "h w"]
    footprint: float
    taps: int = 0
    stops: float = math.nan

    @property
    def samples(self) -> int:
        """Texture places a pixel, k x k."""
        return self.high.shape[2]

    @property
    def places(self) -> Places:
        """The packed places and the confidence, as kernels take them."""
        return Places(self.low, self.high, self.trust)

    @property
    def uv(self) -> Float32[Tensor, "h w s 2"]:
        """Where the samples look; anything where `seen` is False."""
        return unpack_uv(self.low, self.high)

    @property
    def seen(self) -> Bool[Tensor, "h w s"]:
        """Which samples meet the mesh; all False where a mask hides the pixel."""
        return unpack_bits(self.seen_bits, tuple(self.high.shape))

    @property
    def confidence(self) -> Float32[Tensor, "h w"]:
        """In [0, 1], and 0 unless every sample of the pixel is seen."""
        return unpack_share(self.trust)

    @property
    def valid(self) -> Bool[Tensor, "h w"]:
        """Pixels that show the mesh with their whole area."""
        return self.seen.all(dim=2)

    def colours(self) -> Float32[Tensor, "h w c"]:
        """The photo as float in [0, 1]."""
        return self.photo.float() / 255 if self.photo.dtype == torch.uint8 else self.photo

    def to(self, device: torch.device) -> "FitView":
        """The same view with its tensors on a device; to CUDA from pinned memory, which the GPU does not wait for."""
        own = [getattr(self, name) for name in FIELDS]
        pinned = [tensor.pin_memory() if device.type == "cuda" else tensor for tensor in own]
        tensors = {name: tensor.to(device, non_blocking=True) for name, tensor in zip(FIELDS, pinned, strict=True)}
        return replace(self, **tensors)

    def without(self, mask: Bool[Tensor, "h w"]) -> "FitView":
        """The view without confidence in masked pixels."""
        return replace(self, trust=torch.where(mask, torch.zeros_like(self.trust), self.trust))

    def corrected(self, correction: Correction) -> "FitView":
        """The view as `Correction` says: its photo as floats where it is straightened or a fall-off is divided out, its
        confidence less, and its samples those which stand for a blur.
        """
        if correction.blur != SHARP:
            return self._blurred(correction.blur, correction.around).corrected(replace(correction, blur=SHARP))
        photo, confidence = self.colours(), self.confidence
        if correction.doubt_bright:
            clipped = (photo > BRIGHTEST).any(dim=2)
            confidence = torch.where(clipped, DOUBTED * confidence, confidence)
        if not (correction.fall_off.coefficients or correction.response.coefficients):
            return replace(self, trust=pack_share(confidence))
        left = correction.fall_off.plane(*self.trust.shape).to(photo)
        # A difference is what it was in the photo, so noise that was divided too does not count more than elsewhere.
        straight = correction.response.straight(photo) / left[..., None]
        return replace(self, photo=straight, trust=pack_share((left * confidence).clamp(max=1)))

    def _blurred(self, blur: PointSpread, around: bool) -> "FitView":
        """The view with less confidence, which, squared, falls with exp(-sigma²), and with pixels that look around."""
        view = self._looking_around(blur) if around else self
        return replace(view, trust=pack_share(math.exp(-0.5 * blur.sigma**2) * view.confidence))

    def _looking_around(self, blur: PointSpread) -> "FitView":
        """The view with pixels that look where a blur has gathered their light; where that is no surface, they have no
        confidence.
        """
        fields = (self.low.numpy(), self.high.numpy(), self.seen.numpy())
        (low, high, seen), inside = spread_samples(fields, blur)
        known = torch.from_numpy(inside & seen.all(axis=2))
        places = {"low": torch.from_numpy(low), "high": torch.from_numpy(high)}
        trust = torch.where(known, self.trust, torch.zeros_like(self.trust))
        return replace(self, **places, seen_bits=pack_bits(torch.from_numpy(seen)), trust=trust)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(getattr(self, name).nbytes for name in FIELDS)


def pack_view(
    name: str,
    photo: UInt8[Tensor, "h w c"] | Float32[Tensor, "h w c"],
    uv: Float32[Tensor, "h w s 2"],
    seen: Bool[Tensor, "h w s"],
    confidence: Float32[Tensor, "h w"],
    footprint: float,
) -> FitView:
    """The view of a photo, its places, which of them meet the mesh, and its confidence; see FitView's properties."""
    low, high = pack_uv(uv)
    return FitView(name, photo, low, high, pack_bits(seen), pack_share(confidence), footprint)


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


def enlarge_photo(view: FitView) -> FitView:
    """The view at its UV map's resolution: one sample a pixel, the photo enlarged bicubically, as published."""
    h, w, s = view.high.shape
    k = math.isqrt(s)
    if k == 1:
        return view
    photo = F.interpolate(
        view.colours().permute(2, 0, 1)[None], scale_factor=k, mode="bicubic", align_corners=False
    ).clamp(0, 1)

    def spread(field: Tensor) -> Tensor:
        return field.reshape(h, w, k, k, -1).transpose(1, 2).reshape(h * k, w * k, -1)

    seen = spread(view.seen)
    return replace(
        view,
        photo=photo[0].permute(1, 2, 0).contiguous(),
        low=spread(view.low)[:, :, None].contiguous(),
        high=spread(view.high).contiguous(),
        seen_bits=pack_bits(seen),
        trust=seen[..., 0].to(torch.uint8) * 255,
    )


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
