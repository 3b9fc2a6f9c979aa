"""Which pairs of photos to match: all of a few; of many, those that look alike and those taken in a row."""

import numpy as np
from jaxtyping import Float32, Int64, Shaped

WORDS = 64
"""Visual words of the signature: enough to tell a few thousand photos apart, quick to learn."""

SAMPLE = 60_000
"""Descriptors that the words are learned from."""

ROUNDS = 8
"""Of k-means: the words need not be exact."""

Descriptors = Shaped[np.ndarray, "k 128"]


def all_pairs(count: int) -> Int64[np.ndarray, "p 2"]:
    """Every pair (i, j) of `count` photos with i < j."""
    return np.stack(np.triu_indices(count, 1), axis=1).astype(np.int64)


def likely_pairs(signatures: Float32[np.ndarray, "n d"], in_row: int = 10, alike: int = 30) -> Int64[np.ndarray, "p 2"]:
    """Each photo with the `in_row` that follow it and the `alike` whose signatures are nearest; i < j, each pair once.

    The first kind is what holds a video together, the second closes its loops and serves photos in any order.
    """
    count = len(signatures)
    rows = [np.stack([np.arange(count - k), np.arange(k, count)], axis=1) for k in range(1, min(in_row, count - 1) + 1)]
    likeness = signatures @ signatures.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, : min(alike, count - 1)]
    own = np.repeat(np.arange(count), nearest.shape[1])
    both = np.concatenate([*rows, np.stack([own, nearest.ravel()], axis=1)])
    return np.unique(np.sort(both, axis=1), axis=0).astype(np.int64)


def learn_words(sample: Descriptors, seed: int) -> Float32[np.ndarray, "w 128"]:
    """Visual words of SIFT descriptors by k-means: at most `WORDS`, fewer if there are fewer descriptors."""
    generator = np.random.default_rng(seed)
    points = _roots(sample)
    words = points[generator.choice(len(points), min(WORDS, len(points)), replace=False)]
    for _ in range(ROUNDS):
        nearest = _nearest(points, words)
        counts = np.bincount(nearest, minlength=len(words))
        sums = np.zeros_like(words)
        np.add.at(sums, nearest, points)
        means = sums / np.maximum(counts, 1)[:, None].astype(np.float32)
        words = np.where(counts[:, None] > 0, means, words)
    return words


def signature(descriptors: Descriptors, words: Float32[np.ndarray, "w 128"]) -> Float32[np.ndarray, " d"]:
    """A photo's look as one unit vector: per word, the sum of differences of its descriptors (VLAD); 0 without any.

    Source: Jégou et al., Aggregating local descriptors into a compact image representation, 2010; normalised per word
    as Arandjelović and Zisserman do, All about VLAD, 2013.
    """
    sums = np.zeros_like(words)
    if len(descriptors):
        points = _roots(descriptors)
        nearest = _nearest(points, words)
        np.add.at(sums, nearest, points - words[nearest])
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    flat = sums.ravel()
    return flat / max(float(np.linalg.norm(flat)), 1e-12)


def _roots(descriptors: Descriptors) -> Float32[np.ndarray, "k 128"]:
    """COLMAP stores roots of L1-normed histograms in bytes: as unit vectors."""
    points = descriptors.astype(np.float32)
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)


def _nearest(points: np.ndarray, words: np.ndarray) -> np.ndarray:
    return np.argmax(points @ words.T - 0.5 * (words**2).sum(axis=1), axis=1)
