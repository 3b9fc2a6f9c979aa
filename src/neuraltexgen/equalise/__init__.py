"""Exposures of all photos, the fall-off of light in them, and their blur, found among the photos before the fit."""

from neuraltexgen.equalise.blurs import find_blurs
from neuraltexgen.equalise.find import Equalised, corrections, find_exposures

__all__ = ["Equalised", "corrections", "find_blurs", "find_exposures"]
