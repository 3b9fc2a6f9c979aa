"""An explanation in words and figures: for metrics.json and the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuraltexgen.explain.pictures import MANY, limit_of
from neuraltexgen.explain.texels import TexelMaps
from neuraltexgen.explain.write import pictures
from neuraltexgen.report import Table, TextureMap
from neuraltexgen.transients import Transients


def transients_table(names: Sequence[str], found: Transients | None) -> tuple[Table, ...]:
    """What was left out of each fitted photo, the most first; no table if that was not asked for."""
    if found is None:
        return ()
    shares = ((name, 100 * share) for name, share in zip(names, found.shares, strict=True) if share > 0)
    rows = sorted(shares, key=lambda row: -row[1])
    note = f"In {len(rows)} of {len(names)} photos something stands that the others don't show; it was not fitted."
    return (Table("Transients left out", ("photo", "% of its pixels"), tuple(rows) or (("none", None),), note),)


def transient_figures(names: Sequence[str], found: Transients | None) -> list[dict[str, Any]] | None:
    """Per fitted photo the share of its pixels that was left out."""
    if found is None:
        return None
    return [{"name": name, "share": share} for name, share in zip(names, found.shares, strict=True)]


def texture_maps(maps: TexelMaps | None) -> tuple[TextureMap, ...]:
    """The maps as the report shows them; none if they were not made."""
    if maps is None:
        return ()
    spread, uncertainty = (f"{255 * limit_of(values):.3g} of 255" for values in (maps.spread, maps.uncertainty))
    captions = {
        "photos": f"How many photos show a texel: dark for one, bright from {MANY} on; grey for none.",
        "spread": f"How far the photos lie from the texture: dark for 0, bright from {spread} on.",
        "uncertainty": f"How well its colour is known, as a standard error: dark for 0, bright from {uncertainty} on.",
    }
    return tuple(TextureMap(name, picture, captions[name]) for name, picture in pictures(maps))


def texel_figures(maps: TexelMaps | None) -> dict[str, float] | None:
    """Medians of the maps over seen texels."""
    if maps is None or not (maps.photos > 0).any():
        return None
    return {
        "photos": float(np.median(maps.photos[maps.photos > 0])),
        "spread": float(np.nanmedian(maps.spread)),
        "uncertainty": float(np.nanmedian(maps.uncertainty)),
    }
