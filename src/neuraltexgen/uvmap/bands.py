"""Bands of sample rows, worked on by all cores: what renderers on the processor share."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from numba import config

BAND = 32
"""Sample rows that one thread takes at a time: few enough that what it writes stays in its cache."""


class Workers:
    """Threads that live as long as the renderer that owns them. The work must let go of the interpreter's lock."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or thread_count()
        self._pool = ThreadPoolExecutor(self._count)

    def over_bands(self, work: Callable[[int, int], None], height: int) -> None:
        """Calls `work(first, last)` for each band of rows [first, last) of `height` rows, in any order."""
        bands = [(first, min(first + BAND, height)) for first in range(0, height, BAND)]
        if self._count == 1 or len(bands) == 1:
            for band in bands:
                work(*band)
        else:
            list(self._pool.map(lambda band: work(*band), bands))


def thread_count() -> int:
    """Cores that this process may use: those it is bound to, or NUMBA_NUM_THREADS where that is set."""
    return int(config.NUMBA_NUM_THREADS)  # pyright: ignore[reportAttributeAccessIssue]
