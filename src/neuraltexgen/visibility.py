"""Per-pixel confidence: how far a photo's pixel can be trusted to show the surface point that its UV map names.

The mesh and the cameras are never exact. Where the surface is smooth and faces the camera, an error of a pixel hardly
matters; near a depth edge the pixel may show another surface, and at a grazing angle a small error moves the point far.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float32
from numba import njit

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
    seen, middle, cosines, turned = _pixels(uv_map)
    cosine = cosines[1] if turned > BACK_SHARE else cosines[0]
    low, high = settings.grazing
    ramp = np.clip((cosine - low) / (high - low), 0, 1)
    result = ramp * ramp * (3 - 2 * ramp) * seen
    if settings.edge_radius > 0:
        near_edge = dilate(_bends(middle, settings.edge_bend), settings.edge_radius)
        result *= np.where(near_edge, settings.edge_confidence, 1.0)
    if settings.border > 0:
        inner = np.zeros_like(seen)
        inner[settings.border : -settings.border, settings.border : -settings.border] = True
        result *= inner
    return result.astype(np.float32)


def depth_edges(uv_map: UVMap, bend: float) -> Mask:
    """Pixels next to which the depth jumps: inverse distance, linear on any plane, bends by more than `bend`."""
    return _bends(_pixels(uv_map)[1], bend)


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


def _bends(middle: Float32[np.ndarray, "h w"], bend: float) -> Mask:
    """Where inverse depth bends; see `depth_edges`."""
    result = np.zeros(middle.shape, dtype=bool)
    for axis in (0, 1):
        if middle.shape[axis] < 3:
            continue
        lines = np.moveaxis(middle, axis, 0)
        second = np.abs(lines[2:] - 2 * lines[1:-1] + lines[:-2])
        edge = second > bend * np.maximum(lines[1:-1], np.maximum(lines[2:], lines[:-2]))
        np.moveaxis(result, axis, 0)[1:-1] |= edge
    return result


def _pixels(uv_map: UVMap) -> tuple[Mask, np.ndarray, tuple[np.ndarray, np.ndarray], float]:
    """What the samples of each pixel say together.

    Whether all see the mesh; their mean inverse distance; their least cosine, and the least of its magnitudes; and the
    share of the samples on the mesh that see it from behind.
    """
    seen = np.empty(uv_map.size, dtype=np.bool_)
    middle, least, steepest = (np.empty(uv_map.size, dtype=np.float32) for _ in range(3))
    fields = uv_map.face_ids, uv_map.distance, uv_map.cosine
    behind, met = _gather(uv_map.samples, *fields, seen, middle, least, steepest)
    return seen, middle, (least, steepest), behind / max(met, 1)


@njit(nogil=True, cache=True)
@no_type_check
def _gather(samples, face_ids, distance, cosine, seen, middle, least, steepest):
    behind, met = 0, 0
    for row in range(seen.shape[0]):
        for col in range(seen.shape[1]):
            whole, total, low, steep = True, np.float32(0), np.float32(np.inf), np.float32(np.inf)
            for i in range(row * samples, (row + 1) * samples):
                for j in range(col * samples, (col + 1) * samples):
                    shown = cosine[i, j]
                    low, steep = min(low, shown), min(steep, abs(shown))
                    behind += shown < 0
                    met += shown != 0
                    if face_ids[i, j] < 0:
                        whole = False
                    else:
                        total += np.float32(1) / max(distance[i, j], np.float32(1e-30))
            seen[row, col], middle[row, col] = whole, total / np.float32(samples * samples)
            least[row, col], steepest[row, col] = low, steep
    return behind, met
