"""What a report says, without how it looks. Every string is plain text; the page escapes it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from neuraltexgen.scene import LeftOut
from neuraltexgen.types import Image, Photo

Cell = str | int | float | None
"""A table's cell: text stays as it is, a float gets the decimals of its column, None and NaN show as a dash."""


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the first column names the row. `footer`: a last row that stands out, such as means."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    footer: tuple[Cell, ...] | None = None


@dataclass(frozen=True)
class Series:
    """One line of a chart: (x, y) points in order. Points that are not finite are left out."""

    name: str
    points: tuple[tuple[int | float, int | float], ...]


@dataclass(frozen=True)
class Curve:
    """A line chart, such as the held-out score over passes."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A photo and the render of the same view, of one size.

    `error` is the absolute difference per pixel, in the photo's range [0, 1], NaN where nothing was compared.
    """

    name: str
    photo: Photo
    render: Photo
    error: Float32[np.ndarray, "h w"] | None = None
    caption: str = ""


@dataclass(frozen=True, eq=False)
class TextureMap:
    """A picture of the texture's shape that says something of each texel, and in words what."""

    name: str
    picture: Image
    caption: str


@dataclass(frozen=True, eq=False)
class Report:
    """All that a report shows; whatever is empty has no section.

    title, lead: what was done, in a few words and in a sentence. summary: the main figures, (label, value).
    metrics: a row per held-out view, means as the footer. stage_times: seconds. files: (relative path, what it is).
    """

    title: str
    lead: str = ""
    summary: tuple[tuple[str, str], ...] = ()
    views_used: int = 0
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    metrics: Table | None = None
    curves: tuple[Curve, ...] = ()
    texture: Image | None = None
    maps: tuple[TextureMap, ...] = ()
    exposure: Table | None = None
    tables: tuple[Table, ...] = ()
    stage_times: tuple[tuple[str, float], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    files: tuple[tuple[str, str], ...] = ()
