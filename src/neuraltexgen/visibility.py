"""Per-pixel confidence: how far a photo's pixel can be trusted to show the surface point that its UV map names.

The mesh and the cameras are never exact. Where the surface is smooth and faces the camera, an error of a pixel hardly
matters; near a depth edge the pixel may show another surface, and at a grazing angle a small error moves the point far.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from neuraltexgen.errors import ConfigError
from neuraltexgen.types import Mask
from neuraltexgen.uvmap.maps import UVMap

BACK_SHARE = 0.25
"""A view that sees more than this share of the mesh from behind shows faces that are not oriented: both sides count."""


@dataclass(frozen=True)
class ConfidenceSettings:
    """What lowers a pixel's confidence. `edge_radius` and `border` are in photo pixels; 0 switches that part off.

    `edge_bend`: how far a pixel's depth may leave the plane through its neighbours, relative to its depth, before it
    counts as a depth edge. `edge_confidence`: of a pixel within `edge_radius` of one; above 0, so that it still counts
    where no other photo shows the place. `grazing`: cosines at which confidence is 0 and 1; a face seen from behind
    has a negative one, so it counts for nothing, unless the mesh's faces are not oriented (see `BACK_SHARE`).
    `depth_tolerance`: a pixel counts for nothing where the view's depth map contradicts the mesh by more than this
    share of the depth (see measured.contradiction).
    """

    edge_radius: int = 1
    edge_confidence: float = 0.5
    edge_bend: float = 0.02
    grazing: tuple[float, float] = (0.0, 0.25)
    border: int = 1
    depth_tolerance: float = 0.1

    def __post_init__(self) -> None:
        low, high = self.grazing
        if not 0 <= low < high <= 1:
            raise ConfigError(f"grazing cosines must be 0 <= low < high <= 1, got {low}, {high}")
        if not self.depth_tolerance >= 0:
            raise ConfigError(f"depth tolerance {self.depth_tolerance}: 0 (off) or more", fix="--depth-tolerance 0.05")


def confidence(uv_map: UVMap, settings: ConfidenceSettings) -> Float32[np.ndarray, "h w"]:
    """Confidence in [0, 1] per photo pixel; 0 where a sample of the pixel misses the mesh."""
    seen = uv_map.by_pixel(uv_map.valid).all(axis=2)
    cosine = uv_map.by_pixel(uv_map.cosine)
    if (cosine < 0).sum() > BACK_SHARE * np.count_nonzero(cosine):
        cosine = np.abs(cosine)
    low, high = settings.grazing
    ramp = np.clip((cosine.min(axis=2) - low) / (high - low), 0, 1)
    result = ramp * ramp * (3 - 2 * ramp) * seen
    if settings.edge_radius > 0:
        near_edge = dilate(depth_edges(uv_map, settings.edge_bend), settings.edge_radius)
        result *= np.where(near_edge, settings.edge_confidence, 1.0)
    if settings.border > 0:
        inner = np.zeros_like(seen)
        inner[settings.border : -settings.border, settings.border : -settings.border] = True
        result *= inner
    return result.astype(np.float32)


def depth_edges(uv_map: UVMap, bend: float) -> Mask:
    """Pixels next to which the depth jumps: inverse distance, linear on any plane, bends by more than `bend`."""
    distance = uv_map.by_pixel(uv_map.distance)
    valid = uv_map.by_pixel(uv_map.valid)
    inverse = np.where(valid, 1.0 / np.maximum(distance, 1e-30), 0.0)
    middle = inverse.mean(axis=2)
    result = np.zeros(middle.shape, dtype=bool)
    for axis in (0, 1):
        if middle.shape[axis] < 3:
            continue
        lines = np.moveaxis(middle, axis, 0)
        second = np.abs(lines[2:] - 2 * lines[1:-1] + lines[:-2])
        edge = second > bend * np.maximum(lines[1:-1], np.maximum(lines[2:], lines[:-2]))
        np.moveaxis(result, axis, 0)[1:-1] |= edge
    return result


def dilate(mask: Mask, radius: int) -> Mask:
    """The mask grown by `radius` pixels in the maximum norm."""
    result = mask
    for axis in (0, 1):
        grown = result.copy()
        for shift in range(1, radius + 1):
            moved, from_ = np.moveaxis(grown, axis, 0), np.moveaxis(result, axis, 0)
            moved[shift:] |= from_[:-shift]
            moved[:-shift] |= from_[shift:]
        result = grown
    return result
