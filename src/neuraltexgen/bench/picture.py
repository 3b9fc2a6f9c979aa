"""The report's line charts as SVG files that stand alone: with their own colours, and the legend inside."""

from html import escape

from neuraltexgen.report import Curve
from neuraltexgen.report.charts import LEFT, line_chart

COLOURS = ("#0f6b5c", "#b4481e", "#3f5fae", "#8a3b86", "#7a6a12")

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#65635d}.grid{stroke:#e4e0d8}.axis{stroke:#65635d}"
    "polyline{fill:none;stroke-width:2}"
    + "".join(f".s{n} polyline{{stroke:{c}}}.s{n} circle,text.s{n}{{fill:{c}}}" for n, c in enumerate(COLOURS))
)


def standalone_chart(curve: Curve) -> str:
    """The chart as the text of an SVG file; "" if no series has a finite point."""
    drawing = line_chart(curve).partition("</svg>")[0]
    if not drawing:
        return ""
    names = "".join(
        f'<text class="s{number % len(COLOURS)}" x="{LEFT + 12}" y="{28 + 18 * number}">{escape(line.name)}</text>'
        for number, line in enumerate(curve.series)
    )
    head, _, body = drawing.partition(">")
    opening = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
    return f'{opening}><style>{STYLE}</style><rect width="100%" height="100%" fill="#fbfaf8"/>{body}{names}</svg>\n'
