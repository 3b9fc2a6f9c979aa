"""Charts into pages: as large as so many pages let them be, or at a given scale into as few pages as they need."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int32

from neuraltexgen.errors import UnwrapError
from neuraltexgen.pages import MOST_PAGES
from neuraltexgen.unwrap.fast.borders import connected
from neuraltexgen.unwrap.fast.layout import Layout, carry
from neuraltexgen.unwrap.fast.orient import orient_charts
from neuraltexgen.unwrap.fast.pack import Packed, pack_at, pack_charts
from neuraltexgen.unwrap.fast.topology import Surface

CELLS = 4096
"""Charts are packed by cells of one texel, and of several where a page, or the root of four, has more than these."""

EVEN_FILL = 0.8
"""Share of their pages that charts are taken to fill when those too large for a page are cut."""

LOOSE_FILL = 0.5
"""Share of its pages that a packing at a given scale fills at the least, as a rule: how many pages it may open."""

ROUNDS = 40


@dataclass(frozen=True)
class Pages:
    """`count` square pages of `side` texels, charts at least `gutter` texels apart.

    `scale`: texels a world unit, or None for as many as fit. With a scale, `count` is how many pages there may be.
    """

    side: int
    gutter: int
    count: int = 1
    scale: float | None = None


def pack_pages(
    surface: Surface, layout: Layout, places: Float64[np.ndarray, "p 2"], pages: Pages, area: float
) -> tuple[Layout, Float64[np.ndarray, "q 2"], int]:
    """The charts, their points as uvs of a stack of pages (v down; see `scene.Mesh`), and how many pages there are.

    `area`: of the charts on the surface, in world units. Where there may be several pages, charts that are larger than
    one are cut across their longer side first. Raises UnwrapError: charts that don't fit, or need more than
    `pages.count` pages.
    """
    if pages.scale is None:
        if pages.count > 1:
            longest = np.sqrt(_area(layout, places) / (EVEN_FILL * pages.count))
            layout, places = cut_large(surface, layout, places, float(longest))
        cell = _cell(pages, pages.count)
        packed = pack_charts(layout, places, pages.side // cell, -(-pages.gutter // cell), pages.count)
        return layout, _stacked(layout, packed, pages, cell, pages.count), pages.count
    scale = pages.scale * np.sqrt(area / max(_area(layout, places), 1e-300))
    cut = _at_scale(surface, layout, places, pages, scale)
    if cut.packed is None or cut.packed.page_count > pages.count:
        fits = _largest_that_fits(surface, layout, places, pages, scale)
        raise _too_many(pages, None if cut.packed is None else cut.packed.page_count, pages.scale * fits / scale)
    return cut.layout, _stacked(cut.layout, cut.packed, pages, cut.cell, cut.packed.page_count), cut.packed.page_count


def cut_large(
    surface: Surface, layout: Layout, places: Float64[np.ndarray, "p 2"], longest: float
) -> tuple[Layout, Float64[np.ndarray, "q 2"]]:
    """The charts, those longer than `longest` cut in halves across that side until none is that has two faces."""
    for _ in range(ROUNDS):
        places, sizes = orient_charts(places, layout.point_starts)
        large = (sizes[:, 0] > longest) & (np.diff(layout.starts) > 1)
        middle = places[layout.corners, 0].mean(axis=1)
        right = large[layout.labels] & (middle > sizes[layout.labels, 0] / 2)
        labels: Int32[np.ndarray, " f"] = connected(surface, (2 * layout.labels + right).astype(np.int32))
        if labels.max() + 1 == layout.chart_count:
            break
        layout, places = carry(surface, layout, places, labels)
    return layout, places


class _AtScale(NamedTuple):
    """Charts cut to the size of a page, how they are packed (None: not even in the most pages), and the cells' size."""

    layout: Layout
    packed: Packed | None
    cell: int


def _at_scale(surface: Surface, layout: Layout, places: np.ndarray, pages: Pages, scale: float) -> _AtScale:
    longest = (pages.side - pages.gutter - 2 * _cell(pages, 1)) / scale
    layout, places = cut_large(surface, layout, places, longest)
    full = _area(layout, places) * scale**2 / pages.side**2
    count = int(np.clip(np.ceil(full / LOOSE_FILL), 1, MOST_PAGES))
    while True:
        cell = _cell(pages, count)
        packed = pack_at(layout, places, pages.side // cell, -(-pages.gutter // cell), count, scale / cell)
        if packed is not None or count == MOST_PAGES:
            return _AtScale(layout, packed, cell)
        count = min(2 * count, MOST_PAGES)


def _largest_that_fits(surface: Surface, layout: Layout, places: np.ndarray, pages: Pages, scale: float) -> float:
    """A scale at which the pages do, found by trying: within 4 % of the largest such."""
    scale *= np.sqrt(pages.count * pages.side**2 / (_area(layout, places) * scale**2))
    for _ in range(ROUNDS):
        scale *= 0.96
        packed = _at_scale(surface, layout, places, pages, scale).packed
        if packed is not None and packed.page_count <= pages.count:
            break
    return scale


def _too_many(pages: Pages, needed: int | None, fits: float) -> UnwrapError:
    more = f", or --pages {needed}" if needed is not None else ""
    return UnwrapError(
        f"unwrap: at {pages.scale:g} texels a unit, the charts need {needed or f'more than {MOST_PAGES}'} pages of "
        f"{pages.side} x {pages.side} texels; {pages.count} are allowed",
        fix=f"--texels-per-unit {fits:.6g}{more}, or larger pages",
    )


def _stacked(layout: Layout, packed: Packed, pages: Pages, cell: int, count: int) -> Float64[np.ndarray, "p 2"]:
    page = np.repeat(packed.pages, np.diff(layout.point_starts))
    within = (packed.texels * cell / pages.side).clip(0.0, 1.0)
    # Texels count upwards here, so that charts show the surface as it is seen; v points down.
    return np.stack([within[:, 0], (page + 1 - within[:, 1]) / count], axis=1)


def _cell(pages: Pages, count: int) -> int:
    return max(1, int(np.ceil(pages.side * np.sqrt(max(count, 4) / 4) / CELLS)))


def _area(layout: Layout, places: np.ndarray) -> float:
    corners = places[layout.corners]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return float(np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).sum() / 2)
