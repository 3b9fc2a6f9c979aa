"""What depth frames hold, before anything is fused: distances, noise, and the space that the surfaces take."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from neuraltexgen.errors import CameraError, ImageError, ReconstructError
from neuraltexgen.geometry import camera_centre, invert_pose, transform
from neuraltexgen.reconstruct.frames import Frame, Source
from neuraltexgen.types import Progress, no_progress

SURVEYED = 100
"""Frames that are looked at, evenly over the sequence. All that follows are robust statistics of them."""

STRIDE = 8
"""Pixels between the depths that are looked at."""

FARTHEST = 0.999
"""Share of the depths that lie within the range: beyond are outliers, which would only widen the volume."""

IMPLAUSIBLE = 1000.0
"""How many times the cameras' spread the median depth may be, or a twentieth of it how many times smaller: in between
lies every capture that one walks or turns through, outside a unit that is wrong by a power of ten."""


@dataclass(frozen=True, eq=False)
class Survey:
    """Of the frames looked at, in world units.

    `depth`: median; `depth_max`: what nearly all are within; `pixel`: what a pixel covers at the median depth; `noise`:
    standard deviation of depth between neighbouring pixels on smooth surfaces; `spread`: how far the cameras are from
    their middle (root mean square). `points` lie on the surfaces, `rays` lead to them. `frames` were readable.
    """

    depth: float
    depth_max: float
    pixel: float
    noise: float
    spread: float
    origin: Float64[np.ndarray, "3"]
    points: Float32[np.ndarray, "n 3"]
    rays: Float32[np.ndarray, "n 3"]
    frames: int


def survey(sources: Sequence[Source], depth_max: float | None, progress: Progress = no_progress) -> Survey:
    """Looks at up to 100 frames; `depth_max` leaves out what is farther.

    Raises ReconstructError: no frame can be read, no depth is in range, or the depths' unit can't be the cameras'.
    """
    step = -(-len(sources) // SURVEYED)
    chosen = sources[::step]
    centres = np.stack([camera_centre(source.cam_from_world) for source in sources])
    origin = np.median(centres, axis=0)
    spread = float(np.sqrt(((centres - centres.mean(axis=0)) ** 2).sum(axis=1).mean()))
    kept, problem = [], ""
    for source in progress(chosen, "survey depth", len(chosen)):
        try:
            kept.append(_look(source.read(), origin))
        except (ImageError, CameraError) as error:
            problem = problem or f"{source.name}: {error.message}"
    if not kept:
        raise ReconstructError(f"none of the {len(chosen)} depth frames looked at can be read ({problem})")
    depths, pixels, noises, points, rays = (np.concatenate(part) for part in zip(*kept, strict=True))
    in_range = depths <= (np.inf if depth_max is None else depth_max)
    if not in_range.any():
        raise _nothing_in_range(depths, depth_max, len(kept))
    median = float(np.median(depths[in_range]))
    _check_unit(median, spread)
    farthest = float(np.quantile(depths[in_range], FARTHEST)) if depth_max is None else depth_max
    near = in_range & (depths <= farthest)
    known = noises[np.isfinite(noises)]
    return Survey(
        depth=median,
        depth_max=farthest,
        pixel=median * float(np.median(pixels)),
        noise=float(np.median(known)) if len(known) else 0.0,
        spread=spread,
        origin=origin,
        points=points[near],
        rays=rays[near],
        frames=len(kept),
    )


def count_blocks(found: Survey, block: float, truncation: float) -> int:
    """How many blocks of that side lie within the truncation of the surface points, along the rays; world units."""
    steps = max(2, int(np.ceil(2 * truncation / (0.5 * block))) + 1)
    keys = []
    for offset in np.linspace(-truncation, truncation, steps):
        cells = np.floor((found.points + np.float32(offset) * found.rays) / np.float32(block)).astype(np.int64)
        keys.append(np.unique((cells[:, 0] << 42) + (cells[:, 1] << 21) + cells[:, 2]))
    return len(np.unique(np.concatenate(keys)))


def _look(frame: Frame, origin: Float64[np.ndarray, "3"]) -> tuple[np.ndarray, ...]:
    """Of a frame's sampled pixels: depth, angle of a pixel, points and rays; and the frame's noise."""
    fx, fy, cx, cy = frame.pinhole
    rows, cols = np.nonzero(frame.depth[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE] > 0)
    rows, cols = rows * STRIDE + STRIDE // 2, cols * STRIDE + STRIDE // 2
    depth = frame.depth[rows, cols].astype(np.float64)
    ray = np.stack([(cols + 0.5 - cx) / fx, (rows + 0.5 - cy) / fy, np.ones(len(rows))], axis=1)
    world_from_cam = invert_pose(frame.cam_from_world)
    points = transform(world_from_cam, ray * depth[:, None]) - origin
    rays = ray @ world_from_cam[:3, :3].T
    angle = np.full(len(depth), 1 / np.sqrt(fx * fy))
    return depth, angle, np.array([_noise(frame.depth)]), points.astype(np.float32), rays.astype(np.float32)


def _noise(depth: Float32[np.ndarray, "h w"]) -> float:
    """Standard deviation of depth, from second differences along rows; NaN without three valid pixels in a row.

    A plane's second differences are nearly 0, and those of independent noise are sqrt(6) times its deviation. The tenth
    that is largest is left out, as edges; of a normal distribution the others' mean size is 0.657 deviations. A median
    would not do: sensors that count in steps repeat a value over many pixels.
    """
    a, b, c = depth[::2, :-2], depth[::2, 1:-1], depth[::2, 2:]
    bends = np.sort(np.abs(a - 2 * b + c)[(a > 0) & (b > 0) & (c > 0)])
    return float(bends[: max(1, int(0.9 * len(bends)))].mean() / (0.657 * np.sqrt(6))) if len(bends) else np.nan


def _check_unit(median: float, spread: float) -> None:
    """Raises ReconstructError: depth and camera positions can't be in one unit."""
    if spread > 0 and not spread / IMPLAUSIBLE * 20 < median < spread * IMPLAUSIBLE:
        raise ReconstructError(
            f"depth and camera positions can't be in one unit: the median depth is {median:.3g}, and the cameras lie "
            f"{spread:.3g} around their middle",
            fix="correct the capture's depth scale (docs/formats.md says where each format states it)",
        )


def _nothing_in_range(depths: Float64[np.ndarray, " n"], depth_max: float | None, frames: int) -> ReconstructError:
    if len(depths) == 0 or depth_max is None:
        return ReconstructError(
            f"the {frames} depth frames looked at hold no reading at all", fix="check that the depth maps are not empty"
        )
    return ReconstructError(
        f"no depth of {frames} frames is within {depth_max:g}: the nearest is {depths.min():.4g}, the median "
        f"{np.median(depths):.4g}",
        fix=f"--depth-max {np.quantile(depths, 0.95):.3g}, if the capture's depth scale is right",
    )
