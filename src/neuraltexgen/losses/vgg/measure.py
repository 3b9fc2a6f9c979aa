"""A weighted sum of heads on one network as an image loss: cut into tiles, targets kept, gradient found on the way."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.errors import LossError
from neuraltexgen.kernels.cuda.graph import Replay
from neuraltexgen.losses.pixel import Images, Scalar, Valid
from neuraltexgen.losses.vgg.compare import Key, TileInputs, compare, part, tile_inputs
from neuraltexgen.losses.vgg.heads import Gram, Head
from neuraltexgen.losses.vgg.network import LAYERS, Vgg16
from neuraltexgen.losses.vgg.photo import Counts, KnownPhoto, know
from neuraltexgen.losses.vgg.targets import TargetStore, Tensors
from neuraltexgen.losses.vgg.tiles import Tile, cut, largest_side


@dataclass(frozen=True)
class NetworkMemory:
    """Bytes for one step's activations, and for targets on the device, in host memory and in `folder` on disk."""

    step: int = 1 << 30
    device: int = 0
    host: int = 1 << 30
    disk: int = 1 << 36
    folder: Path | None = None


@dataclass(frozen=True)
class Visit:
    """Which photo is looked at, so that its targets can be kept, and a number that decides which crop is drawn."""

    view: int
    draw: int


class NetworkLoss:
    """Sum of weight x head, a mean over the images of a batch; 0 where no feature is valid.

    The network sees the same colours in invalid pixels of both images, spread from the photo's valid pixels, and
    features whose own block of pixels is not valid throughout don't count: what lies in an invalid pixel is nowhere.

    A photo's targets are computed once per `Visit.view` and kept: a view must come with the same photo and mask each
    time. (Exposure is applied to the render, so it never makes them stale.) With `crop`, a visit looks at one tile,
    drawn with equal chances, and counts it so that the mean over draws is the sum over tiles.
    """

    def __init__(
        self,
        heads: Sequence[tuple[float, Head]],
        network: Vgg16,
        memory: NetworkMemory,
        device: torch.device,
        crop: str | int = "whole",
        style: Float[Tensor, "1 3 h w"] | None = None,
    ) -> None:
        self.heads, self.network, self.crop = tuple(heads), network, crop
        self.layers = tuple(name for name in LAYERS if any(name in head.layers for _, head in heads))
        self.deepest = self.layers[-1]
        self.side = crop if isinstance(crop, int) else largest_side(memory.step, network.dtype, self.deepest)
        self.wide = torch.promote_types(network.dtype, torch.float32)
        self.graphs = Replay()
        self.store = TargetStore(device, memory.device, memory.host, memory.folder, memory.disk)
        self.counts: dict[int, Counts] = {}
        self.style: dict[Key, Tensor] = {}
        if style is not None:
            self.style = self._style_targets(style)

    def __call__(self, render: Images, photo: Images, valid: Valid, visit: Visit | None = None) -> Scalar:
        """The loss; differentiable once, in `render`. Its gradient is computed on the way, if it is wanted."""
        wanted = torch.is_grad_enabled() and render.requires_grad
        if render.shape[1] != 3:
            raise LossError(f"VGG-16 looks at images of 3 channels, these have {render.shape[1]}")
        if render.shape[0] != 1:
            visit = None
        found = [
            self._one(image, target, mask, visit, wanted)
            for image, target, mask in zip(render.detach().split(1), photo.detach().split(1), valid.split(1))
        ]
        mean = torch.stack([value for value, _ in found]).mean().to(render.dtype)
        if not wanted:
            return mean
        gradient = torch.cat([gradient for _, gradient in found]) / len(found)
        return _Attach.apply(render, mean, gradient)  # pyright: ignore[reportReturnType]

    @torch.no_grad()
    def _one(
        self, render: Tensor, photo: Tensor, valid: Tensor, visit: Visit | None, wanted: bool
    ) -> tuple[Tensor, Tensor]:
        tiles = cut(render.shape[2], render.shape[3], self.side, self.deepest)
        step = _Step(self, self._know(photo, valid, tiles, visit), render, photo, valid, visit)
        busy = [(index, tile) for index, tile in enumerate(tiles) if step.known.busy(index)]
        share, value = 1.0, torch.zeros((), device=render.device, dtype=self.wide)
        if len(busy) > 1 and self.crop != "whole":
            share = float(len(busy))
            busy = [random.Random(f"{visit}").choice(busy)]
        elif len(busy) > 1:
            value = step.whole_grams(busy)
        gradient = torch.zeros_like(render)
        for index, tile in busy:
            measured, pixels = step.tile(index, tile, wanted)
            value = value + share * measured
            gradient[(..., *tile.window)] += share * pixels
        return value, torch.where(valid, gradient, torch.zeros_like(gradient))

    def _know(self, photo: Tensor, valid: Tensor, tiles: tuple[Tile, ...], visit: Visit | None) -> KnownPhoto:
        if visit is None:
            return know(photo, valid, self.layers, tiles)
        kept = self.store.get(visit.view, "photo")
        if kept is None:
            known = know(photo, valid, self.layers, tiles)
            self.counts[visit.view] = known.counts
            kept = self.store.put(known.tensors(), visit.view, "photo")
        return KnownPhoto.from_tensors(kept, self.counts[visit.view])

    @torch.no_grad()
    def _style_targets(self, style: Tensor) -> dict[Key, Tensor]:
        """The whole picture's Gram matrix, for every head that takes a style picture."""
        tiles = cut(style.shape[2], style.shape[3], self.side, self.deepest)
        known = know(style, torch.ones_like(style[:, :1], dtype=torch.bool), self.layers, tiles)
        targets: dict[Key, Tensor] = {}
        for index, tile in enumerate(tiles):
            inputs = tile_inputs(known, self.layers, index, tile, style)
            features = self.network.features(inputs.image, self.layers)
            for number, (_, head) in enumerate(self.heads):
                for layer in head.layers if head.styled else ():
                    gram = Gram().keep(part(inputs, layer, tile, features[layer], own=False))
                    targets[number, layer] = targets[number, layer] + gram if (number, layer) in targets else gram
        return targets


class _Step:
    """One look at one photo: what all its tiles share."""

    def __init__(
        self, loss: NetworkLoss, known: KnownPhoto, render: Tensor, photo: Tensor, valid: Tensor, visit: Visit | None
    ) -> None:
        self.loss, self.known, self.visit = loss, known, visit
        self.photo, self.valid, self.fill = photo, valid, known.fill.to(render.dtype)
        self.render = torch.where(valid, render, self.fill)
        self.pulls: dict[Key, Tensor] = {}

    def tile(self, index: int, tile: Tile, wanted: bool) -> tuple[Tensor, Tensor]:
        """Value (without what `whole_grams` gave) and gradient of one tile; on CUDA replayed as a graph."""
        loss = self.loss
        inputs = replace(self._inputs(index, tile, self.render), kept=self._kept(index, tile), pulls=self.pulls)

        def run(given: TileInputs) -> tuple[Tensor, Tensor]:
            return compare(loss.network, loss.heads, given, tile, wanted)

        if self.render.device.type != "cuda":
            return run(inputs)
        return loss.graphs((wanted, *inputs.key(tile)), run, inputs)

    def whole_grams(self, tiles: list[tuple[int, Tile]]) -> Tensor:
        """The value of the whole image's Gram matrices: a first look at all tiles, since they add up.

        Leaves the gradients in `pulls`, for `tile`.
        """
        keys = [
            (number, layer)
            for number, (_, head) in enumerate(self.loss.heads)
            for layer in head.layers
            if isinstance(head, Gram)
        ]
        ours: dict[Key, list[Tensor]] = {key: [] for key in keys}
        theirs: dict[Key, list[Tensor]] = {key: [] for key in keys}
        layers = tuple({layer for _, layer in keys})
        for index, tile in tiles if keys else []:
            inputs, kept = self._inputs(index, tile, self.render), self._kept(index, tile)
            features = self.loss.network.features(inputs.image, layers)
            for number, layer in keys:
                if layer in features:
                    here = part(inputs, layer, tile, features[layer], own=False)
                    ours[number, layer].append(Gram().keep(here))
                    theirs[number, layer].append(inputs.numbers[layer][2] * kept[number, layer])
        value = torch.zeros((), device=self.render.device, dtype=self.loss.wide)
        for key in keys:
            if ours[key]:
                target = self.loss.style.get(key, torch.stack(theirs[key]).sum(dim=0))
                gram = torch.stack(ours[key]).sum(dim=0)
                measured, self.pulls[key] = Gram().compare(gram, target, self.loss.heads[key[0]][0])
                value = value + measured
        return value

    def _inputs(self, index: int, tile: Tile, image: Tensor) -> TileInputs:
        return tile_inputs(self.known, self.loss.layers, index, tile, image)

    def _kept(self, index: int, tile: Tile) -> dict[Key, Tensor]:
        """What the heads keep of the photo's tile, or of the style picture."""
        kept = None if self.visit is None else self.loss.store.get(self.visit.view, index)
        if kept is None:
            kept = self._look(index, tile)
            if self.visit is not None and kept:
                kept = self.loss.store.put(kept, self.visit.view, index)
        named = {name: (int(number), layer) for name in kept for number, layer in [name.split("/")]}
        return {named[name]: tensor for name, tensor in kept.items()} | self.loss.style

    def _look(self, index: int, tile: Tile) -> Tensors:
        """The photo's tile through the network: what the heads keep of it, by "head/layer"."""
        wanted = [
            (number, layer, head)
            for number, (_, head) in enumerate(self.loss.heads)
            for layer in head.layers
            if (number, layer) not in self.loss.style
        ]
        if not wanted:
            return {}
        inputs = self._inputs(index, tile, torch.where(self.valid, self.photo, self.fill))
        features = self.loss.network.features(inputs.image, tuple({layer for _, layer, _ in wanted}))
        return {
            f"{number}/{layer}": head.keep(part(inputs, layer, tile, features[layer], own=head.summed))
            for number, layer, head in wanted
            if layer in features
        }


class _Attach(torch.autograd.Function):
    """A value whose gradient in an image is known already."""

    @staticmethod
    def forward(ctx, image: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradients[0] * gradient, None, None
