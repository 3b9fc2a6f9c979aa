"""Exposures of all photos, fall-off and response curve, and blur, found among the photos before the fit."""

from neuraltexgen.equalise.blurs import find_blurs
from neuraltexgen.equalise.find import TERMS, Equalised, corrections, find_exposures
from neuraltexgen.equalise.solve import Terms
from neuraltexgen.equalise.spreads import find_spreads

__all__ = ["TERMS", "Equalised", "Terms", "corrections", "find_blurs", "find_exposures", "find_spreads"]
