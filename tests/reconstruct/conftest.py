"""The walk through the made-up room, taken once."""

import pytest

from walks import Walk, write_walk


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Twelve photos, read only."""
    return write_walk(tmp_path_factory.mktemp("walk") / "photos")
