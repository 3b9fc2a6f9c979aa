"""Array shapes that the package states are enforced while its tests run. A small made-up capture for many of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook("neuraltexgen", "beartype.beartype")


@pytest.fixture(scope="session")
def room_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos of 96x72 of the made-up room, clean, with exact cameras and a mesh without uvs. Read only."""
    from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture

    settings = SyntheticSettings(views=8, width=96, height=72, supersampling=3, detail=50.0)
    return write_capture(make_scene(settings), tmp_path_factory.mktemp("room") / "capture")


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VGG-16 state dict as torchvision's is, but with random weights (59 MB). Read only."""
    from networks import state_dict, write_state

    return write_state(tmp_path_factory.mktemp("vgg") / "vgg16.pth", state_dict())


@pytest.fixture(scope="session")
def lpips_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The linear heads of LPIPS for VGG-16, with random weights. Read only."""
    from networks import write_lpips

    return write_lpips(tmp_path_factory.mktemp("lpips") / "vgg.pth")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Views as small as these tests' are fitted faster by one thread than by several."""
    import numba
    import torch

    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])
