"""A run's outcome in words and figures: metrics.json, config.json, report.html, and the lines that the CLI prints."""

from neuraltexgen.outcome.figures import config, metrics
from neuraltexgen.outcome.page import pictured, report
from neuraltexgen.outcome.words import score_rows, summary
from neuraltexgen.outcome.write import write_outcome

__all__ = ["config", "metrics", "pictured", "report", "score_rows", "summary", "write_outcome"]
