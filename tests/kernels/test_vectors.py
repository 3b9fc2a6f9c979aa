"""Vectors in compiled code do to each value what plain arithmetic does, and touch nothing beside them."""

import numpy as np
from numba import njit

from neuraltexgen.kernels.cpu.vectors import (
    add_product,
    apart,
    fetch_to_read,
    fetch_to_write,
    four_from_0,
    four_from_3,
    load4,
    load8,
    load16,
    minus,
    plus,
    scaled,
    store,
    times,
    vector_of,
)


@njit
def every_operation(values, at, factor):
    fetch_to_read(values, at)
    fetch_to_write(values, at)
    eight = load8(values, at)
    front, later = four_from_0(eight), four_from_3(eight)
    sums = plus(minus(times(front, later), scaled(factor, front)), vector_of((factor, factor, factor, factor)))
    store(values, at, add_product(sums, factor, load4(values, at + 1)))
    return apart(front), apart(later)


@njit
def add_sixteen(target, at, factor, source, first):
    store(target, at, add_product(load16(target, at), factor, load16(source, first)))


def test_each_value_is_what_plain_arithmetic_gives() -> None:
    values = np.random.default_rng(0).random(40).astype(np.float32)
    before, at, factor = values.copy(), 5, np.float32(0.3)
    front, later = every_operation(values, at, factor)
    np.testing.assert_array_equal(front, before[at : at + 4])
    np.testing.assert_array_equal(later, before[at + 3 : at + 7])
    one, other = before[at : at + 4], before[at + 3 : at + 7]
    expected = one * other - factor * one + factor + factor * before[at + 1 : at + 5]
    np.testing.assert_allclose(values[at : at + 4], expected, rtol=1e-6)
    np.testing.assert_array_equal(np.delete(values, range(at, at + 4)), np.delete(before, range(at, at + 4)))


def test_sixteen_values_of_a_row_of_any_array_are_added_at_once() -> None:
    rng = np.random.default_rng(1)
    target, source = rng.random((3, 4, 16)).astype(np.float32), rng.random((2, 40)).astype(np.float32)
    expected = target.copy()
    expected[1, 2] += np.float32(0.7) * source[0, 11:27]
    add_sixteen(target, (1 * 4 + 2) * 16, np.float32(0.7), source, 11)
    np.testing.assert_allclose(target, expected, rtol=1e-6)
