"""Lines that several commands print: what was left out, and notes."""

from collections.abc import Sequence

import numpy as np

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
