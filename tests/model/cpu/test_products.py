"""The large products of a layer against torch in float64, over chosen rows, and their promise about threads."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.model.cpu.products import (
    BLOCK_COLUMNS,
    BLOCK_ROWS,
    DEPTH,
    FRAMES,
    in_parallel,
    real_rows,
    times,
    transposed_times,
)


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 9, BLOCK_ROWS, BLOCK_ROWS + 1])
@pytest.mark.parametrize("depth", [1, 40, DEPTH + 3])
def test_times(rows, depth):
    x, weight = draw(rows, rows, depth), draw(depth, depth, 45)
    torch.testing.assert_close(times(x, weight).double(), x.double() @ weight.double(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 40, 2 * FRAMES + 3])
@pytest.mark.parametrize("rows", [1, 9, BLOCK_COLUMNS + 1])
def test_transposed_times(frames, rows):
    x, y = draw(rows, frames, rows), draw(frames, frames, 45)
    product, sums = transposed_times(x, y)
    torch.testing.assert_close(product.double(), x.double().t() @ y.double(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(sums.double(), x.double().sum(0), rtol=1e-5, atol=1e-4)


def test_a_part_of_the_columns_is_enough():
    """The gates of one direction are columns of a wider matrix, and so are its outputs."""
    x, y = draw(1, 50, 24), draw(2, 50, 19)
    narrow = transposed_times(x[:, 8:16].contiguous(), y[:, 5:12].contiguous())
    for wide, same in zip(transposed_times(x[:, 8:16], y[:, 5:12]), narrow, strict=True):
        assert (wide == same).all()
    weight = draw(3, 19, 50)
    assert (times(y, weight[:, 4:9]) == times(y, weight[:, 4:9].contiguous())).all()


def test_real_rows_are_the_frames_within_the_lengths():
    assert real_rows(np.array([2, 0, 3]), 3).tolist() == [0, 1, 6, 7, 8]
    assert real_rows(np.array([0, 0]), 4).tolist() == []
    assert real_rows(np.array([4, 1]), 4).tolist() == [0, 1, 2, 3, 4]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2 * BLOCK_ROWS), min_size=1, max_size=4), st.integers(0, 3))
def test_rows_left_out_are_zero_and_change_no_bit_of_the_others(lengths, padding):
    frames = max(1, *lengths) + padding
    rows = real_rows(np.array(lengths), frames)
    x, weight = draw(5, len(lengths) * frames, 6), draw(6, 6, 7)
    whole = times(x, weight)
    left_out = torch.ones(len(x), dtype=torch.bool)
    left_out[rows] = False
    x[left_out] = float("nan")
    some = times(x, weight, rows)
    assert (some[rows] == whole[rows]).all()
    assert (some[left_out] == 0).all()


def test_outer_products_of_pairs_of_rows():
    """The gradient of the recurrent weights joins each frame with the outputs of the frame before it."""
    x, y = draw(7, FRAMES + 40, 11), draw(8, FRAMES + 40, 13)
    x[5], y[5] = float("nan"), float("nan")
    left, right = np.r_[7 : FRAMES + 40], np.r_[6 : FRAMES + 39]
    product, sums = transposed_times(x, y, left, right)
    torch.testing.assert_close(product.double(), x[left].double().t() @ y[right].double(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(sums.double(), x[left].double().sum(0), rtol=1e-5, atol=1e-4)


def test_no_frames_give_no_gradient():
    nothing = np.empty(0, np.int64)
    product, sums = transposed_times(draw(1, 4, 9), draw(2, 4, 5), nothing)
    assert product.shape == (9, 5)
    assert (product == 0).all() and (sums == 0).all()
    assert (times(draw(1, 4, 9), draw(2, 9, 5), nothing) == 0).all()


def test_threads_change_no_bit(three_threads):
    x, weight = draw(1, 3 * BLOCK_ROWS + 5, 30), draw(2, 30, 40)
    tall = draw(3, 30, 2 * BLOCK_COLUMNS + 5)
    many = times(x, weight), *transposed_times(tall, draw(4, 30, 9))
    torch.set_num_threads(1)
    assert (times(x, weight) == many[0]).all()
    for one, same in zip(transposed_times(tall, draw(4, 30, 9)), many[1:], strict=True):
        assert (one == same).all()


def test_parts_cover_everything_once(three_threads):
    parts: list[tuple[int, int]] = []
    in_parallel(lambda first, last: parts.append((first, last)), 70, 16)
    assert sorted(number for first, last in parts for number in range(first, last)) == list(range(70))
    assert len(parts) == 3
    assert all(first % 16 == 0 for first, _ in parts)


def test_an_error_in_a_part_is_raised(three_threads):
    def work(first, last):
        raise MemoryError("part")

    with pytest.raises(MemoryError, match="part"):
        in_parallel(work, 70, 16)
