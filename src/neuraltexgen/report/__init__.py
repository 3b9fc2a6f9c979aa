"""The report of a run: one HTML file that needs nothing else, neither network nor other files."""

from neuraltexgen.report.model import Comparison, Curve, Report, Series, Table, TextureMap
from neuraltexgen.report.page import write_report

__all__ = ["Comparison", "Curve", "Report", "Series", "Table", "TextureMap", "write_report"]
