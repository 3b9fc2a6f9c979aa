"""Features of an image in memory, and which of two images' features are each other's nearest."""

import threading
from dataclasses import dataclass

import numpy as np
import pycolmap
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Float64, Int64, UInt8

from neuraltexgen.errors import ReconstructError
from neuraltexgen.reconstruct.watch import silenced
from neuraltexgen.types import Mask

LONGEST = 1600
"""Images are shrunk to so many pixels on the longer side for features: finer ones are noise of the sensor."""

MOST = 1600
"""Features of an image, about; those of the largest scale are kept."""

RATIO = 0.8
"""A match counts only if the second nearest feature is further by this factor (Lowe 2004)."""

_extractors = threading.local()

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Rec. 601's luma."""


@dataclass(frozen=True, eq=False)
class Features:
    """SIFT features: `points` in pixels of the image as given, x then y; `descriptors` of unit length."""

    points: Float64[np.ndarray, "n 2"]
    descriptors: Float32[np.ndarray, "n 128"]

    def __len__(self) -> int:
        return len(self.points)


def grey(pixels: UInt8[np.ndarray, "h w 3"] | Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """A photo's brightness in [0, 1]; brighter than 1 is cut off."""
    scale = 255.0 if pixels.dtype == np.uint8 else 1.0
    return np.clip((pixels.astype(np.float32) @ GREY) / np.float32(scale), 0, 1)


def describe(image: Float32[np.ndarray, "h w"], usable: Mask | None = None, most: int = MOST) -> Features:
    """The features of an image in [0, 1]; none where it is not `usable`. Raises ReconstructError: COLMAP failed."""
    height, width = image.shape
    factor = min(1.0, LONGEST / max(height, width))
    if factor < 1:
        size = max(1, round(height * factor)), max(1, round(width * factor))
        image = F.interpolate(torch.from_numpy(image)[None, None], size, mode="area")[0, 0].numpy()
    bitmap = pycolmap.Bitmap.from_array((255 * image).round().astype(np.uint8))
    try:
        keypoints, found = _extractor(most).extract(bitmap)
    except (RuntimeError, ValueError) as error:
        raise ReconstructError(f"COLMAP failed to find features: {str(error).strip()[:300]}") from error
    points = np.array([(point.x, point.y) for point in keypoints], np.float64).reshape(-1, 2)
    points = points * (width / image.shape[1], height / image.shape[0])
    descriptors = np.asarray(found.data, np.float32).reshape(len(points), 128)
    descriptors /= np.maximum(np.linalg.norm(descriptors, axis=1, keepdims=True), 1e-9)
    if usable is not None and len(points):
        columns, rows = (np.clip(points[:, k].astype(int), 0, usable.shape[1 - k] - 1) for k in (0, 1))
        kept = usable[rows, columns]
        points, descriptors = points[kept], descriptors[kept]
    return Features(points, np.ascontiguousarray(descriptors))


def nearest(a: Features, b: Features) -> Int64[np.ndarray, "m 2"]:
    """Pairs (index in a, index in b) that are each other's nearest, and clearly nearer than the second (RATIO)."""
    if len(a) < 2 or len(b) < 2:
        return np.zeros((0, 2), np.int64)
    likeness = torch.from_numpy(a.descriptors) @ torch.from_numpy(b.descriptors).T
    best, partner = likeness.max(dim=1)
    back = likeness.argmax(dim=0)
    own = torch.arange(len(a))
    likeness[own, partner] = -1.0
    second = likeness.amax(dim=1)
    # Distances of unit vectors: |x - y|² = 2 - 2 x·y.
    clear = (1 - best) < RATIO**2 * (1 - second)
    kept = clear & (back[partner] == own)
    return torch.stack([own[kept], partner[kept]], dim=1).numpy()


def _extractor(most: int) -> pycolmap.FeatureExtractor:
    """One for each thread, as extracting with one from two at once is not promised to work."""
    made = getattr(_extractors, "made", {})
    if most not in made:
        options = pycolmap.FeatureExtractionOptions()
        options.sift.max_num_features = most
        with silenced():
            made[most] = pycolmap.FeatureExtractor.create(options, pycolmap.Device.cpu)
        _extractors.made = made
    return made[most]
