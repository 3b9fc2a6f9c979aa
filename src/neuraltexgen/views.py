"""Views ready to be fitted: photo, UV map and confidence as tensors; made once, cached on disk, streamed from there."""

import io
import math
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, UInt8
from torch import Tensor

from neuraltexgen.errors import ConfigError, FitError, ImageError
from neuraltexgen.files import content_key, whole_file
from neuraltexgen.images import LoadedPhoto, read_mask, read_photo
from neuraltexgen.scene import PreparedView, View
from neuraltexgen.types import Mask, Progress, no_progress
from neuraltexgen.uvmap.exr import read_uv
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.render import Renderer
from neuraltexgen.visibility import ConfidenceSettings, confidence

CACHE_VERSION = 2
"""Part of every cache key: raise it when what a cached view holds, or how it is computed, changes."""

FIELDS = ("photo", "uv", "seen", "confidence")


@dataclass(frozen=True, eq=False)
class FitView:
    """One photo with s = k x k texture places a pixel.

    `photo` is 8 bit, or float in [0, 1]. `seen`: which samples meet the mesh; all False where a mask hides the pixel.
    `confidence` is in [0, 1], and 0 unless every sample of the pixel is seen. `footprint`: median side length of the
    surface patch behind a pixel, in uv units (0 if nothing is seen).
    """

    name: str
    photo: UInt8[Tensor, "h w c"] | Float32[Tensor, "h w c"]
    uv: Float32[Tensor, "h w s 2"]
    seen: Bool[Tensor, "h w s"]
    confidence: Float32[Tensor, "h w"]
    footprint: float

    @property
    def valid(self) -> Bool[Tensor, "h w"]:
        """Pixels that show the mesh with their whole area."""
        return self.seen.all(dim=2)

    def colours(self) -> Float32[Tensor, "h w c"]:
        """The photo as float in [0, 1]."""
        return self.photo.float() / 255 if self.photo.dtype == torch.uint8 else self.photo

    def to(self, device: torch.device) -> "FitView":
        """The same view with its tensors on a device."""
        tensors = {name: getattr(self, name).to(device, non_blocking=True) for name in FIELDS}
        return FitView(name=self.name, footprint=self.footprint, **tensors)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(getattr(self, name).nbytes for name in FIELDS)


@dataclass(frozen=True)
class ViewSettings:
    """samples x samples rays a pixel, and what lowers a pixel's confidence (None: all pixels count alike)."""

    samples: int = 2
    confidence: ConfidenceSettings | None = ConfidenceSettings()

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(f"views: {self.samples} samples a pixel, at least 1 is needed", fix="--samples 2")


class Views(Sequence[FitView]):
    """Cached views on a device: held there while they fit into `budget` bytes, loaded again each time beyond that."""

    def __init__(self, files: Sequence[Path], device: torch.device, budget: int) -> None:
        self.files = tuple(files)
        self.device = device
        self._shelf = _Shelf(budget)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> FitView:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._shelf.take(self.files[index], self.device)

    def stream(self, order: Iterable[int]) -> Iterator[tuple[int, FitView]]:
        """(index, view) in the given order, each view loaded in the background while the one before is in use."""
        indices = list(order)
        with ThreadPoolExecutor(1) as pool:
            ahead = deque(pool.submit(self.__getitem__, index) for index in indices[:1])
            for place, index in enumerate(indices):
                view = ahead.popleft().result()
                if place + 1 < len(indices):
                    ahead.append(pool.submit(self.__getitem__, indices[place + 1]))
                yield index, view

    def subset(self, indices: Sequence[int]) -> "Views":
        """The views of some indices; what is in memory, and the budget for it, is shared with this one."""
        part = Views([self.files[i] for i in indices], self.device, 0)
        part._shelf = self._shelf
        return part


class _Shelf:
    """Loaded views by file, as many as a budget of bytes allows: the first ones asked for stay."""

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._held: dict[Path, FitView] = {}

    def take(self, path: Path, device: torch.device) -> FitView:
        if path in self._held:
            return self._held[path]
        view = load_view(path).to(device)
        if view.nbytes <= self._left:
            self._left -= view.nbytes
            self._held[path] = view
        return view


def enlarge_photo(view: FitView) -> FitView:
    """The view at its UV map's resolution: one sample a pixel, the photo enlarged bicubically, as published."""
    h, w, s, _ = view.uv.shape
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
        uv=spread(view.uv)[:, :, None].contiguous(),
        seen=seen,
        confidence=seen[..., 0].float(),
    )


def prepare_views(
    views: Sequence[View],
    renderer: Renderer,
    mesh_key: str,
    settings: ViewSettings,
    cache: Path,
    progress: Progress = no_progress,
) -> list[Path]:
    """Makes the UV map of each view and writes it with photo and confidence into `cache`; returns the files.

    A file's name is a key of all that it depends on (name, mesh, camera, pose, photo, mask, settings, renderer), so
    what is there already is not made again. Raises ImageError: a photo or mask that can't be read or has the wrong
    size.
    """
    files = []
    for view in progress(views, "UV maps", len(views)):
        parts = (CACHE_VERSION, mesh_key, asdict(settings), view.name, asdict(view.camera), view.cam_from_world)
        pixels = (view.photo.read_bytes(), view.mask.read_bytes() if view.mask else None)
        # Empty for the ray caster: what it made is found under the key that it had before there were others.
        which = filter(None, [renderer.result_key(view.camera)])
        path = cache / f"{content_key(*parts, *pixels, view.exif_upright, *which)}.npz"
        if not path.exists():
            uv_map = renderer.uv_map(view.camera, view.cam_from_world, settings.samples)
            _write(path, _fit_view(view, uv_map, settings))
        files.append(path)
    return files


def prepare_folder(views: Sequence[PreparedView], cache: Path, progress: Progress = no_progress) -> list[Path]:
    """The same for photos with finished UV maps; an UV map k times the photo's size gives k x k samples a pixel.

    Raises ImageError: sizes that are no whole multiple of the photo's, or files that can't be read.
    """
    files = []
    for view in progress(views, "UV maps", len(views)):
        key = content_key(CACHE_VERSION, view.name, view.photo.read_bytes(), view.uv_map.read_bytes())
        path = cache / f"{key}.npz"
        if not path.exists():
            _write(path, _from_prepared(view))
        files.append(path)
    return files


def load_view(path: Path) -> FitView:
    """Reads a cached view. Raises FitError if the file is broken (it can be deleted: it is made anew)."""
    try:
        with np.load(path, allow_pickle=False) as data:
            tensors = {name: torch.from_numpy(data[name]) for name in FIELDS}
            return FitView(name=str(data["name"]), footprint=float(data["footprint"]), **tensors)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FitError(f"the cached view {path} is broken: {error}", fix=f"delete {path.parent}") from error


def _fit_view(view: View, uv_map: UVMap, settings: ViewSettings) -> FitView:
    loaded = read_photo(view.photo, upright=view.exif_upright)
    height, width = uv_map.size
    if loaded.pixels.shape[:2] != (height, width):
        raise ImageError(
            f"{view.photo} is {loaded.pixels.shape[1]}x{loaded.pixels.shape[0]}, its camera {width}x{height}"
        )
    hidden = hidden_pixels(view, loaded)
    seen = uv_map.by_pixel(uv_map.valid) & ~hidden[..., None]
    if settings.confidence is None:
        trust = np.asarray(seen.all(axis=2), dtype=np.float32)
    else:
        trust = np.where(hidden, np.float32(0), confidence(uv_map, settings.confidence))
    return _tensors(view.name, loaded.pixels, uv_map, seen, trust)


def hidden_pixels(view: View, loaded: LoadedPhoto) -> Mask:
    """The photo's pixels that its mask or its transparency takes out. Raises ImageError: a mask of another size."""
    size = loaded.pixels.shape[:2]
    hidden = np.zeros(size, dtype=bool) if loaded.alpha is None else ~loaded.alpha
    return hidden if view.mask is None else hidden | ~_mask(view, size)


def _mask(view: View, size: tuple[int, int]) -> np.ndarray:
    assert view.mask is not None
    mask = read_mask(view.mask)
    if mask.shape != size:
        raise ImageError(
            f"{view.mask} is {mask.shape[1]}x{mask.shape[0]}, its photo {size[1]}x{size[0]}",
            fix="a mask must have its photo's size",
        )
    return mask


def _from_prepared(view: PreparedView) -> FitView:
    loaded = read_photo(view.photo)
    photo = loaded.pixels
    uv, valid = read_uv(view.uv_map)
    (height, width), (rows, cols) = photo.shape[:2], uv.shape[:2]
    samples = rows // height
    if samples < 1 or (rows, cols) != (height * samples, width * samples):
        raise ImageError(
            f"{view.uv_map} is {cols}x{rows}, {view.photo} {width}x{height}: the UV map must be a whole multiple of it",
            fix="render the UV maps at 1, 2, 3 ... times the photo's size; never enlarge them",
        )
    empty = np.zeros(valid.shape, dtype=np.float32)
    uv_map = UVMap(samples, uv, np.where(valid, 0, -1).astype(np.int32), empty, empty, _footprint(uv, valid, samples))
    seen = uv_map.by_pixel(valid)
    if loaded.alpha is not None:
        seen &= loaded.alpha[..., None]
    return _tensors(view.name, photo, uv_map, seen, np.asarray(seen.all(axis=2), dtype=np.float32))


def _footprint(uv: np.ndarray, valid: np.ndarray, samples: int) -> np.ndarray:
    """A pixel's side length in uv, from how far neighbouring samples lie apart; meaningful away from chart borders."""
    step = np.zeros(valid.shape, dtype=np.float32)
    step[:, 1:] = np.linalg.norm(uv[:, 1:] - uv[:, :-1], axis=2) * samples
    return step


def _tensors(name: str, photo: np.ndarray, uv_map: UVMap, seen: np.ndarray, trust: np.ndarray) -> FitView:
    footprints = uv_map.footprint[uv_map.valid]
    return FitView(
        name=name,
        photo=torch.from_numpy(photo),
        uv=torch.from_numpy(uv_map.by_pixel(uv_map.uv)),
        seen=torch.from_numpy(seen),
        confidence=torch.from_numpy(trust.astype(np.float32)),
        footprint=float(np.median(footprints)) if len(footprints) else 0.0,
    )


def _write(path: Path, view: FitView) -> None:
    buffer = io.BytesIO()
    arrays = {name: getattr(view, name).numpy() for name in FIELDS}
    np.savez(buffer, name=np.array(view.name), footprint=np.array(view.footprint), **arrays)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
