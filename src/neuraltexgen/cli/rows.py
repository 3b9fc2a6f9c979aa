"""Lines that commands print: what was left out, notes, scores."""

from collections.abc import Sequence

import numpy as np

from neuraltexgen.metrics import Score
from neuraltexgen.scene import LeftOut


def left_out(views: tuple[LeftOut, ...]) -> list[tuple[str, str]]:
    """One row per reason."""
    return left_out_rows([(view.name, view.reason) for view in views])


def left_out_rows(views: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """One row per reason: how many views, and the first few."""
    reasons = np.unique([reason for _, reason in views]) if views else []
    rows = []
    for reason in reasons:
        names = [name for name, why in views if why == reason]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        rows.append(("left out", f"{', '.join(names[:3])}{more}: {reason}"))
    return rows


def notes(sentences: tuple[str, ...]) -> list[tuple[str, str]]:
    """One row per note."""
    return [("note", sentence) for sentence in sentences]


def score_cells(name: str, s: Score) -> tuple[str, ...]:
    """A view's row of the table of held-out views."""
    decibel, share = (s.psnr_fitted, s.psnr), (s.ssim_fitted, s.ssim)
    return (
        name,
        f"{decibel[0]:.2f}",
        f"{share[0]:.3f}",
        f"{s.sharpness:.2f}",
        f"{decibel[1]:.2f}",
        f"{share[1]:.3f}",
        str(s.pixels),
    )
