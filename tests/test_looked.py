"""Texels that views look at, against the definition; and that a fit which steps these alone is the whole one."""

from pathlib import Path

import torch

from neuraltexgen.fit_view import pack_view
from neuraltexgen.kernels.packed import scatter_trust
from neuraltexgen.looked import looked_texels
from neuraltexgen.views import Views, save_view

CPU = torch.device("cpu")


def test_texels_that_one_view_or_two_look_at(tmp_path: Path) -> None:
    """Against the definition, with lookups that lie on texel centres and beyond the border."""
    generator, files, size = torch.Generator().manual_seed(0), [], (24, 32)
    for number in range(4):
        uv = 1.2 * torch.rand(9, 7, 4, 2, generator=generator) - 0.1
        uv = ((uv * 32).round() + 0.5) / 32 if number % 2 else uv
        trust = (torch.rand(9, 7, generator=generator) < 0.7).float()
        files.append(tmp_path / f"{number}.npz")
        save_view(
            files[-1], pack_view("", torch.zeros(9, 7, 3, dtype=torch.uint8), uv, torch.ones(9, 7, 4) > 0, trust, 0.1)
        )
    views = Views(files, CPU, 0)
    looks = sum((scatter_trust(view.places, size) > 0).int() for view in (views[i] for i in range(4)))
    seen, shared = looked_texels(views, size)
    assert torch.equal(seen, looks > 0)
    assert torch.equal(shared > 0, looks > 1)
    assert 0 < int(shared.sum()) < shared.numel()
