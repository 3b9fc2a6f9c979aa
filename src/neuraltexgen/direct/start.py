"""Exposures where none are given: settled on a coarse texture before the direct solver begins."""

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.colour import BLOCK, ViewColours
from neuraltexgen.fit_view import FitView
from neuraltexgen.glimpses import glimpse_of, stride_for
from neuraltexgen.kernels.packed import Scratch, look_up, scatter_trust
from neuraltexgen.kernels.photometric import block_means
from neuraltexgen.photos_mean import photos_mean
from neuraltexgen.views import Views

ROUNDS = 8
"""Turns of texture and exposures on the coarse texture; each looks at few pixels."""


class Exposures:
    """Exposures settled before anything else: photos and a coarse texture, in closed form in turn.

    `shared`: 1 in the texels of the coarse texture that two views or more look at, else 0.
    """

    def __init__(self, views: Views, size: tuple[int, int], channels: int) -> None:
        height, width = views[0].photo.shape[:2]
        self.stride = stride_for(height, width)
        self.glimpses = [glimpse_of(view, self.stride) for _, view in views.stream(range(len(views)))]
        coarser = 2 * self.stride if self.stride > 1 else 1  # about a texel for a pixel that is taken
        self.size = (max(1, size[0] // coarser), max(1, size[1] // coarser))
        self.colours = ViewColours(len(views), channels, views.device)
        looks = torch.zeros(self.size, device=views.device)
        for glimpse in self.glimpses:
            looks += scatter_trust(glimpse.places, self.size) > 0
        self.shared = (looks > 1).to(torch.uint8)

    def settle(self, prior: float) -> ViewColours:
        """Gains and offsets, in the gauge of `ViewColours`. `prior`: share of a view that holds it to 1 and 0."""
        scratch = Scratch()
        for _ in range(ROUNDS if self.stride > 1 else 0):
            texture = photos_mean(enumerate(self.glimpses), self.colours, self.size)
            for index, glimpse in enumerate(self.glimpses):
                image = look_up(texture, glimpse.places, scratch)
                blocks = block_means(image, glimpse.photo, glimpse.places, self.shared, BLOCK // self.stride)
                held = prior * float(glimpse.places.trust.sum()) / 255 * self.stride**2
                self.colours.update(index, *blocks, held)
            self.colours.fix_gauge()
        return self.colours

    def measure(
        self, index: int, view: FitView, image: Float[Tensor, "h w c"], prior: float, into: ViewColours
    ) -> None:
        """Sets one view's exposure from its render of the whole texture."""
        blocks = block_means(image, view.photo, view.places, self.shared, BLOCK)
        into.update(index, *blocks, prior * float(view.trust.sum()) / 255)
