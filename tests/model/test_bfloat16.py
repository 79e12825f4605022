"""Rounded factors against PyTorch's own rounding and products in float64, and where they are used."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.model import bfloat16
from asr.model.bfloat16 import AVAILABLE, pack_pairs, pair_group, pair_panel, round_line, rounding
from asr.model.cpu.tiles import PANEL, ROWS, compiled, multiply_group, multiply_panel, padded

on_such_processors = pytest.mark.skipif(not AVAILABLE, reason="this processor does not multiply bfloat16")


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def halves(pairs):
    """Both numbers of each pair as float32: (..., 2), lower first."""
    return torch.from_numpy(np.array(pairs)).view(torch.bfloat16).float().numpy().reshape(*np.shape(pairs), 2)


def rounded(numbers):
    return torch.as_tensor(numbers).to(torch.bfloat16)


def line_of(numbers):
    pairs = np.full((len(numbers) + 1) // 2 + 1, -1, np.int32)
    round_line(pairs, 0, np.r_[np.float32(7.0), numbers], 1, len(numbers))
    assert pairs[-1] == -1  # nothing is written beyond
    return halves(pairs[:-1]).reshape(-1)


@on_such_processors
@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=32, allow_subnormal=False), min_size=1, max_size=80))
def test_lines_are_rounded_as_pytorch_rounds(numbers):
    numbers = np.array(numbers, np.float32)
    found = line_of(numbers)
    np.testing.assert_array_equal(found[: len(numbers)], rounded(numbers).float().numpy())
    assert (found[len(numbers) :] == 0).all()


@on_such_processors
def test_ties_go_to_the_even_number_and_what_is_too_large_becomes_infinite():
    spacing = 2.0**-7  # of bfloat16 from 1 on
    numbers = np.array([1 + spacing / 2, 1 + 1.5 * spacing, -1 - spacing / 2, 3.4e38, -3.4e38], np.float32)
    assert line_of(numbers)[:5].tolist() == [1, 1 + 2 * spacing, -1, np.inf, -np.inf]


@on_such_processors
def test_not_a_number_stays_one_whatever_its_bits_are():
    """Adding half a unit to 0x7fffffff, as rounding by integers does, would give zero."""
    numbers = np.array([0x7FFFFFFF, 0x7FC00000, 0xFFFFFFFF, 0x7F800001], np.uint32).view(np.float32)
    assert np.isnan(line_of(numbers)).all()


@on_such_processors
@pytest.mark.parametrize(("pair", "count"), [(pair_panel, PANEL), (pair_group, ROWS)])
def test_two_lines_become_pairs(pair, count):
    source, pairs = draw(1, 3 * count + 5).numpy(), np.zeros(count + 2, np.int32)
    pair(pairs, 1, source, 3, 2 * count + 1)
    found = halves(pairs[1:-1])
    np.testing.assert_array_equal(found[:, 0], rounded(source[3 : 3 + count]).float().numpy())
    np.testing.assert_array_equal(found[:, 1], rounded(source[2 * count + 1 : 3 * count + 1]).float().numpy())
    assert pairs[0] == pairs[-1] == 0


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_packed_weights_hold_pairs_of_lines_in_panels(depth):
    weight = draw(depth, depth, PANEL + 3)
    packed = halves(pack_pairs(weight).reshape(2, (depth + 1) // 2, PANEL))
    lines = packed.transpose(1, 3, 0, 2).reshape(-1, 2 * PANEL)  # (depth, columns)
    np.testing.assert_array_equal(lines[:depth, : PANEL + 3], rounded(weight).float().numpy())
    assert (lines[depth:] == 0).all() and (lines[:, PANEL + 3 :] == 0).all()
    assert (pack_pairs(weight.t().contiguous().t()) == pack_pairs(weight)).all()


@compiled
def product(pairs, packed, start, out):
    rows, depth = pairs.shape
    columns = out.shape[1]
    for at in range(0, columns, PANEL):
        multiply_panel(out.reshape(-1), at, columns, start.reshape(-1), at, columns, pairs.reshape(-1), 0, depth,
                       packed, at * depth, depth, rows)  # fmt: skip


def multiplied(x, w, start=None):
    pairs = np.zeros((len(x), (x.shape[1] + 1) // 2), np.int32)
    for row, line in enumerate(x.numpy()):
        round_line(pairs[row], 0, line, 0, len(line))
    out = np.full((len(x), padded(w.shape[1])), np.nan, np.float32)
    product(pairs, pack_pairs(w), np.zeros_like(out) if start is None else start, out)
    return out


def error_bound(x, w):
    """Of K additions in float32, whatever their order: K 2^-24 times that of absolute products (Higham 2002, 3.1)."""
    return 1.01 * x.shape[1] * 2.0**-24 * (rounded(x).double().abs() @ rounded(w).double().abs()).numpy() + 1e-36


@on_such_processors
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2 * ROWS + 3), st.integers(1, 70), st.integers(1, 2 * PANEL + 3))
def test_products_of_rounded_numbers_for_any_shape(rows, depth, columns):
    x, w = draw(rows, rows, depth), draw(depth, depth, columns)
    out = multiplied(x, w)
    exact = (rounded(x).double() @ rounded(w).double()).numpy()
    assert (np.abs(out[:, :columns] - exact) <= error_bound(x, w)).all()
    assert (out[:, columns:] == 0).all()


@on_such_processors
@pytest.mark.parametrize("rows", range(1, 2 * ROWS + 2))
def test_a_row_alone_and_among_others_gives_the_same_bits(rows):
    x, w = draw(0, rows, 37), draw(1, 37, PANEL)
    together = multiplied(x, w)
    for row in range(rows):
        assert (multiplied(x[row : row + 1], w) == together[row]).all()


@on_such_processors
def test_sums_go_on_in_float32():
    """A bias, or the sum over an earlier block: 1 + 2^-20 would be lost in bfloat16."""
    start = np.full((1, PANEL), 1 + 2.0**-20, np.float32)
    assert (multiplied(torch.ones(1, 2), torch.ones(2, PANEL), start) == 3 + 2.0**-20).all()


@on_such_processors
def test_numbers_too_small_for_a_full_mantissa_count_as_zero():
    tiny = torch.full((1, 2), 2.0**-130)
    assert (multiplied(tiny, torch.full((2, PANEL), 2.0**100)) == 0).all()
    assert (multiplied(torch.full((1, 2), 2.0**-126), torch.full((2, PANEL), 2.0**100)) == 2.0**-25).all()


@compiled
def outer_products(x, packed, out):
    multiply_group(out.reshape(-1), 0, PANEL, x, 0, ROWS, packed, 0, len(x) // ROWS, len(out))


@on_such_processors
@pytest.mark.parametrize("rows", range(1, ROWS + 1))
def test_a_group_of_columns_times_a_panel(rows):
    x, w = draw(rows, 10, ROWS), draw(9, 10, PANEL)
    lines, flat = np.zeros(5 * ROWS, np.int32), x.numpy().reshape(-1)
    for pair in range(5):
        pair_group(lines, pair * ROWS, flat, 2 * pair * ROWS, (2 * pair + 1) * ROWS)
    out = np.zeros((rows, PANEL), np.float32)
    outer_products(lines, pack_pairs(w), out)
    assert (out == multiplied(x.t()[:rows].contiguous(), w)).all()


def test_factors_are_rounded_in_autocast_to_bfloat16_and_nowhere_else(monkeypatch):
    monkeypatch.setattr(bfloat16, "AVAILABLE", True)
    assert not rounding()
    with torch.autocast("cpu", torch.bfloat16):
        assert rounding()
        with torch.autocast("cpu", enabled=False):
            assert not rounding()
    with torch.autocast("cpu", torch.float16):
        assert not rounding()


def test_code_for_another_processor_must_do_without_the_instruction(monkeypatch):
    """The compiler would end the process where it cannot translate it."""
    assert bfloat16._processor_multiplies() == AVAILABLE
    monkeypatch.setattr(bfloat16.config, "CPU_NAME", "generic")
    assert not bfloat16._processor_multiplies()


@pytest.mark.parametrize(("features", "width"), [({"avx512bf16": True}, 16), ({}, 16), ({"avx512bf16": True}, 8)])
def test_the_processor_is_asked(monkeypatch, features, width):
    monkeypatch.setattr(bfloat16.config, "CPU_NAME", None)
    monkeypatch.setattr(bfloat16.config, "CPU_FEATURES", None)
    monkeypatch.setattr(bfloat16.llvmlite.binding, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(bfloat16, "WIDTH", width)
    assert bfloat16._processor_multiplies() == (bool(features) and width == 16)


def test_other_processors_never_round(monkeypatch):
    monkeypatch.setattr(bfloat16, "AVAILABLE", False)
    with torch.autocast("cpu", torch.bfloat16):
        assert not rounding()
