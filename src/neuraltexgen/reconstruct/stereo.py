"""Depth of one view by semi-global matching against a few others, one rectified pair at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32

from neuraltexgen.reconstruct.opencv import import_opencv
from neuraltexgen.reconstruct.pictures import Picture
from neuraltexgen.reconstruct.rectify import Rectified, rectify
from neuraltexgen.types import Points

BLOCK = 5
"""Pixels on the side of the window that is compared."""

SMOOTH, STEP = 8 * BLOCK**2, 32 * BLOCK**2
"""What a change of disparity by 1, and by more, costs (OpenCV's own recommendation for grey pictures)."""

UNIQUE = 8
"""Percent by which the best disparity must beat the others."""

MOST_DISPARITIES = 384
"""Pairs that need more are matched on smaller pictures."""

AGREE_PIXELS = 1.5
"""Pixels of disparity within which two pairs tell the same depth."""

SPECKLE = 100
"""Pixels: smaller islands of one depth are removed."""

SPECKLE_STEP = 0.02
"""Relative difference of depth that separates islands."""


@dataclass(frozen=True, eq=False)
class PairDepth:
    """Depth along the first view's axis, NaN where unknown, and that depth's inverse per pixel of disparity."""

    depth: Float32[np.ndarray, "h w"]
    inverse_per_pixel: float


@dataclass(frozen=True, eq=False)
class ViewDepth:
    """A view's depth (NaN where unknown) and how many pairs agree on it, 0 where unknown."""

    depth: Float32[np.ndarray, "h w"]
    agreeing: Int32[np.ndarray, "h w"]


def pair_depth(first: Picture, second: Picture, points: Points) -> PairDepth | None:
    """Matches two pictures, at about the depths of some points of the world; None if they can't be rectified.

    A disparity must be the best one in both directions (left-right check), within a pixel, and clearly so.
    Source: Hirschmüller, Stereo Processing by Semiglobal Matching and Mutual Information, 2008, as OpenCV has it.
    """
    pair = rectify(first.pinhole, second.pinhole, points, MOST_DISPARITIES)
    if pair is None:
        return None
    disparity = _match(first, second, pair)
    depth = _on_first(first, pair, disparity)
    depth[~first.valid | ~(depth > 0)] = np.nan
    return PairDepth(depth, 1.0 / pair.bridge)


def merge_pairs(pairs: Sequence[PairDepth]) -> ViewDepth:
    """Per pixel, the depth that most pairs agree on, as their mean weighted by precision; ties go to the more precise.

    Raises ValueError for no pairs.
    """
    if not pairs:
        raise ValueError("no pairs to merge")
    inverse = np.stack([1.0 / pair.depth for pair in pairs])
    step = np.array([pair.inverse_per_pixel for pair in pairs], np.float32)
    best = np.full(inverse.shape[1:], -1.0, np.float32)
    chosen = np.full(inverse.shape[1:], np.nan, np.float32)
    agreeing = np.zeros(inverse.shape[1:], np.int32)
    for i in np.argsort(step, kind="stable"):
        weight, total, count = (np.zeros(inverse.shape[1:], kind) for kind in (np.float32, np.float32, np.int32))
        for j in range(len(pairs)):
            near = np.abs(inverse[j] - inverse[i]) <= AGREE_PIXELS * max(step[i], step[j])
            precision = (step.min() / step[j]) ** 2
            weight += near * precision
            total += np.where(near, inverse[j], 0) * precision
            count += near
        better = count > best
        best = np.where(better, count, best)
        chosen = np.where(better & (count > 0), total / np.maximum(weight, 1e-30), chosen)
        agreeing = np.where(better, count, agreeing)
    depth = (1.0 / chosen).astype(np.float32)
    return ViewDepth(depth, np.where(np.isnan(depth), 0, agreeing).astype(np.int32))


def remove_speckles(depth: Float32[np.ndarray, "h w"], fewest: int = SPECKLE) -> Float32[np.ndarray, "h w"]:
    """The depth without islands of fewer than `fewest` pixels, neighbours in which differ by less than 2 percent."""
    cv2 = import_opencv()
    known = np.isfinite(depth)
    if not known.any():
        return depth.copy()
    # The filter takes 16-bit steps; those of the logarithm are relative.
    logs = np.log(np.where(known, depth, 1.0))
    low = float(logs[known].min())
    unit = max(SPECKLE_STEP / 16, float(logs[known].max() - low) / 32000)
    steps = np.where(known, np.rint((logs - low) / unit) + 1, 0).astype(np.int16)
    filtered, *_ = cv2.filterSpeckles(steps, 0, fewest, SPECKLE_STEP / unit)
    return np.where(filtered > 0, depth, np.nan).astype(np.float32)


def _match(first: Picture, second: Picture, pair: Rectified) -> Float32[np.ndarray, "k l"]:
    """Disparities, in pixels, on the first rectified picture; NaN where there is none."""
    cv2 = import_opencv()
    left, right = (
        cv2.warpPerspective(picture.grey, matrix, pair.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for picture, matrix in ((first, pair.from_first), (second, pair.from_second))
    )
    matcher = cv2.StereoSGBM_create(
        minDisparity=0,
        numDisparities=pair.disparities,
        blockSize=BLOCK,
        P1=SMOOTH,
        P2=STEP,
        disp12MaxDiff=1,
        preFilterCap=31,
        uniquenessRatio=UNIQUE,
        speckleWindowSize=0,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    disparity = matcher.compute(left, right).astype(np.float32) / 16
    valid = cv2.warpPerspective(second.valid.astype(np.uint8), pair.from_second, pair.size, flags=cv2.INTER_NEAREST)
    rows, cols = np.nonzero(disparity >= 0)
    partner = np.rint(cols - disparity[rows, cols]).astype(int)
    reached = (partner >= 0) & (valid[rows, np.maximum(partner, 0)] > 0)
    result = np.full(disparity.shape, np.nan, np.float32)
    result[rows[reached], cols[reached]] = disparity[rows[reached], cols[reached]]
    return result


def _on_first(first: Picture, pair: Rectified, disparity: Float32[np.ndarray, "k l"]) -> Float32[np.ndarray, "h w"]:
    """Depth on the first picture's own pixels, by the nearest disparity: means across edges would lie in the air."""
    width, height = first.pinhole.size
    cols, rows = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([cols, rows, np.ones_like(cols)], axis=-1).reshape(-1, 3).astype(np.float64)
    place = pixels @ pair.from_first.T
    place = np.rint(place[:, :2] / place[:, 2:]).astype(int)
    inside = ((place >= 0) & (place < pair.size)).all(axis=1)
    found = np.full(len(pixels), np.nan)
    found[inside] = disparity[place[inside, 1], place[inside, 0]]
    rectified_depth = pair.bridge / (found + pair.shift)
    return (rectified_depth / _depth_ratio(first, pair, pixels)).astype(np.float32).reshape(height, width)


def _depth_ratio(first: Picture, pair: Rectified, pixels: np.ndarray) -> Float64[np.ndarray, " n"]:
    """Depth along the rectified axis over depth along the first view's own, for each pixel's ray."""
    return (pixels @ np.linalg.inv(first.pinhole.matrix).T) @ pair.rotation[2]
