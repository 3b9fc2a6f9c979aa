"""A texture of any size filled in bounded memory: a large one by stripes of rows, each with some more on both sides."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neuraltexgen.errors import MeshError
from neuraltexgen.fill.diffuse import diffuse_colours
from neuraltexgen.fill.fill import (
    FilledTexture,
    check_finite,
    corner_sums,
    edge_length,
    fill_around,
    fill_texture,
    nothing_seen,
)
from neuraltexgen.pages import rows_mesh
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Image, Mask
from neuraltexgen.uvmap.atlas import rasterise_atlas

WHOLE = 1 << 26
"""Textures of so many texels, 8192 x 8192, are filled at once."""

AT_ONCE = 1 << 24
"""Texels of a stripe of a larger one."""

MARGIN = 256
"""Rows past a stripe's own that are filled with it, so that stripes meet; a power of two, as the membrane's cells."""


@dataclass(frozen=True)
class _Stripe:
    """Rows `first` to `last` of a texture, and the part of `low` to `high` that they are filled with."""

    first: int
    last: int
    low: int
    high: int


def fill_large_texture(image: Image, seen: Mask, mesh: Mesh, gutter: int | None = None) -> FilledTexture:
    """What `fill_texture` does, and for a texture of more than WHOLE texels nearly the same, stripe by stripe.

    Then a gutter texel gets a colour from at most MARGIN rows beyond its stripe. Raises what `fill_texture` raises.
    """
    height, width, channels = image.shape
    if height * width <= WHOLE:
        return fill_texture(image, seen, mesh, gutter)
    if not mesh.has_uvs:
        raise MeshError("the mesh has no uvs", fix="unwrap it first: neuraltexgen unwrap")
    stripes = list(_stripes(height, width))
    sums, weights = np.zeros((len(mesh.vertices), channels)), np.zeros(len(mesh.vertices))
    covered = 0
    for stripe in stripes:
        mine = slice(stripe.first, stripe.last)
        check_finite(image[mine], seen[mine])
        part = rows_mesh(mesh, stripe.first, stripe.last, height)
        if part is None:
            continue
        atlas = rasterise_atlas(part, (stripe.last - stripe.first, width), rim=True)
        more, weight = corner_sums(image[mine], seen[mine] & atlas.covered, atlas, part)
        sums, weights, covered = sums + more, weights + weight, covered + int(np.count_nonzero(atlas.covered))
    if not weights.any():
        raise nothing_seen(covered, int(np.count_nonzero(seen)), seen.size)
    colours = diffuse_colours(mesh, sums, weights)
    result, filled, gutters = np.empty(image.shape, dtype=np.float32), 0, 0
    for stripe in stripes:
        counts = _fill_stripe(result, image, seen, mesh, stripe, colours, (2.0 * edge_length(covered, mesh), gutter))
        filled, gutters = filled + counts[0], gutters + counts[1]
    return FilledTexture(result, filled_surface=filled, gutter_texels=gutters)


def _fill_stripe(
    result: Image,
    image: Image,
    seen: Mask,
    mesh: Mesh,
    stripe: _Stripe,
    colours: np.ndarray,
    how: tuple[float, int | None],
) -> tuple[int, int]:
    """Writes one stripe's rows into `result`; how many texels were filled on the surface, and off it."""
    mine, rows = slice(stripe.first, stripe.last), slice(stripe.low, stripe.high)
    part = rows_mesh(mesh, stripe.low, stripe.high, len(image))
    if part is None:
        result[mine] = image[mine]
        return 0, 0
    size = stripe.high - stripe.low, image.shape[1]
    atlas = rasterise_atlas(part, size, rim=True)
    reach, gutter = how
    filled = fill_around(image[rows], seen[rows], part, atlas, colours, reach, gutter)
    core = slice(stripe.first - stripe.low, stripe.last - stripe.low)
    result[mine] = filled.image[core]
    unseen = ~seen[mine]
    on = int(np.count_nonzero(atlas.covered[core] & unseen))
    changed = (filled.image[core] != image[mine]).any(axis=2)
    return on, int(np.count_nonzero(changed & unseen & ~atlas.covered[core]))


def _stripes(height: int, width: int) -> Iterator[_Stripe]:
    each = max(MARGIN, AT_ONCE // width // MARGIN * MARGIN)
    for first in range(0, height, each):
        last = min(first + each, height)
        yield _Stripe(first, last, max(first - MARGIN, 0), min(last + MARGIN, height))
