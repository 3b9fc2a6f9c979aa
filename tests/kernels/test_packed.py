"""Packed uvs and masks: the round trip's error, the codes' own round trip, borders, NaN, masks of any length."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuraltexgen.kernels.packed import (
    pack_bits,
    pack_share,
    pack_share_definition,
    pack_uv,
    pack_uv_definition,
    unpack_bits,
    unpack_share,
    unpack_uv,
)
from neuraltexgen.kernels.sample import render

LARGEST = 16384


def places(seed: int = 0) -> torch.Tensor:
    return torch.rand(40, 30, 4, 2, generator=torch.Generator().manual_seed(seed))


def test_a_place_moves_by_less_than_a_64th_of_a_texel_in_the_largest_texture() -> None:
    uv = places()
    error = (unpack_uv(*pack_uv(uv)).double() - uv.double()).abs() * LARGEST
    assert error.max() < 1 / 64
    assert error.max() > 1 / 512  # it is packed


def test_the_twins_make_the_definitions_codes() -> None:
    edges = torch.tensor([0.0, 1.0, -0.0, 1 - 2**-21, 1 - 2**-20, 2**-22, 3 * 2**-21, 5 * 2**-21, -1.0, 9.0])
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e-30, 0.1, 0.5])
    uv = torch.cat([places().flatten(), edges, odd]).reshape(1, -1, 1, 2)
    for found, expected in zip(pack_uv(uv), pack_uv_definition(uv), strict=True):
        assert np.array_equal(found.numpy(), expected.numpy())
    share = torch.cat([places()[..., 0, 0].flatten(), torch.arange(511) / 510, torch.tensor([1e-9])]).reshape(1, -1)
    assert torch.equal(pack_share(share), pack_share_definition(share))


def test_what_was_unpacked_packs_to_the_same_codes() -> None:
    low, high = pack_uv(places())
    again = pack_uv(unpack_uv(low, high))
    assert np.array_equal(again[0].numpy(), low.numpy())
    assert torch.equal(again[1], high)


@pytest.mark.parametrize("size", [8, 2048])
def test_places_on_and_beyond_the_border_render_as_before(size: int) -> None:
    edge = torch.tensor([-3.0, -1e-7, 0.0, 0.25 / size, 1 - 0.25 / size, 1.0, 1 + 1e-7, 7.0])
    uv = torch.stack(torch.meshgrid(edge, edge, indexing="xy"), dim=-1)[:, :, None].contiguous()
    texture = torch.rand(size, size, 3, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(8, 8, dtype=torch.bool)
    torch.testing.assert_close(render(texture, unpack_uv(*pack_uv(uv)), valid), render(texture, uv, valid))


def test_what_is_no_number_becomes_a_place() -> None:
    uv = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.5]).reshape(1, 1, 2, 2)
    unpacked = unpack_uv(*pack_uv(uv)).flatten()
    torch.testing.assert_close(unpacked, torch.tensor([0.0, 1 - 2**-20, 0.0, 0.5]), rtol=0, atol=0)


@given(st.lists(st.booleans(), max_size=70))
def test_masks_come_back(values: list[bool]) -> None:
    mask = torch.tensor(values, dtype=torch.bool)
    packed = pack_bits(mask)
    assert packed.numel() == -(-len(values) // 8)
    assert torch.equal(unpack_bits(packed, tuple(mask.shape)), mask)


def test_masks_keep_their_shape() -> None:
    mask = places()[..., 0] < 0.4
    assert torch.equal(unpack_bits(pack_bits(mask), tuple(mask.shape)), mask)


def test_shares_come_back_to_half_a_step_and_nothing_stays_nothing() -> None:
    share = torch.cat((torch.linspace(0, 1, 1001), torch.tensor([1e-9])))[None]
    back = unpack_share(pack_share(share))
    assert (back - share).abs()[:, :-1].max() <= 0.5 / 255 + 1e-6 + 1 / 510
    assert torch.equal(back > 0, share > 0)
    assert back[0, 0] == 0
    assert back[0, 1000] == 1
