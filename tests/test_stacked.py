"""Passes over views that lie together: the same fit as view by view, by Triton's interpreter; when they are taken."""

from pathlib import Path

import pytest
import torch

from interpreted import interpreted, needs_triton
from neuraltexgen.fit_view import pack_view
from neuraltexgen.views import Views, load_view, save_view

PROGRAM = """
import sys
from pathlib import Path
import numpy as np, torch
import neuraltexgen.descent, neuraltexgen.fit, neuraltexgen.kernels.packed, neuraltexgen.seam_tie
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import Beside
from neuraltexgen.recipes import FitSettings
from neuraltexgen.seam_tie import SeamTie
from neuraltexgen.texture import TextureSettings
from neuraltexgen.views import Views

def everywhere(answer):
    # What tells kernels for CUDA apart from others: here they run on the CPU's memory.
    fit_module = sys.modules["neuraltexgen.fit"]
    for module in (neuraltexgen.descent, fit_module, neuraltexgen.kernels.packed, neuraltexgen.seam_tie):
        module.on_cuda = answer

views = Views(sorted(Path(sys.argv[1]).iterdir()), torch.device("cpu"), 1 << 30)
seams = SeamTie(torch.rand(2, 9, 2, generator=torch.Generator().manual_seed(0)).numpy())
for losses, passes in ((("l2=1",), 4), (("l1=10", "gradient_l1=20"), 1)):
    settings = FitSettings(TextureSettings((16, 24), level_weights=(8.0, 1.0)), losses, 0.01, passes=passes, batch=2)
    everywhere(lambda texture: False)
    expected = fit(views, settings, beside=Beside(seams=seams))
    everywhere(lambda texture: texture.shape[2] == 3)
    found = fit(views, settings, beside=Beside(seams=seams))
    assert not np.array_equal(found.texture, expected.texture), "both took the same path"
    np.testing.assert_allclose(found.texture, expected.texture, rtol=0, atol=1e-4)
    for name in ("gains", "offsets", "view_weights"):  # few blocks make much of rounding, the power 10 more
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose([r.loss for r in found.history], [r.loss for r in expected.history], rtol=1e-5)
    if passes > 2:
        assert abs(expected.gains - 1).max() > 0.01
print("they agree")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three views of two shapes, one of them twice as bright and one with a float photo."""
    into = tmp_path_factory.mktemp("views")
    random = torch.Generator().manual_seed(0)
    for number, (height, width) in enumerate(((34, 5), (5, 34), (34, 5))):
        y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
        uv = torch.stack((0.05 + 0.8 * x, 0.9 * y), dim=-1)[:, :, None] + 0.05 * torch.rand(1, generator=random)
        photo = (0.3 + 0.15 * torch.sin(9 * uv[:, :, 0, :1] + torch.arange(3) + 5 * uv[:, :, 0, 1:])) * (1 + number % 2)
        seen = torch.ones(height, width, 1, dtype=torch.bool)
        seen[0] = False
        colours = photo if number == 0 else (255 * photo).to(torch.uint8)
        view = pack_view(str(number), colours, uv, seen, torch.where(seen[..., 0], 0.7, 0.0), 0.03)
        save_view(into / f"{number}.npz", view)
    return into


@needs_triton
def test_a_fit_of_views_that_lie_together_is_that_of_single_views(folder: Path) -> None:
    assert interpreted(PROGRAM, folder) == "they agree"


def test_views_lie_together_where_all_fit_into_the_budget(folder: Path) -> None:
    files, cpu = sorted(folder.iterdir()), torch.device("cpu")
    size = sum(load_view(file).nbytes for file in files)
    held = Views(files, cpu, size).held()
    assert held is not None
    assert [view.name for view in held] == ["0", "1", "2"]
    assert Views(files, cpu, size - 1).held() is None
    kept = Views(files, cpu, size)
    assert all(view is kept[index] for index, view in enumerate(kept.held() or ()))
