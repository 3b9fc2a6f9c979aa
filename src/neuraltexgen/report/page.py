"""The report's page: one function per section, empty sections left out."""

from collections.abc import Callable
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from neuraltexgen.files import write_text
from neuraltexgen.report.charts import line_chart
from neuraltexgen.report.model import Comparison, Report, Table
from neuraltexgen.report.pictures import ERROR_COLOURS, ERROR_LIMIT, error_colours, picture
from neuraltexgen.report.tables import folded_table, html_table

PHOTO_SIDE, TEXTURE_SIDE = 1280, 1600
"""The longest side of pictures in the page, in pixels."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The page itself forbids the browser to load anything."""


def write_report(path: Path, report: Report) -> None:
    """Writes the report as one HTML file, whole or not at all. It loads nothing and works offline."""
    sections = [section(report) for section in SECTIONS]
    here = files("neuraltexgen.report")
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(report.title)}</title>\n"
        f"<style>\n{(here / 'report.css').read_text(encoding='utf-8')}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n</main>\n<script>\n{(here / 'report.js').read_text(encoding='utf-8')}</script>\n</body>\n</html>\n"
    )
    write_text(path, page)


def _header(report: Report) -> str:
    lead = f'<p class="lead">{escape(report.lead)}</p>' if report.lead else ""
    tiles = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>" for label, value in report.summary)
    summary = f'<dl class="tiles">{tiles}</dl>' if tiles else ""
    return (
        f'<header>\n<p class="eyebrow">neuraltexgen</p>\n<h1>{escape(report.title)}</h1>\n{lead}\n{summary}\n</header>'
    )


def _warnings(report: Report) -> str:
    if not report.warnings:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in report.warnings)
    return f'<aside class="warning" aria-label="Warnings"><h2>Worth a look</h2><ul>{items}</ul></aside>'


def _comparisons(report: Report) -> str:
    if not report.comparisons:
        return ""
    figures = "\n".join(_comparison(comparison) for comparison in report.comparisons)
    hint = (
        '<p class="hint">Drag across a picture: the photo is on the left, the render of the texture on the right.</p>'
    )
    return _section("Photo and render", hint + figures)


def _comparison(comparison: Comparison) -> str:
    name = escape(comparison.name)
    photo, render = picture(comparison.photo, PHOTO_SIDE), picture(comparison.render, PHOTO_SIDE)
    ratio = f"--ratio:{photo.width / photo.height:.4f}"
    slider = (
        f'<div class="frame slider" style="{ratio}">'
        f'<img src="{render.uri}" width="{render.width}" height="{render.height}" alt="Render of the texture: {name}">'
        f'<img class="over" src="{photo.uri}" width="{photo.width}" height="{photo.height}" alt="Photo: {name}">'
        '<span class="tag left" aria-hidden="true">Photo</span><span class="tag right" aria-hidden="true">Render</span>'
        f'<input type="range" min="0" max="100" step="0.1" value="50" aria-label="How much of the photo shows: {name}">'
        '<span class="handle" aria-hidden="true"></span></div>'
    )
    error = ""
    if comparison.error is not None:
        drawn = picture(error_colours(comparison.error), PHOTO_SIDE)
        error = (
            f'<div class="frame" style="{ratio}"><img src="{drawn.uri}" width="{drawn.width}" height="{drawn.height}" '
            f'alt="Absolute difference of photo and render: {name}"><span class="tag left">Difference</span></div>'
        )
    caption = f"<span>{escape(comparison.caption)}</span>" if comparison.caption else ""
    scale = _error_scale() if error else ""
    return (
        f'<figure class="compare">{slider}{error}'
        f"<figcaption><strong>{name}</strong>{caption}{scale}</figcaption></figure>"
    )


def _error_scale() -> str:
    stops = ", ".join(f"rgb({' '.join(str(round(255 * c)) for c in stop)})" for stop in ERROR_COLOURS.tolist())
    return (
        f'<span class="scale">0<i style="background:linear-gradient(90deg, {stops})"></i>'
        f"{100 * ERROR_LIMIT:.0f} % and more; grey: not compared</span>"
    )


def _metrics(report: Report) -> str:
    return _table_section(report.metrics)


def _curves(report: Report) -> str:
    charts = []
    for curve in report.curves:
        drawing = line_chart(curve)
        if drawing:
            rows = tuple((line.name, *point) for line in curve.series for point in line.points)
            values = html_table(Table(curve.title, ("Series", curve.x_label, curve.y_label), rows))
            charts.append(
                f'<figure class="plot"><figcaption>{escape(curve.title)}</figcaption>{drawing}'
                f"<details><summary>Values</summary>{values}</details></figure>"
            )
    return _section("How the fit went", f'<div class="plots">{"".join(charts)}</div>') if charts else ""


def _texture(report: Report) -> str:
    if report.texture is None:
        return ""
    height, width = report.texture.shape[:2]
    shown = picture(report.texture, TEXTURE_SIDE)
    return _section(
        "Texture",
        f'<figure class="texture"><img src="{shown.uri}" width="{shown.width}" height="{shown.height}" '
        f'alt="The finished texture"><figcaption>{width} × {height} texels</figcaption></figure>',
    )


def _maps(report: Report) -> str:
    if not report.maps:
        return ""
    figures = []
    for one in report.maps:
        shown = picture(one.picture, TEXTURE_SIDE)
        figures.append(
            f'<figure class="texture"><img src="{shown.uri}" width="{shown.width}" height="{shown.height}" '
            f'alt="{escape(one.caption)}"><figcaption>{escape(one.caption)}</figcaption></figure>'
        )
    return _section("What the texture rests on", f'<div class="plots">{"".join(figures)}</div>')


def _views(report: Report) -> str:
    if not (report.views_used or report.left_out):
        return ""
    used = f"<p>{report.views_used} views used, {len(report.left_out)} left out.</p>"
    if not report.left_out:
        return _section("Views", used)
    rows = tuple((view.name, view.reason) for view in report.left_out)
    return _section("Views", used + folded_table(Table("Views left out", ("Left out", "Reason"), rows)))


def _exposure(report: Report) -> str:
    return _table_section(report.exposure)


def _tables(report: Report) -> str:
    return "\n".join(_table_section(table) for table in report.tables)


def _stage_times(report: Report) -> str:
    if not report.stage_times:
        return ""
    total = sum(seconds for _, seconds in report.stage_times)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{seconds:.1f} s</td>'
        f'<td class="bar"><i style="width:{100 * seconds / max(total, 1e-9):.1f}%"></i></td></tr>'
        for name, seconds in report.stage_times
    )
    return _section(
        "Time",
        '<div class="scroll"><table class="times"><caption class="hidden">Seconds per stage</caption><thead><tr>'
        f'<th scope="col">Stage</th><th scope="col">Time</th><th scope="col">Share</th></tr></thead>'
        f'<tbody>{rows}</tbody><tfoot><tr><th scope="row">Total</th><td>{total:.1f} s</td><td></td></tr></tfoot>'
        "</table></div>",
    )


def _notes(report: Report) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return _section("Notes", f"<ul>{items}</ul>") if items else ""


def _files(report: Report) -> str:
    if not report.files:
        return ""
    rows = "".join(f"<li><code>{escape(name)}</code> {escape(what)}</li>" for name, what in report.files)
    return _section("Files", f'<ul class="files">{rows}</ul>')


def _settings(report: Report) -> str:
    if not report.settings:
        return ""
    table = Table("Settings in force", ("Setting", "Value"), tuple(_flatten(report.settings)))
    return _section("Settings", f"<details><summary>All settings in force</summary>{html_table(table)}</details>")


def _flatten(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            rows += _flatten(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", str(value)))
    return rows


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _table_section(table: Table | None) -> str:
    if table is None or not (table.rows or table.footer):
        return ""
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return _section(table.title, folded_table(table) + note)


SECTIONS: tuple[Callable[[Report], str], ...] = (
    _header,
    _warnings,
    _comparisons,
    _metrics,
    _tables,
    _curves,
    _texture,
    _maps,
    _views,
    _exposure,
    _stage_times,
    _notes,
    _files,
    _settings,
)
