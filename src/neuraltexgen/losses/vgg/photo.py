"""What is known of a photo before any render is compared with it: colours for invalid pixels, features that count."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from neuraltexgen.losses.vgg.fill import fill_invalid
from neuraltexgen.losses.vgg.network import stride
from neuraltexgen.losses.vgg.targets import Tensors
from neuraltexgen.losses.vgg.tiles import Tile


@dataclass(frozen=True, eq=False)
class Part:
    """One layer's features of one tile, without its halo: `mask` says which count (None: all), each by `scale`."""

    layer: str
    features: Float[Tensor, "1 c h w"]
    mask: Bool[Tensor, "1 1 h w"] | None
    scale: Float[Tensor, ""]

    @cached_property
    def counting(self) -> Float[Tensor, "1 c h w"]:
        """The features that count, 0 for the others."""
        return self.features if self.mask is None else self.features * self.mask.to(self.features.dtype)


Counts = dict[str, tuple[int, ...]]
"""How many features count, by layer and tile."""


@dataclass(frozen=True, eq=False)
class KnownPhoto:
    """`fill`: colours for invalid pixels (one pixel, if there are none). `masks`: features that count, by layer.

    `numbers`: by tile and layer 1 over the features that count in the image, the same in the tile, and the tile's
    share of them; beside the `counts` that they come from, so that a GPU need not be asked for them.
    """

    fill: Float[Tensor, "1 3 _ _"]
    masks: dict[str, Bool[Tensor, "1 1 _ _"]]
    numbers: Float[Tensor, "tiles layers 3"]
    counts: Counts

    def tensors(self) -> Tensors:
        """All but the counts, to be kept."""
        return {"fill": self.fill, "numbers": self.numbers, **self.masks}

    @staticmethod
    def from_tensors(tensors: Tensors, counts: Counts) -> "KnownPhoto":
        """The inverse of `tensors`."""
        return KnownPhoto(tensors["fill"], {layer: tensors[layer] for layer in counts}, tensors["numbers"], counts)

    def busy(self, tile: int) -> bool:
        """Whether any feature of a tile counts."""
        return any(counts[tile] for counts in self.counts.values())

    def full(self, layer: str, index: int, tile: Tile) -> bool:
        """Whether all features of a tile count."""
        down, across = tile.place(stride(layer))
        return self.counts[layer][index] == (down.stop - down.start) * (across.stop - across.start)

    def mask(self, layer: str, tile: Tile) -> Bool[Tensor, "1 1 h w"]:
        """Which of a tile's features count."""
        step = stride(layer)
        return self.masks[layer][..., tile.down.whole(step), tile.across.whole(step)]


def know(
    photo: Float[Tensor, "1 3 h w"], valid: Bool[Tensor, "1 1 h w"], layers: tuple[str, ...], tiles: tuple[Tile, ...]
) -> KnownPhoto:
    """Looks at a photo and its mask. A feature counts if all pixels of its own block are valid."""
    all_valid = bool(valid.all())
    masks, counts = {}, {}
    for layer in layers:
        step = stride(layer)
        mask = _whole_blocks(valid, step)
        parts = [mask[..., tile.down.whole(step), tile.across.whole(step)] for tile in tiles]
        counts[layer] = tuple(int(part.sum()) for part in parts)
        masks[layer] = mask[..., :1, :1] if all_valid else mask
    fill = photo.new_zeros(1, 3, 1, 1) if all_valid else fill_invalid(photo, valid)
    rows = [[_numbers(counts[layer], index) for layer in layers] for index in range(len(tiles))]
    wide = torch.promote_types(photo.dtype, torch.float32)
    return KnownPhoto(fill, masks, torch.tensor(rows, dtype=wide).to(photo.device), counts)


def _numbers(counts: tuple[int, ...], index: int) -> tuple[float, float, float]:
    own, total = counts[index], sum(counts)
    return 1.0 / max(total, 1), 1.0 / max(own, 1), own / max(total, 1)


def _whole_blocks(valid: Bool[Tensor, "1 1 h w"], side: int) -> Bool[Tensor, "1 1 _ _"]:
    height, width = valid.shape[-2:]
    if min(height, width) < side:
        return valid.new_zeros(1, 1, height // side, width // side)
    return F.max_pool2d((~valid).float(), side) == 0
