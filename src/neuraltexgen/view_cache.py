"""From photos and UV maps to views ready to be fitted: made once, cached on disk under a key of all they depend on."""

import math
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from neuraltexgen.errors import ConfigError, ImageError
from neuraltexgen.files import content_key
from neuraltexgen.fit_view import FitView, pack_view
from neuraltexgen.images import LoadedPhoto, read_mask, read_photo, stops_of
from neuraltexgen.measured import USELESS, contradiction
from neuraltexgen.scene import DepthMap, PreparedView, View
from neuraltexgen.types import Mask, Progress, no_progress
from neuraltexgen.uvmap.bands import thread_count
from neuraltexgen.uvmap.exr import read_uv
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.render import Renderer
from neuraltexgen.views import opened_view, save_view
from neuraltexgen.visibility import ConfidenceSettings, confidence

CACHE_VERSION = 5
"""Part of every cache key: raise it when what a cached view holds, or how it is computed, changes."""

IN_FLIGHT, PIXEL_BYTES, SAMPLE_BYTES = 1 << 30, 32, 64
"""Bytes that views may take while they are finished beside the next one; what a pixel and a sample of one take."""


@dataclass(frozen=True)
class ViewSettings:
    """samples x samples rays a pixel, and what lowers a pixel's confidence (None: all pixels count alike)."""

    samples: int = 2
    confidence: ConfidenceSettings | None = ConfidenceSettings()

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(f"views: {self.samples} samples a pixel, at least 1 is needed", fix="--samples 2")


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
    files: list[Path] = []
    beside = _views_beside(views, settings.samples)
    with ThreadPoolExecutor(max(beside, 1)) as ahead, ThreadPoolExecutor(max(beside, 1)) as behind:
        todo = iter(views)
        opened = deque(ahead.submit(_open, v, renderer, mesh_key, settings, cache) for v in islice(todo, beside + 1))
        finishing: deque[Future[None]] = deque()
        try:
            for view in progress(views, "UV maps", len(views)):
                path, loaded = opened.popleft().result()
                opened.extend(ahead.submit(_open, v, renderer, mesh_key, settings, cache) for v in islice(todo, 1))
                files.append(path)
                if loaded is None:
                    continue
                while finishing and len(finishing) >= beside:
                    finishing.popleft().result()
                # On this thread, since a graphics context belongs to one; renderers spread the work themselves.
                uv_map = renderer.uv_map(view.camera, view.cam_from_world, settings.samples)
                finishing.append(behind.submit(_finish, path, view, loaded, uv_map, settings))
            for last in finishing:
                last.result()
        finally:
            for waiting in (*opened, *finishing):
                waiting.cancel()
    return files


def depth_notes(files: Sequence[Path]) -> tuple[str, ...]:
    """What the views' depth maps said of the mesh, as sentences for the report. Raises FitError: a broken file."""
    shares = []
    for path in files:
        with opened_view(path) as data:
            shares.append(float(data["contradicted"]))
    useless = sum(share > USELESS for share in shares)
    used = [share for share in shares if share <= USELESS]
    notes = []
    if used:
        notes.append(
            f"{np.mean(used):.1%} of what {len(used)} depth maps measure contradicts the mesh and is not fitted"
        )
    if useless:
        notes.append(
            f"{useless} depth maps contradict most of the mesh and are not used: another unit, pose or camera "
            "(neuraltexgen doctor)"
        )
    return tuple(notes)


def prepare_folder(views: Sequence[PreparedView], cache: Path, progress: Progress = no_progress) -> list[Path]:
    """The same for photos with finished UV maps; an UV map k times the photo's size gives k x k samples a pixel.

    Raises ImageError: sizes that are no whole multiple of the photo's, or files that can't be read.
    """
    files = []
    for view in progress(views, "UV maps", len(views)):
        key = content_key(CACHE_VERSION, view.name, view.photo.read_bytes(), view.uv_map.read_bytes())
        path = cache / f"{key}.npz"
        if not path.exists():
            save_view(path, replace(_from_prepared(view), stops=stops_of(view.photo)))
        files.append(path)
    return files


def _views_beside(views: Sequence[View], samples: int) -> int:
    """How many views may be finished beside the one that is rendered: one a core, fewer or none if they are large."""
    pixels = max((view.camera.width * view.camera.height for view in views), default=1)
    fitting = IN_FLIGHT // (pixels * (PIXEL_BYTES + samples * samples * SAMPLE_BYTES))
    return min(thread_count(), fitting)


def _open(
    view: View, renderer: Renderer, mesh_key: str, settings: ViewSettings, cache: Path
) -> tuple[Path, LoadedPhoto | None]:
    """Where a view is cached; and its photo, None if it is there already."""
    parts = (CACHE_VERSION, mesh_key, asdict(settings), view.name, asdict(view.camera), view.cam_from_world)
    pixels = (view.photo.read_bytes(), view.mask.read_bytes() if view.mask else None, _depth_key(view.depth))
    # Empty for the ray caster: what it made is found under the key that it had before there were others.
    which = filter(None, [renderer.result_key(view.camera)])
    path = cache / f"{content_key(*parts, *pixels, view.exif_upright, *which)}.npz"
    return path, None if path.exists() else read_photo(view.photo, upright=view.exif_upright)


def _finish(path: Path, view: View, loaded: LoadedPhoto, uv_map: UVMap, settings: ViewSettings) -> None:
    save_view(path, *_fit_view(view, loaded, uv_map, settings))


def _depth_key(depth: DepthMap | None) -> tuple[object, ...] | None:
    """What a depth map's readings depend on; of a file that holds many, its size and time stand for its bytes."""
    if depth is None:
        return None
    camera = depth.camera and asdict(depth.camera)
    stated = (depth.unit, camera, depth.cam_from_depth, depth.invalid, depth.mask and depth.mask.read_bytes())
    if depth.blob is None:
        return (*stated, depth.path.read_bytes())
    stat = depth.path.stat()
    return (*stated, asdict(depth.blob), stat.st_size, stat.st_mtime_ns)


def _fit_view(view: View, loaded: LoadedPhoto, uv_map: UVMap, settings: ViewSettings) -> tuple[FitView, float]:
    """The view, and the share of its depth map that contradicts the mesh (NaN without one)."""
    height, width = uv_map.size
    if loaded.pixels.shape[:2] != (height, width):
        raise ImageError(
            f"{view.photo} is {loaded.pixels.shape[1]}x{loaded.pixels.shape[0]}, its camera {width}x{height}"
        )
    hidden = hidden_pixels(view, loaded)
    seen = uv_map.by_pixel(uv_map.valid) & ~hidden[..., None]
    if settings.confidence is None:
        trust, share = np.asarray(seen.all(axis=2), dtype=np.float32), math.nan
    else:
        trust = np.where(hidden, np.float32(0), confidence(uv_map, settings.confidence))
        wrong, share = _contradicted(view, uv_map, settings.confidence.depth_tolerance)
        trust[wrong] = 0
    return replace(_tensors(view.name, loaded.pixels, uv_map, seen, trust), stops=stops_of(view.photo)), share


def _contradicted(view: View, uv_map: UVMap, tolerance: float) -> tuple[Mask, float]:
    if view.depth is None or tolerance == 0:
        return np.zeros(uv_map.size, dtype=bool), math.nan
    found = contradiction(view, uv_map, tolerance)
    return found.pixels, found.share


def hidden_pixels(view: View, loaded: LoadedPhoto) -> Mask:
    """The photo's pixels that its mask or its transparency takes out. Raises ImageError: a mask of another size."""
    size = loaded.pixels.shape[:2]
    hidden = np.zeros(size, dtype=bool) if loaded.alpha is None else ~loaded.alpha
    return hidden if view.mask is None else hidden | ~read_mask(view.mask, (size[1], size[0]))


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
    return pack_view(
        name=name,
        photo=torch.from_numpy(photo),
        uv=torch.from_numpy(uv_map.by_pixel(uv_map.uv)),
        seen=torch.from_numpy(seen),
        confidence=torch.from_numpy(trust.astype(np.float32)),
        footprint=float(np.median(footprints)) if len(footprints) else 0.0,
    )
