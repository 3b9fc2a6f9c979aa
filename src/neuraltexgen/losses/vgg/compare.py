"""One tile of a render through the network, compared with what is kept of the photo: a function of tensors alone.

So that on CUDA it can be recorded as a graph once, and replayed for every photo of the same size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuraltexgen.losses.vgg.heads import Gram, Head
from neuraltexgen.losses.vgg.network import LAYERS, Vgg16, stride
from neuraltexgen.losses.vgg.photo import KnownPhoto, Part
from neuraltexgen.losses.vgg.targets import Tensors
from neuraltexgen.losses.vgg.tiles import Tile

Key = tuple[int, str]
"""A head, by its place in the list, and a layer."""


@dataclass(frozen=True, eq=False)
class TileInputs:
    """What `compare` takes: the window of the image (1 3 h w); by layer the three numbers of KnownPhoto.numbers and a
    mask (where not all features count); by head and layer what is kept of the photo, or, where the Gram matrix is the
    whole image's, its gradient.
    """

    image: Tensor
    numbers: Tensors
    masks: Tensors
    kept: dict[Key, Tensor]
    pulls: dict[Key, Tensor]

    def key(self, tile: Tile) -> tuple[object, ...]:
        """What must be equal for one recorded graph to serve."""
        shapes = [(key, tuple(tensor.shape), tensor.dtype) for key, tensor in self.kept.items()]
        return (tuple(self.image.shape), tile, tuple(self.masks), tuple(shapes), tuple(self.pulls))


def tile_inputs(known: KnownPhoto, layers: Sequence[str], index: int, tile: Tile, image: Tensor) -> TileInputs:
    """The inputs that the photo's mask decides, for the window of an image (1 3 H W)."""
    masks = {layer: known.mask(layer, tile) for layer in layers if not known.full(layer, index, tile)}
    return TileInputs(image[(..., *tile.window)], dict(zip(layers, known.numbers[index])), masks, {}, {})


def part(inputs: TileInputs, layer: str, tile: Tile, activation: Tensor, own: bool) -> Part:
    """The tile's features in what the network gave for its window; `own`: to be averaged over the tile alone."""
    features = activation[(..., *tile.place(stride(layer)))]
    return Part(layer, features, inputs.masks.get(layer), inputs.numbers[layer][1 if own else 0])


def compare(
    network: Vgg16, heads: Sequence[tuple[float, Head]], inputs: TileInputs, tile: Tile, wanted: bool
) -> tuple[Tensor, Tensor]:
    """The weighted value of a tile (of what is in `pulls` none) and, if wanted, its gradient in the window's pixels."""
    deepest = max((layer for _, head in heads for layer in head.layers), key=LAYERS.index)
    activations = network.activations(inputs.image, deepest)
    value = torch.zeros((), device=inputs.image.device, dtype=torch.promote_types(network.dtype, torch.float32))
    gradients: Tensors = {}
    for layer, activation in zip(LAYERS, activations):
        total: Tensor | None = None
        for number, (weight, head) in enumerate(heads):
            if layer not in head.layers:
                continue
            pull = inputs.pulls.get((number, layer))
            here = part(inputs, layer, tile, activation, own=head.summed and pull is None)
            if pull is not None and isinstance(head, Gram):
                gradient = head.gradient(here, pull)
            else:
                share = weight * inputs.numbers[layer][2] if head.summed else weight
                measured, gradient = head.measure(here, inputs.kept[number, layer], share)
                value = value + measured
            total = gradient if total is None else total + gradient
        if total is not None:
            gradients[layer] = _in_window(total, activation, tile.place(stride(layer)))
    if not wanted or not gradients:
        return value, torch.zeros_like(inputs.image)
    return value, network.gradient(activations, gradients).to(inputs.image.dtype)


def _in_window(gradient: Tensor, activation: Tensor, place: tuple[slice, slice]) -> Tensor:
    """The tile's gradient among zeros for the halo."""
    if gradient.shape == activation.shape:
        return gradient
    whole = torch.zeros_like(activation)
    whole[(..., *place)] = gradient
    return whole
