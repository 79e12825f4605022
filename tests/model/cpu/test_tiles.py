"""The matrix product of a few rows against NumPy in float64, for every remainder of rows, columns and depth."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.kernels.fused import fused
from asr.model.cpu.tiles import (
    PANEL,
    ROWS,
    WIDTH,
    add_group,
    add_panel,
    mask_panel,
    move_group,
    move_panel,
    multiply_group,
    multiply_panel,
    pack,
    padded,
)


@fused
def product(x, packed, start, out):
    """out = start + x @ w, panel by panel."""
    rows, depth = x.shape
    columns = out.shape[1]
    for at in range(0, columns, PANEL):
        multiply_panel(
            out.reshape(-1), at, columns, start.reshape(-1), at, columns, x.reshape(-1), 0, depth, packed, at * depth,
            depth, rows,
        )  # fmt: skip


def multiplied(x, w, start=None):
    out = np.full((len(x), padded(w.shape[1])), np.nan, np.float32)
    begun = np.zeros_like(out) if start is None else start
    product(x, pack(torch.from_numpy(w)), begun, out)
    return out


def random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2 * ROWS + 3), st.integers(1, 70), st.integers(1, 2 * PANEL + 3))
def test_equals_numpy_for_any_shape(rows, depth, columns):
    x, w = random(rows, rows, depth), random(depth, depth, columns)
    out = multiplied(x, w)
    exact = x.astype(np.float64) @ w.astype(np.float64)
    bound = 1e-6 * (np.abs(x).astype(np.float64) @ np.abs(w)) + 1e-7
    assert (np.abs(out[:, :columns] - exact) <= bound).all()
    assert (out[:, columns:] == 0).all()


@pytest.mark.parametrize("rows", range(1, 2 * ROWS + 2))
def test_a_row_alone_and_among_others_gives_the_same_bits(rows):
    """What makes the recurrence blind to the size of the batch and to the number of threads."""
    x, w = random(0, rows, 37), random(1, 37, PANEL)
    together = multiplied(x, w)
    for row in range(rows):
        assert (multiplied(x[row : row + 1], w) == together[row]).all()


def test_sums_begin_where_they_are_told():
    """A bias, or the sum over an earlier block of the depth."""
    x, w, start = random(2, 5, 8), random(3, 8, PANEL), random(4, 5, PANEL)
    halves = multiplied(x[:, 4:].copy(), w[4:], multiplied(x[:, :4].copy(), w[:4], start))
    assert (halves == multiplied(x, w, start)).all()


@fused
def outer_products(x, packed, out):
    """out += x^T @ w for columns of x from the second on, and one panel."""
    multiply_group(out.reshape(-1), 0, PANEL, x.reshape(-1), 1, x.shape[1], packed, 0, len(x), len(out))


@pytest.mark.parametrize("rows", range(1, ROWS + 1))
@pytest.mark.parametrize("depth", [1, 2, 37])
def test_a_group_of_columns_times_a_panel(rows, depth):
    x, w, start = random(rows, depth, ROWS + 3), random(depth, depth, PANEL), random(0, rows, PANEL)
    out = start.copy()
    outer_products(x, pack(torch.from_numpy(w)), out)
    assert (out == multiplied(x.T[1 : rows + 1].copy(), w, start)).all()


@fused
def moved(move_to, add_to, panel, source):
    move_group(move_to, 1, source, 2)
    add_group(add_to, 0, source, 3)
    move_panel(panel, 0, source, 1)


def test_lines_are_copied_and_added_where_they_belong():
    source = random(1, PANEL + 4)
    copied, added, panel = np.zeros(ROWS + 2, np.float32), np.ones(ROWS, np.float32), np.zeros(PANEL + 1, np.float32)
    moved(copied, added, panel, source)
    assert (copied[1:-1] == source[2 : 2 + ROWS]).all() and copied[0] == copied[-1] == 0
    assert (added == 1 + source[3 : 3 + ROWS]).all()
    assert (panel[:-1] == source[1 : 1 + PANEL]).all() and panel[-1] == 0


@fused
def masked(out, total, x, y):
    mask_panel(out, 1, x, 0, y, 2)
    add_panel(total, 0, x, 1)


def test_a_panel_is_let_through_where_another_is_positive_or_no_number():
    x, y = random(2, PANEL + 1), random(3, PANEL + 2)
    y[2:5] = np.nan, 0.0, -0.0
    out, total = np.ones(PANEL + 1, np.float32), np.ones(PANEL, np.float32)
    masked(out, total, x, y)
    assert (out[1:] == np.where(y[2:] <= 0, 0, x[:-1])).all() and out[0] == 1
    assert out[1] == x[0] and out[2] == out[3] == 0
    assert (total == 1 + x[1:]).all()


def test_panels_hold_the_columns_in_order():
    weight = torch.arange(3 * (PANEL + 1), dtype=torch.float32).view(3, PANEL + 1)
    packed = pack(weight).reshape(2, 3, PANEL)
    assert (packed[0] == weight[:, :PANEL].numpy()).all()
    assert (packed[1, :, 0] == weight[:, PANEL].numpy()).all()
    assert (packed[1, :, 1:] == 0).all()
    assert (pack(weight.t().contiguous().t()) == packed.reshape(-1)).all()


def test_a_panel_is_whole_registers():
    assert PANEL % WIDTH == 0
    assert [padded(n) for n in (1, PANEL, PANEL + 1)] == [PANEL, PANEL, 2 * PANEL]
