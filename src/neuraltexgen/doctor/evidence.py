"""What the photos say, whatever the conventions: small textured patches of some views, in grey, at one resolution."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int64

from neuraltexgen.images import read_photo
from neuraltexgen.scene import Scene, View
from neuraltexgen.types import Mask, Progress, no_progress
from neuraltexgen.view_cache import hidden_pixels

RADIUS = 3
"""Patches have 2 * RADIUS + 1 pixels along each side."""

SIDE = 2 * RADIUS + 1
GRAIN = 0.02
"""Standard deviation, in the photo's range, below which grey values in a patch are rather noise than texture."""

FROM_ONE_END_TO_THE_OTHER = 60
"""Captures of up to so many views are sampled evenly; longer ones in groups of neighbours, which see the same."""

GROUP, STRIDE = 4, 3
"""Views in such a group, and how far apart they are in the capture's order."""


@dataclass(frozen=True)
class Detail:
    """How closely to look: number of views, patches a view, and the longest side of a photo in pixels.

    `partners`: in how many other views a patch is looked up at most.
    """

    views: int
    patches: int
    longest: int
    partners: int


@dataclass(frozen=True, eq=False)
class Evidence:
    """Patches of some of a scene's views. k patches, v views used, s = SIDE².

    `images`: the stored photos in grey, shrunk by whole factors `shrink`, 0 beyond each one's `sizes` (width, height).
    `view` is the place of each patch's view in `views`, `centre` its centre in shrunk pixels (x, y; pixel centres at
    +0.5), `values` its grey values with mean 0 and length 1. `order`: the places of all views, shuffled for each patch.
    `stored`: (width, height) of the photos as they are on disk, or upright where their intrinsics mean that.
    """

    detail: Detail
    views: tuple[int, ...]
    images: Float32[np.ndarray, "v h w"]
    usable: Bool[np.ndarray, "v h w"]
    sizes: Int64[np.ndarray, "v 2"]
    shrink: Int64[np.ndarray, " v"]
    stored: tuple[tuple[int, int], ...]
    view: Int64[np.ndarray, " k"]
    centre: Float32[np.ndarray, "k 2"]
    values: Float32[np.ndarray, "k s"]
    order: Int64[np.ndarray, "k v"]

    def every(self, step: int) -> "Evidence":
        """Every so many patches, in the same views."""
        names = ("view", "centre", "values", "order")
        return replace(self, **{name: getattr(self, name)[::step] for name in names})


def gather(scene: Scene, detail: Detail, seed: int, progress: Progress = no_progress) -> Evidence:
    """Reads the photos of some views and finds patches in them: the most textured place of each cell of a grid.

    Raises ImageError: a photo or mask that can't be read.
    """
    chosen = choose_views(len(scene.views), detail.views)
    read = [_read(scene.views[i], detail.longest) for i in progress(chosen, "read photos", len(chosen))]
    shape = tuple(max(photo.grey.shape[axis] for photo in read) for axis in (0, 1))
    images, free = np.zeros((len(read), *shape), np.float32), np.zeros((len(read), *shape), bool)
    for place, photo in enumerate(read):
        rows, cols = photo.grey.shape
        images[place, :rows, :cols], free[place, :rows, :cols] = photo.grey, photo.usable
    found = [_textured_places(photo.grey, photo.usable, detail.patches) for photo in read]
    view = np.repeat(np.arange(len(read)), [len(places) for places in found])
    corners = np.concatenate(found).reshape(-1, 2)
    rng = np.random.default_rng([seed, 11])
    return Evidence(
        detail=detail,
        views=chosen,
        images=images,
        usable=free,
        sizes=np.array([photo.grey.shape[::-1] for photo in read], np.int64).reshape(-1, 2),
        shrink=np.array([photo.shrink for photo in read], np.int64),
        stored=tuple(photo.stored for photo in read),
        view=view,
        centre=(corners[:, ::-1] + 0.5).astype(np.float32),
        values=_patch_values(images, view, corners),
        order=np.argsort(rng.random((len(view), len(read))), axis=1),
    )


def choose_views(total: int, count: int) -> tuple[int, ...]:
    """The places of `count` of `total` views: evenly spread, or in groups of neighbours in a long capture."""
    if total <= count:
        return tuple(range(total))
    if total <= FROM_ONE_END_TO_THE_OTHER:
        return tuple(int(i) for i in np.unique(np.linspace(0, total - 1, count).round()))
    starts = np.linspace(0, total - 1 - (GROUP - 1) * STRIDE, max(count // GROUP, 1)).astype(int)
    return tuple(sorted({int(start + STRIDE * i) for start in starts for i in range(GROUP)}))


@dataclass(frozen=True, eq=False)
class _Photo:
    """A photo in grey, which pixels count, the factor that it is shrunk by, and its stored (width, height)."""

    grey: Float32[np.ndarray, "h w"]
    usable: Bool[np.ndarray, "h w"]
    shrink: int
    stored: tuple[int, int]


def _read(view: View, longest: int) -> _Photo:
    loaded = read_photo(view.photo, upright=view.exif_upright)
    pixels = loaded.pixels
    unit = np.float32(1 / 255) if pixels.dtype == np.uint8 else np.float32(1)
    grey = (pixels @ np.array([0.299, 0.587, 0.114], np.float32)) * unit
    if view.photo.suffix.lower() == ".exr":
        grey = np.sqrt(np.clip(grey, 0, None))  # linear values: as an eye sees them, roughly
    height, width = grey.shape
    factor = max(1, -(-max(height, width) // longest))
    usable = np.logical_not(hidden_pixels(view, loaded))
    rows, cols = height // factor, width // factor
    blocks = slice(0, rows * factor), slice(0, cols * factor)
    if factor > 1:
        grey = grey[blocks].reshape(rows, factor, cols, factor).mean(axis=(1, 3))
        usable = usable[blocks].reshape(rows, factor, cols, factor).all(axis=(1, 3))
    return _Photo(_blurred(grey.astype(np.float32)), np.asarray(usable), factor, (width, height))


def _blurred(image: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Each pixel with its neighbours at 1 2 1: photos that are looked up at any scale should not alias."""
    for axis in (0, 1):
        padded = np.pad(image, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        before, after = padded.take(range(image.shape[axis]), axis), padded.take(range(2, image.shape[axis] + 2), axis)
        image = (before + 2 * image + after) / np.float32(4)
    return image


def _textured_places(image: Float32[np.ndarray, "h w"], usable: Mask, count: int) -> Int64[np.ndarray, "n 2"]:
    """At most `count` pixels (row, column): in each cell of a grid the one with most texture in both directions.

    The pixels are the middles of blocks that just hold a patch.
    """
    block = SIDE + 1
    rows, cols = (side // block for side in image.shape)
    if min(rows, cols) < 3:
        return np.zeros((0, 2), np.int64)
    down, across = np.gradient(image)
    products = (across * across, down * down, across * down, image, image * image)
    xx, yy, xy, mean, square = (_block_means(product, block) for product in products)
    strength = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)  # the structure tensor's smaller eigenvalue
    textured = np.sqrt(np.maximum(square - mean**2, 0)) > GRAIN
    clear = _block_means((~usable).astype(np.float32), block) == 0
    strength = np.where(textured & clear, strength, -1)
    strength[[0, -1]], strength[:, [0, -1]] = -1, -1
    down_cells = min(rows, max(1, round(np.sqrt(count * rows / cols))))
    across_cells = min(cols, max(1, count // down_cells))
    places = []
    for r in range(down_cells):
        for c in range(across_cells):
            top, left = r * rows // down_cells, c * cols // across_cells
            cell = strength[top : (r + 1) * rows // down_cells, left : (c + 1) * cols // across_cells]
            row, col = np.unravel_index(int(cell.argmax()), cell.shape)
            if cell[row, col] > 0:
                places.append((block * (top + int(row)) + block // 2, block * (left + int(col)) + block // 2))
    return np.array(places, np.int64).reshape(-1, 2)


def _block_means(image: Float32[np.ndarray, "h w"], block: int) -> Float32[np.ndarray, "a b"]:
    rows, cols = (side // block for side in image.shape)
    whole = image[: rows * block, : cols * block].reshape(rows, block, cols, block)
    return whole.mean(axis=3).mean(axis=1)


def _patch_values(
    images: Float32[np.ndarray, "v h w"], view: Int64[np.ndarray, " k"], corners: Int64[np.ndarray, "k 2"]
) -> Float32[np.ndarray, "k s"]:
    side = np.arange(-RADIUS, RADIUS + 1)
    steps = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    at = corners[:, None] + steps
    values = images[view[:, None], at[..., 0], at[..., 1]].astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return (values / np.maximum(length, 1e-12)).astype(np.float32)
