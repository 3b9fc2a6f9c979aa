"""A mark for tests that need EGL: skipped, with the reason, where it is not there."""

import pytest

from neuraltexgen.errors import RenderError
from neuraltexgen.uvmap.egl import open_context


def _missing() -> str:
    try:
        open_context().release()
    except RenderError as error:
        return error.message
    return ""


MISSING = _missing()
needs_egl = pytest.mark.skipif(bool(MISSING), reason=f"no EGL here: {MISSING}")
