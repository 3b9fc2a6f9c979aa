"""Lenses as capture files state them: the simplest COLMAP model that says the same."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lens:
    """A camera model, its parameters, and the photo size that they are stated for (None: the photo's own)."""

    model: str
    params: tuple[float, ...]
    size: tuple[int, int] | None = None


def perspective(
    pinhole: tuple[float, float, float, float],
    size: tuple[int, int] | None = None,
    k: tuple[float, ...] = (),
    p: tuple[float, float] = (0.0, 0.0),
) -> Lens:
    """The lens with fx fy cx cy, up to three radial terms and OpenCV's tangential terms.

    PINHOLE if all terms are 0, OPENCV without a third radial term, else FULL_OPENCV.
    """
    k1, k2, k3 = (*k, 0.0, 0.0, 0.0)[:3]
    if k3 != 0:
        return Lens("FULL_OPENCV", (*pinhole, k1, k2, *p, k3, 0.0, 0.0, 0.0), size)
    if any((k1, k2, *p)):
        return Lens("OPENCV", (*pinhole, k1, k2, *p), size)
    return Lens("PINHOLE", pinhole, size)
