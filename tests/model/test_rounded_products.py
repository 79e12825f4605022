"""Products with rounded factors against float64 ones of the same rounded numbers, within what float32 sums may lose."""

import numpy as np
import pytest
import torch

from asr.model.bfloat16 import AVAILABLE
from asr.model.cpu.products import real_rows, times, transposed_times
from asr.model.rounded_products import BLOCK_COLUMNS, BLOCK_ROWS, DEPTH, PAIRS

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this processor does not multiply bfloat16")


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rounded(x):
    return x.to(torch.bfloat16).double()


def check(found, left, right):
    """`found` is left @ right; K additions lose at most K 2^-24 of the sum of absolute products (Higham 2002, 3.1)."""
    left, right = rounded(left), rounded(right)
    bound = 1.01 * left.shape[1] * 2.0**-24 * (left.abs() @ right.abs()) + 1e-36
    assert found.shape == bound.shape
    assert ((found.double() - left @ right).abs() <= bound).all()


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 9, BLOCK_ROWS + 1])
@pytest.mark.parametrize("depth", [1, 2, 31, 40, 2 * DEPTH + 3])
def test_times(rows, depth):
    x, weight = draw(rows, rows, depth), draw(depth, depth, 45)
    check(times(x, weight, rounded=True), x, weight)


@pytest.mark.parametrize("frames", [1, 2, 41, 4 * PAIRS + 3])
@pytest.mark.parametrize("rows", [1, 9, BLOCK_COLUMNS + 1])
@pytest.mark.parametrize("columns", [5, 64])
def test_transposed_times(frames, rows, columns):
    x, y = draw(rows, frames, rows), draw(frames, frames, columns)
    product, sums = transposed_times(x, y, rounded=True)
    check(product, x.t(), y)
    torch.testing.assert_close(sums.double(), x.double().sum(0), rtol=1e-5, atol=1e-4)


def test_the_gradient_of_a_bias_is_not_rounded():
    x = torch.full((3, 8), 1 + 2.0**-12)
    assert (transposed_times(x, x, rounded=True)[1] == 3 + 3 * 2.0**-12).all()


def test_it_differs_from_the_product_in_float32_by_the_rounding_of_factors():
    x, weight = draw(1, 30, 50), draw(2, 50, 40)
    exact = times(x, weight)
    difference = (times(x, weight, rounded=True) - exact).norm() / exact.norm()
    assert 2.0**-11 < difference < 2.0**-8


def test_a_part_of_the_columns_is_enough():
    x, y = draw(1, 51, 24), draw(2, 51, 19)
    narrow = transposed_times(x[:, 8:16].contiguous(), y[:, 5:12].contiguous(), rounded=True)
    for wide, same in zip(transposed_times(x[:, 8:16], y[:, 5:12], rounded=True), narrow, strict=True):
        assert (wide == same).all()


@pytest.mark.parametrize("lengths", [[5, 0, 9], [1], [0, 0], [2 * BLOCK_ROWS, 3]])
def test_rows_left_out_are_zero_and_change_no_bit_of_the_others(lengths):
    frames = max(lengths) + 2
    rows = real_rows(np.array(lengths), frames)
    x, weight = draw(5, len(lengths) * frames, 6), draw(6, 6, 7)
    whole = times(x, weight, rounded=True)
    left_out = torch.ones(len(x), dtype=torch.bool)
    left_out[rows] = False
    x[left_out] = float("nan")
    some = times(x, weight, rows, rounded=True)
    assert (some[rows] == whole[rows]).all()
    assert (some[left_out] == 0).all()


@pytest.mark.parametrize("count", [2 * PAIRS + 32, 2 * PAIRS + 33])
def test_outer_products_of_pairs_of_rows(count):
    """A last frame without a partner is joined by zeros, not by what lies after it."""
    x, y = draw(7, count + 8, 11), draw(8, count + 8, 13)
    left, right = np.r_[7 : 7 + count], np.r_[6 : 6 + count]
    x[[5, 7 + count]], y[[5, 6 + count]] = float("nan"), float("nan")
    product, sums = transposed_times(x, y, left, right, rounded=True)
    check(product, x[left].t(), y[right])
    torch.testing.assert_close(sums.double(), x[left].double().sum(0), rtol=1e-5, atol=1e-4)


def test_no_frames_give_no_gradient():
    nothing = np.empty(0, np.int64)
    product, sums = transposed_times(draw(1, 4, 9), draw(2, 4, 5), nothing, rounded=True)
    assert product.shape == (9, 5)
    assert (product == 0).all() and (sums == 0).all()


def test_not_a_number_stays_one():
    x = draw(1, 4, 9)
    x[2, 3] = float("nan")
    assert torch.isnan(times(x, draw(2, 9, 5), rounded=True)).any(dim=1).tolist() == [False, False, True, False]
    assert torch.isnan(transposed_times(x, draw(2, 4, 5), rounded=True)[0]).any(dim=1).nonzero().tolist() == [[3]]


def test_threads_and_repetition_change_no_bit(three_threads):
    x, weight = draw(1, 3 * BLOCK_ROWS + 5, 31), draw(2, 31, 40)
    tall, wide = draw(3, 31, 2 * BLOCK_COLUMNS + 5), draw(4, 31, 9)
    many = times(x, weight, rounded=True), *transposed_times(tall, wide, rounded=True)
    torch.set_num_threads(1)
    assert (times(x, weight, rounded=True) == many[0]).all()
    for one, same in zip(transposed_times(tall, wide, rounded=True), many[1:], strict=True):
        assert (one == same).all()
