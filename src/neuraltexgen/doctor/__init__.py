"""Captures whose conventions are in doubt: every likely misreading is tried, and the photos say which one fits.

`diagnose` a scene; `write_corrected` writes what it found. The hypotheses are in `table`.
"""

from neuraltexgen.doctor.diagnosis import Diagnosis, FineRow, Row, corrected, diagnose, named
from neuraltexgen.doctor.fix import corrected_scene, write_corrected
from neuraltexgen.doctor.table import HYPOTHESES

__all__ = [
    "HYPOTHESES",
    "Diagnosis",
    "FineRow",
    "Row",
    "corrected",
    "corrected_scene",
    "diagnose",
    "named",
    "write_corrected",
]
