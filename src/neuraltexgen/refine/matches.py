"""Which point of one photo shows the same as which point of another: features of all photos, matched pair by pair."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int32, Int64

from neuraltexgen.files import content_key, whole_file
from neuraltexgen.images import read_photo
from neuraltexgen.refine.features import LONGEST, MOST, Features, describe, grey, nearest
from neuraltexgen.scene import View
from neuraltexgen.types import Progress
from neuraltexgen.view_cache import hidden_pixels


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of image points (pixels, x then y) that show one point of the scene: `source` in view `a`, `target` in `b`.

    `a` and `b` are indices of views.
    """

    a: Int32[np.ndarray, " n"]
    b: Int32[np.ndarray, " n"]
    source: Float64[np.ndarray, "n 2"]
    target: Float64[np.ndarray, "n 2"]

    def __len__(self) -> int:
        return len(self.a)

    def both_ways(self) -> "Matches":
        """Each match and its reverse, sorted by pair of views."""
        a, b = np.concatenate([self.a, self.b]), np.concatenate([self.b, self.a])
        order = np.lexsort((b, a))
        source, target = np.concatenate([self.source, self.target]), np.concatenate([self.target, self.source])
        return Matches(a[order], b[order], source[order], target[order])

    def only(self, chosen: Bool[np.ndarray, " n"] | Int64[np.ndarray, " m"]) -> "Matches":
        """The matches of a mask or of indices."""
        return Matches(self.a[chosen], self.b[chosen], self.source[chosen], self.target[chosen])

    def at_most(self, each: int) -> "Matches":
        """At most so many of each pair of views, taken evenly from the order they are in."""
        new = np.flatnonzero((np.diff(self.a, prepend=-1) != 0) | (np.diff(self.b, prepend=-1) != 0))
        kept = [
            first + np.unique(np.linspace(0, last - first - 1, min(each, last - first)).round().astype(np.int64))
            for first, last in zip(new, [*new[1:], len(self)])
        ]
        return self.only(np.concatenate([np.zeros(0, np.int64), *kept]))


def joined(parts: Sequence[Matches]) -> Matches:
    """The matches of all parts, one after the other."""
    nothing = Matches(*(np.zeros(0, np.int32) for _ in range(2)), *(np.zeros((0, 2)) for _ in range(2)))
    fields = ("a", "b", "source", "target")
    return Matches(*(np.concatenate([getattr(part, name) for part in (nothing, *parts)]) for name in fields))


def features_of(views: Sequence[View], cache: Path, progress: Progress) -> list[Features]:
    """The features of each view's photo outside its mask; each is kept in `cache`, so that a killed run goes on.

    Raises ImageError: a photo or mask that can't be read; ReconstructError: COLMAP failed.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        coming = pool.map(lambda view: _cached_features(view, cache), views)
        return list(progress(coming, "find features", len(views)))


def match_pairs(features: Sequence[Features], pairs: Int64[np.ndarray, "p 2"], progress: Progress) -> Matches:
    """The mutual nearest features of each pair of views (indices into `features`), pair after pair."""

    def one(pair: np.ndarray) -> Matches:
        i, j = (int(index) for index in pair)
        found = nearest(features[i], features[j])
        count = len(found)
        views = np.full(count, i, np.int32), np.full(count, j, np.int32)
        return Matches(*views, features[i].points[found[:, 0]], features[j].points[found[:, 1]])

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # pairs are spread over threads, and each is too small to be spread again
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return joined(list(progress(pool.map(one, pairs), "match photos", len(pairs))))
    finally:
        torch.set_num_threads(threads)


def _cached_features(view: View, cache: Path) -> Features:
    mask = view.mask.read_bytes() if view.mask else None
    key = content_key("features 1", LONGEST, MOST, view.photo.read_bytes(), mask, view.exif_upright)
    path = cache / f"features-{key}.npz"
    if path.exists():
        with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(path, allow_pickle=False) as data:
            return Features(data["points"], data["descriptors"].astype(np.float32))
    loaded = read_photo(view.photo, upright=view.exif_upright)
    found = describe(grey(loaded.pixels), ~hidden_pixels(view, loaded))
    with whole_file(path) as temporary:
        np.savez(temporary, points=found.points, descriptors=found.descriptors)
    return found
