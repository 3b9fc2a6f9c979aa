"""What is done to the photos before the fit; nothing unless it is asked for."""

import math
from dataclasses import dataclass
from pathlib import Path

from neuraltexgen.errors import ConfigError


@dataclass(frozen=True)
class EnhanceSettings:
    """The steps, in the order in which they run.

    denoise: the threshold in units of the noise found in each photo; 0 is off, 1 takes out noise of the strength found.
    super_resolution: the file of a model that enlarges or restores a photo.
    model_sha256: what that file must hash to; a run fills it in, so that the settings name one model and no other.
    sharpen: how much of the difference to the blurred photo is added; 0 is off.
    white_balance: one gain per channel for the whole capture.

    Raises ConfigError: a strength that is negative or not finite.
    """

    denoise: float = 0.0
    super_resolution: Path | None = None
    model_sha256: str | None = None
    sharpen: float = 0.0
    white_balance: bool = False

    def __post_init__(self) -> None:
        for name, strength in (("denoise", self.denoise), ("sharpen", self.sharpen)):
            if not (math.isfinite(strength) and strength >= 0):
                raise ConfigError(f"--{name} {strength}: a strength is 0 or more", fix=f"--{name} 1")

    @property
    def on(self) -> bool:
        """Whether anything is done at all."""
        return bool(self.denoise or self.super_resolution or self.sharpen or self.white_balance)
