"""Charts into pages: as large as so many pages let them be, or at a given scale into as few pages as they need."""

from dataclasses import dataclass

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
    surface: Surface, layout: Layout, places: Float64[np.ndarray, "p 2"], pages: Pages, unit: float
) -> tuple[Layout, Float64[np.ndarray, "q 2"], int]:
    """The charts, their points as uvs of a stack of pages (v down; see `scene.Mesh`), and how many pages there are.

    `unit`: world units a unit of `places`. Where there may be several pages, charts that are larger than one are cut
    across their longer side first. Raises UnwrapError: charts that don't fit, or need more than `pages.count` pages.
    """
    if pages.scale is None:
        if pages.count > 1:
            longest = np.sqrt(_area(layout, places) / (EVEN_FILL * pages.count))
            layout, places = cut_large(surface, layout, places, float(longest))
        cell = _cell(pages, pages.count)
        packed = pack_charts(layout, places, pages.side // cell, -(-pages.gutter // cell), pages.count)
        return layout, _stacked(layout, packed, pages, cell, pages.count), pages.count
    scale = pages.scale * unit
    layout, places = cut_large(surface, layout, places, (pages.side - pages.gutter - 2 * _cell(pages, 1)) / scale)
    packed, cell = _at_scale(layout, places, pages, scale)
    return layout, _stacked(layout, packed, pages, cell, packed.count), packed.count


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


def _at_scale(layout: Layout, places: np.ndarray, pages: Pages, scale: float) -> tuple[Packed, int]:
    """The packing at a scale, and the cell that it is in."""
    full = _area(layout, places) * scale**2 / pages.side**2
    count = 1
    while count < MOST_PAGES and LOOSE_FILL * count < full:
        count += 1
    while True:
        cell = _cell(pages, count)
        side, gutter = pages.side // cell, -(-pages.gutter // cell)
        packed = pack_at(layout, places, side, gutter, count, scale / cell)
        if packed is not None and packed.count <= pages.count:
            return packed, cell
        if packed is not None or count >= MOST_PAGES:
            raise _too_many(layout, places, pages, scale, None if packed is None else packed.count)
        count = min(2 * count, MOST_PAGES)


def _too_many(layout: Layout, places: np.ndarray, pages: Pages, scale: float, needed: int | None) -> UnwrapError:
    cell = _cell(pages, pages.count)
    best = pack_charts(layout, places, pages.side // cell, -(-pages.gutter // cell), pages.count)
    wanted = pages.scale or 0.0
    fits = wanted * best.scale * cell / scale
    more = f", or --pages {needed}" if needed is not None else ""
    return UnwrapError(
        f"unwrap: at {wanted:g} texels a unit, the charts need {needed or f'more than {MOST_PAGES}'} pages of "
        f"{pages.side} x {pages.side} texels; {pages.count} are allowed",
        fix=f"--texels-per-unit {0.99 * fits:.3g}{more}, or larger pages",
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
