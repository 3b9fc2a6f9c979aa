"""Pairs to match: all of few; of many, those in a row and those alike, found again after shuffling."""

import numpy as np

from neuraltexgen.reconstruct.pairs import all_pairs, learn_words, likely_pairs, signature


def photos_on_a_loop(count: int) -> list[np.ndarray]:
    """Descriptors of photos each of which shares two thirds of its features with either neighbour on a loop."""
    generator = np.random.default_rng(0)
    features = generator.integers(0, 256, (count * 20, 128), np.uint8)
    return [np.roll(features, -20 * i, axis=0)[:60] for i in range(count)]


def test_few_photos_are_all_paired() -> None:
    assert all_pairs(4).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert len(all_pairs(2)) == 1


def test_signatures_find_the_neighbours_on_a_shuffled_loop() -> None:
    count = 40
    described = photos_on_a_loop(count)
    order = np.random.default_rng(1).permutation(count)
    words = learn_words(np.concatenate(described), 0)
    pairs = likely_pairs(np.stack([signature(described[i], words) for i in order]), in_row=0, alike=6)
    found = {frozenset((int(order[a]), int(order[b]))) for a, b in pairs}
    wanted = {frozenset((i, (i + 1) % count)) for i in range(count)}
    assert len(found & wanted) >= 0.9 * count
    assert len(pairs) <= 6 * count


def test_photos_in_a_row_are_paired_whatever_they_show() -> None:
    pairs = likely_pairs(np.zeros((30, 8), np.float32), in_row=3, alike=1).tolist()
    assert all([i, j] in pairs for i in range(30) for j in range(i + 1, min(30, i + 4)))
    assert all(a < b for a, b in pairs)
    assert len({tuple(pair) for pair in pairs}) == len(pairs)


def test_words_and_signatures_come_from_the_seed_alone() -> None:
    sample = np.concatenate(photos_on_a_loop(10))
    assert np.array_equal(learn_words(sample, 5), learn_words(sample, 5))
    words = learn_words(sample[:20], 0)
    assert len(words) == 20
    assert np.isclose(np.linalg.norm(signature(sample, words)), 1)
    assert not signature(np.zeros((0, 128), np.uint8), words).any()
