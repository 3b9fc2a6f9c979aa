"""What can be chosen about the made-up room and its photos."""

import math
from dataclasses import dataclass

from neuraltexgen.errors import ConfigError
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic.planted import Planted

LENSES = {"PINHOLE": 0, "OPENCV": 4, "FULL_OPENCV": 8, "OPENCV_FISHEYE": 4}
"""The camera models that `write_capture` can store, and how many distortion coefficients each takes."""


@dataclass(frozen=True)
class SyntheticSettings:
    """The size of the capture, and the errors to plant in it.

    `supersampling`: rays along each side of a pixel. `detail`: albedo pixels per metre. `distortion`: the coefficients
    of the camera model `lens`, in COLMAP's order; empty means all 0. `hfov`: horizontal field of view in degrees before
    distortion. Raises ConfigError: a number out of range, an unknown lens.
    """

    views: int = 48
    width: int = 400
    height: int = 300
    supersampling: int = 5
    seed: int = 0
    detail: float = 400.0
    lens: str = "PINHOLE"
    distortion: tuple[float, ...] = ()
    hfov: float = 65.0
    planted: Planted = Planted()

    def __post_init__(self) -> None:
        if min(self.views, self.width, self.height, self.supersampling) < 1:
            raise ConfigError("synthetic: views, width, height and supersampling must be at least 1")
        if not 20 <= self.detail <= 4000 or not 10 <= self.hfov <= 120:
            raise ConfigError(f"synthetic: detail {self.detail} or hfov {self.hfov} is outside 20..4000 or 10..120")
        if self.seed < 0:
            raise ConfigError(f"synthetic: the seed must be 0 or more, got {self.seed}")
        if self.lens not in LENSES:
            raise ConfigError(f"synthetic: unknown lens {self.lens!r}", fix=f"one of {', '.join(LENSES)}")
        if self.distortion and len(self.distortion) != LENSES[self.lens]:
            raise ConfigError(
                f"synthetic: {self.lens} takes {LENSES[self.lens]} distortion coefficients, got {len(self.distortion)}"
            )


def make_camera(settings: SyntheticSettings) -> Camera:
    """The one camera of all views: square pixels, the principal point a little off the centre, as real ones have it."""
    focal = 0.5 * settings.width / math.tan(math.radians(settings.hfov) / 2)
    centre = (0.503 * settings.width, 0.496 * settings.height)
    distortion = settings.distortion or (0.0,) * LENSES[settings.lens]
    return Camera(settings.lens, settings.width, settings.height, (focal, focal, *centre, *distortion))
