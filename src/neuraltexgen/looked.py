"""Which texels views look at: what photos share decides exposures, what nobody sees needs no step."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from neuraltexgen.kernels.blocks import Blocks, blocks_of, note_uv
from neuraltexgen.kernels.cpu.looks import note_looks
from neuraltexgen.kernels.packed import scatter_trust
from neuraltexgen.seam_tie import SeamTie
from neuraltexgen.views import Views


class Looks(NamedTuple):
    """Which texels a view looks at with any confidence, and where two views or more do (1, else 0)."""

    seen: Bool[Tensor, "H W"]
    shared: UInt8[Tensor, "H W"]


def looked_texels(views: Views, size: tuple[int, int]) -> Looks:
    """What all views look at, of a texture of (rows, columns)."""
    if views.device.type == "cpu":
        return _looked_on_cpu(views, size)
    seen, shared = (torch.zeros(size, dtype=torch.bool, device=views.device) for _ in range(2))
    for _, view in views.stream(range(len(views))):
        looked = scatter_trust(view.places, size) > 0
        shared |= looked & seen
        seen |= looked
    return Looks(seen, shared.to(torch.uint8))


def blocks_to_step(looks: Looks, seams: SeamTie | None) -> Blocks:
    """The blocks of texels that a fit has gradients in: what views look at, and what is tied across seams."""
    blocks = blocks_of(looks.seen.numpy())
    if seams is not None:
        height, width = looks.seen.shape
        note_uv(torch.from_numpy(seams.uv).reshape(-1, 2), (height, width), blocks)
    return blocks


def _looked_on_cpu(views: Views, size: tuple[int, int]) -> Looks:
    """The same without a pass over the texture for each view: of thousands of them that would be most of the work."""
    latest, shared = np.zeros(size, np.int32), torch.zeros(size, dtype=torch.uint8)
    for number, (_, view) in enumerate(views.stream(range(len(views))), 1):
        note_looks(view.low.numpy(), view.high.numpy(), view.trust.numpy(), number, latest, shared.numpy())
    return Looks(torch.from_numpy(latest > 0), shared)
