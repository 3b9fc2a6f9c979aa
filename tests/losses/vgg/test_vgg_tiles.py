"""How images are cut: tiles share the image out, start where every layer's blocks do, and see enough around them."""

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neuraltexgen.losses.vgg.network import LAYERS, reach, stride
from neuraltexgen.losses.vgg.tiles import ALIGNMENT, NUMBERS_PER_PIXEL, Tile, cut, largest_side

sides = st.integers(1, 900)
cuts = st.tuples(sides, sides, st.integers(1, 2000), st.sampled_from(LAYERS))


def tiles_of(case: tuple[int, int, int, str]) -> tuple[Tile, ...]:
    return cut(*case)


@settings(deadline=None)
@given(cuts)
@example((1, 1, 1, "relu5_3"))
@example((129, 128, 128, "relu1_1"))
def test_tiles_share_the_image_out(case: tuple[int, int, int, str]) -> None:
    height, width, side, _ = case
    covered = torch.zeros(height, width, dtype=torch.int8)
    for tile in tiles_of(case):
        for span in (tile.down, tile.across):
            assert span.first % ALIGNMENT == 0
            assert 0 < span.last - span.first <= max(ALIGNMENT, side)
        covered[tile.down.first : tile.down.last, tile.across.first : tile.across.last] += 1
    assert (covered == 1).all()


@settings(deadline=None)
@given(cuts)
def test_a_tile_sees_its_reach_around_it_or_up_to_the_edge(case: tuple[int, int, int, str]) -> None:
    height, width, _, deepest = case
    for tile in tiles_of(case):
        for span, size in ((tile.down, height), (tile.across, width)):
            assert 0 <= span.shown_first <= max(span.first - reach(deepest), 0)
            assert size >= span.shown_last >= min(span.last + reach(deepest), size)
            assert span.shown_first % stride(LAYERS[-1]) == 0
            assert span.shown_last % stride(LAYERS[-1]) == 0 or span.shown_last == size
            assert span.first - span.shown_first < reach(deepest) + stride(LAYERS[-1])
        assert [tile.window[0].start, tile.window[1].stop] == [tile.down.shown_first, tile.across.shown_last]


@settings(deadline=None)
@given(cuts)
@example((1, 300, 128, "relu5_3"))
def test_tiles_share_every_layer_out(case: tuple[int, int, int, str]) -> None:
    height, width, _, deepest = case
    for layer in LAYERS[: LAYERS.index(deepest) + 1]:
        step = stride(layer)
        covered = torch.zeros(height // step, width // step, dtype=torch.int8)
        for tile in tiles_of(case):
            down, across = tile.down.whole(step), tile.across.whole(step)
            covered[down, across] += 1
            # In the window's own count they are the same features.
            rows, cols = tile.place(step)
            window = [part.start // step for part in tile.window]
            assert (rows.start + window[0], cols.start + window[1]) == (down.start, across.start)
            assert (rows.stop + window[0], cols.stop + window[1]) == (down.stop, across.stop)
            assert rows.stop <= (tile.window[0].stop - tile.window[0].start) // step
            assert cols.stop <= (tile.window[1].stop - tile.window[1].start) // step
        assert (covered == 1).all()


@given(st.integers(0, 1 << 36), st.sampled_from([torch.float32, torch.bfloat16]), st.sampled_from(LAYERS))
def test_the_largest_side_keeps_within_the_memory_and_wastes_little(
    memory: int, dtype: torch.dtype, deepest: str
) -> None:
    side = largest_side(memory, dtype, deepest)
    assert side % ALIGNMENT == 0

    def needed(side: int) -> int:
        return (side + 2 * reach(deepest)) ** 2 * NUMBERS_PER_PIXEL * dtype.itemsize

    assert side == ALIGNMENT or needed(side) <= memory
    assert needed(side + ALIGNMENT) > memory


def test_an_image_that_fits_is_one_tile() -> None:
    assert len(cut(1000, 700, 1024, "relu5_3")) == 1
    assert len(cut(1025, 700, 1024, "relu5_3")) == 2
    (tile,) = cut(7, 5, 128, "relu5_3")
    assert tile.window == (slice(0, 7), slice(0, 5))


def test_tiles_are_even() -> None:
    """1100 pixels in tiles of at most 1024 are not 1024 and 76."""
    assert [(t.down.first, t.down.last) for t in cut(1100, 9, 1024, "relu1_1")] == [(0, 640), (640, 1100)]
