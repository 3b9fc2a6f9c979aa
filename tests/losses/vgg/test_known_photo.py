"""What is known of a photo: which features count, how many in each tile, and that it can be kept as tensors."""

import pytest
import torch
from torch import Tensor

from networks import STRIDES
from neuraltexgen.losses.vgg.photo import KnownPhoto, know
from neuraltexgen.losses.vgg.tiles import cut

LAYERS = ("relu1_2", "relu2_1", "relu3_3", "relu5_3")


def case(height: int, width: int, share: float) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    photo = torch.rand(1, 3, height, width, generator=draw)
    return photo, torch.rand(1, 1, height, width, generator=draw) < share


@pytest.mark.parametrize("share", [0.0, 0.9, 0.999, 1.1])
@pytest.mark.parametrize("size", [(20, 140), (17, 130), (3, 5), (1, 1)])
def test_features_count_whose_blocks_are_valid_throughout(size: tuple[int, int], share: float) -> None:
    photo, valid = case(*size, share)
    tiles = cut(*size, 128, "relu5_3")
    known = know(photo, valid, LAYERS, tiles)
    for layer in LAYERS:
        step = STRIDES[layer]
        for index, tile in enumerate(tiles):
            rows = range(tile.down.first // step, min(tile.down.last, size[0] // step * step) // step)
            cols = range(tile.across.first // step, min(tile.across.last, size[1] // step * step) // step)
            wanted = torch.zeros(len(rows), len(cols), dtype=torch.bool)
            for i, row in enumerate(rows):
                for j, col in enumerate(cols):
                    wanted[i, j] = valid[0, 0, step * row : step * (row + 1), step * col : step * (col + 1)].all()
            count = int(wanted.sum())
            assert known.counts[layer][index] == count
            assert known.full(layer, index, tile) == bool(wanted.all())
            assert known.full(layer, index, tile) or torch.equal(known.mask(layer, tile)[0, 0], wanted)
            total = sum(known.counts[layer])
            expected = (1 / max(total, 1), 1 / max(count, 1), count / max(total, 1))
            assert known.numbers[index, LAYERS.index(layer)].tolist() == pytest.approx(expected, rel=1e-6)
    for index in range(len(tiles)):
        assert known.busy(index) == any(known.counts[layer][index] for layer in LAYERS)


@pytest.mark.parametrize("share", [0.0, 0.9, 1.1])
def test_it_can_be_kept_as_tensors(share: float) -> None:
    photo, valid = case(140, 270, share)
    known = know(photo, valid, LAYERS, cut(140, 270, 128, "relu5_3"))
    again = KnownPhoto.from_tensors(known.tensors(), known.counts)
    assert torch.equal(again.numbers, known.numbers)
    assert torch.equal(again.fill, known.fill)
    assert all(torch.equal(again.masks[layer], known.masks[layer]) for layer in LAYERS)


def test_a_photo_without_holes_takes_no_room() -> None:
    photo, _ = case(140, 270, 1.1)
    known = know(photo, torch.ones(1, 1, 140, 270, dtype=torch.bool), LAYERS, cut(140, 270, 128, "relu5_3"))
    assert sum(tensor.numel() for tensor in known.tensors().values()) < 100
