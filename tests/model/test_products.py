"""The large products of a layer against torch in float64, and their promise about threads."""

import pytest
import torch

from asr.model.products import BLOCK_ROWS, DEPTH, in_parallel, times, transposed_times


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


@pytest.mark.parametrize("frames", [1, 40, DEPTH + 3])
@pytest.mark.parametrize("rows", [1, 9, BLOCK_ROWS + 1])
def test_transposed_times(frames, rows):
    x, y = draw(rows, frames, rows), draw(frames, frames, 45)
    torch.testing.assert_close(transposed_times(x, y).double(), x.double().t() @ y.double(), rtol=1e-5, atol=1e-4)


def test_a_part_of_the_columns_is_enough():
    """The gates of one direction are columns of a wider matrix."""
    x, y = draw(1, 50, 24), draw(2, 50, 7)
    assert (transposed_times(x[:, 8:16], y) == transposed_times(x[:, 8:16].contiguous(), y)).all()
    weight = draw(3, 7, 50)
    assert (times(y, weight[:, 4:9]) == times(y, weight[:, 4:9].contiguous())).all()


def test_threads_change_no_bit(three_threads):
    x, weight = draw(1, 3 * BLOCK_ROWS + 5, 30), draw(2, 30, 40)
    tall = draw(3, 30, 2 * BLOCK_ROWS + 5)
    many = times(x, weight), transposed_times(tall, draw(4, 30, 9))
    torch.set_num_threads(1)
    assert (times(x, weight) == many[0]).all()
    assert (transposed_times(tall, draw(4, 30, 9)) == many[1]).all()


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
