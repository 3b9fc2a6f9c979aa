"""Line charts as inline SVG: axes with round numbers, labels, a legend, and the values for screen readers."""

from html import escape

import numpy as np

from neuraltexgen.report.model import Curve, Series

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 80, 16, 16, 52
"""The chart's size and its margins, in the units of its viewBox."""


def line_chart(curve: Curve) -> str:
    """The SVG of a chart; "" if no series has a finite point."""
    series = [
        Series(line.name, tuple((float(x), float(y)) for x, y in line.points if np.isfinite((x, y)).all()))
        for line in curve.series
    ]
    points = np.array([point for line in series for point in line.points], dtype=np.float64).reshape(-1, 2)
    if len(points) == 0:
        return ""
    x_ticks, y_ticks = round_ticks(*_range(points[:, 0])), round_ticks(*_range(points[:, 1]))
    if all(isinstance(x, int) for line in curve.series for x, _ in line.points):  # there is no half pass
        x_ticks = [tick for tick in x_ticks if tick == round(tick)] or x_ticks
    x_range = (min(points[:, 0].min(), x_ticks[0]), max(points[:, 0].max(), x_ticks[-1]))
    y_range = (min(points[:, 1].min(), y_ticks[0]), max(points[:, 1].max(), y_ticks[-1]))
    lines = [_line(line, number, x_range, y_range) for number, line in enumerate(series)]
    label = escape(f"{curve.title}: {curve.y_label} over {curve.x_label}")
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        + _axes(curve, x_ticks, y_ticks, x_range, y_range)
        + "".join(lines)
        + "</svg>"
        + (_legend(series) if len(series) > 1 else "")
    )


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that lie in [low, high]: about so many, at least two."""
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next((m for m in (1, 2, 5, 10) if m * power >= raw * 0.999), 10)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    if last <= first:
        first, last = int(np.floor(low / step)), int(np.ceil(high / step))
    return [round(n * step, 12) for n in range(first, last + 1)]


def _range(values: np.ndarray) -> tuple[float, float]:
    """The values' range; widened where they are all the same."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-30):
        pad = max(abs(low) * 0.1, 1e-6)
        return low - pad, high + pad
    return low, high


def _x(value: float, span: tuple[float, float]) -> float:
    return LEFT + (value - span[0]) / (span[1] - span[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, span: tuple[float, float]) -> float:
    return HEIGHT - BOTTOM - (value - span[0]) / (span[1] - span[0]) * (HEIGHT - TOP - BOTTOM)


def _axes(
    curve: Curve,
    x_ticks: list[float],
    y_ticks: list[float],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> str:
    floor, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    parts = []
    for tick in y_ticks:
        y = _y(tick, y_range)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:.6g}</text>')
    for tick in x_ticks:
        x = _x(tick, x_range)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{floor + 20}" text-anchor="middle">{tick:.6g}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>')
    parts.append(
        f'<text class="label" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(curve.x_label)}</text>"
        f'<text class="label" transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(curve.y_label)}</text>"
    )
    return "".join(parts)


def _line(line: Series, number: int, x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    places = [(_x(x, x_range), _y(y, y_range)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = ""
    if len(places) <= 60:
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3">'
            f"<title>{escape(line.name)}: {value:.5g} at {at:.5g}</title></circle>"
            for (x, y), (at, value) in zip(places, line.points)
        )
    return f'<g class="series s{number % 5}"><polyline points="{path}"/>{dots}</g>'


def _legend(series: list[Series]) -> str:
    items = [f'<li class="s{number % 5}">{escape(line.name)}</li>' for number, line in enumerate(series)]
    return f'<ul class="legend">{"".join(items)}</ul>'
