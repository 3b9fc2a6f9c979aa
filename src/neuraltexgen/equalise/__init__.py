"""Exposures of all photos, and the fall-off of light in them, found among the photos before the fit."""

from neuraltexgen.equalise.find import Equalised, corrections, find_exposures

__all__ = ["Equalised", "corrections", "find_exposures"]
