"""Long calls into COLMAP with progress that moves while they run, and an end when the user asks for one."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import pycolmap

from neuraltexgen.errors import ReconstructError
from neuraltexgen.types import Progress

T = TypeVar("T")

POLL = 0.2
"""Seconds between two looks at how far the work is."""

_quiet_lock = threading.Lock()


def watched(
    work: Callable[[pycolmap.CancellationToken], T], done: Callable[[], int], what: str, total: int, progress: Progress
) -> T:
    """Runs `work` in a thread and shows how many of `total` steps `done` counts; returns what it returns.

    When this thread is interrupted, the work is told to stop through its token and waited for, so that no thread goes
    on behind the user's back. COLMAP's log is silent meanwhile. Raises ReconstructError for what COLMAP raises.
    """
    token = pycolmap.CancellationToken()
    with silenced(), ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, token)
        try:
            for _ in progress(_steps(future, done, total), what, total):
                pass
            return future.result()
        except (RuntimeError, ValueError, IndexError) as error:
            raise ReconstructError(f"COLMAP failed to {what}: {str(error).strip()[:300]}") from error
        finally:
            token.cancel()


def _steps(future: "Future[T]", done: Callable[[], int], total: int) -> Iterator[int]:
    """Counts up to `total`, as far as the work is; the rest when it is finished."""
    shown = 0
    while not future.done():
        wait([future], POLL)
        count = min(done(), total)
        yield from range(shown, count)
        shown = max(shown, count)
    if future.exception() is None:
        yield from range(shown, total)


@contextmanager
def silenced() -> Iterator[None]:
    """COLMAP says nothing below a fatal error; what fails reaches us as an exception."""
    with _quiet_lock:
        before = pycolmap.logging.minloglevel
        pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
        try:
            yield
        finally:
            pycolmap.logging.minloglevel = before
