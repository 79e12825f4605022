"""The two large products of `products.py` with their factors rounded to bfloat16, compiled for the processor.

Shapes: M rows, K depth, N columns. Operands are rounded block by block as they are copied.
"""

from __future__ import annotations

import numpy as np

from asr.model.bfloat16 import pair_group, pair_panel, round_line
from asr.model.cpu.tiles import PANEL, ROWS, add_group, compiled, multiply_group, multiply_panel

PAIRS = 256
DEPTH = 1024  # pairs in a block of `times`
GAP = 16  # numbers between parts of work space, so that they do not compete for the same cache lines
BLOCK_ROWS = 128
BLOCK_COLUMNS = 256


@compiled
def times(x, packed, out, blocks):  # type: ignore[no-untyped-def]
    """out = x @ w for the rows of the blocks.

    Args:
        x: (M, K) float32.
        packed: `pack_pairs` of w.
        out: (M, N), N whole panels.
        blocks: (count, 2) int64, first row and end of each, at most BLOCK_ROWS apart.
    """
    depth, columns = (x.shape[1] + 1) // 2, out.shape[1]
    zeros = np.zeros(PANEL, np.float32)
    flat, result = x.reshape(-1), out.reshape(-1)
    step = depth + GAP
    pairs = np.empty(BLOCK_ROWS * step, np.int32)
    for block in range(len(blocks)):
        row, height = blocks[block, 0], blocks[block, 1] - blocks[block, 0]
        for line in range(height):
            round_line(pairs, line * step, flat, (row + line) * x.shape[1], x.shape[1])
        for at in range(0, columns, PANEL):
            place = row * columns + at
            for k in range(0, depth, DEPTH):
                length = min(DEPTH, depth - k)
                w_at = at * depth + k * PANEL
                start, start_at, start_step = (result, place, columns) if k else (zeros, 0, 0)
                multiply_panel(result, place, columns, start, start_at, start_step,
                               pairs, k, step, packed, w_at, length, height)  # fmt: skip


@compiled
def transposed_times(x, x_step, x_rows, y, y_step, y_rows, first, width, out, sums):  # type: ignore[no-untyped-def]
    """out += sum over frames of the outer product of some columns of a row of x, from `first` on, and a row of y.

    Args:
        x, y: flat float32, rows `x_step` and `y_step` apart.
        x_rows, y_rows: (frames,) int64, those that go together.
        first: column of x that belongs to the first row of `out`.
        width: N.
        out: (rows, N filled up to whole panels).
        sums: (rows,) float32, to which the columns of x are added as they are, not rounded.
    """
    rows, columns = out.shape
    result = out.reshape(-1)
    line_step, panel_step = ROWS * PAIRS + GAP, PANEL * PAIRS + GAP
    lines = np.zeros((BLOCK_COLUMNS // ROWS + 1) * line_step, np.int32)
    panels = np.zeros(columns // PANEL * panel_step, np.int32)
    for k in range(0, len(x_rows), 2 * PAIRS):
        end = min(k + 2 * PAIRS, len(x_rows))
        length = (end - k + 1) // 2
        _pack_panels(y, y_step, y_rows[k:end], width, panels, panel_step)
        for row in range(0, rows, BLOCK_COLUMNS):
            height = min(BLOCK_COLUMNS, rows - row)
            _pack_lines(x, x_step, x_rows[k:end], first + row, lines, line_step, sums[row : row + height])
            for panel in range(columns // PANEL):
                for group in range(0, height, ROWS):
                    multiply_group(result, (row + group) * columns + panel * PANEL, columns,
                                   lines, group // ROWS * line_step, ROWS, panels, panel * panel_step,
                                   length, min(ROWS, height - group))  # fmt: skip


@compiled
def _pack_panels(source, step, rows, width, packed, packed_step):  # type: ignore[no-untyped-def]
    """Some rows in panels of PANEL columns, each with its pairs of lines in order."""
    edge = np.zeros(2 * PANEL, np.float32)
    for line in range(0, len(rows), 2):
        alone = line + 1 == len(rows)
        upper, lower = rows[line] * step, rows[line if alone else line + 1] * step
        place = line // 2 * PANEL
        for at in range(0, width, PANEL):
            count = min(PANEL, width - at)
            if alone or count < PANEL:
                _to_edge(edge, PANEL, source, upper + at, lower + at, count, alone)
                pair_panel(packed, place, edge, 0, PANEL)
            else:
                pair_panel(packed, place, source, upper + at, lower + at)
            place += packed_step


@compiled
def _pack_lines(source, step, rows, first, packed, packed_step, sums):  # type: ignore[no-untyped-def]
    """Some columns of some rows in groups of ROWS columns, each with its pairs of lines, and added to the sums."""
    width = len(sums)
    own = np.zeros(width + ROWS, np.float32)  # of these rows alone, so that little is rounded
    edge = np.zeros(2 * ROWS, np.float32)
    for line in range(0, len(rows), 2):
        alone = line + 1 == len(rows)
        upper, lower = rows[line] * step + first, rows[line if alone else line + 1] * step + first
        place = line // 2 * ROWS
        for at in range(0, width, ROWS):
            count = min(ROWS, width - at)
            if alone or count < ROWS:
                _to_edge(edge, ROWS, source, upper + at, lower + at, count, alone)
                pair_group(packed, place, edge, 0, ROWS)
                add_group(own, at, edge, 0)
                add_group(own, at, edge, ROWS)
            else:
                pair_group(packed, place, source, upper + at, lower + at)
                add_group(own, at, source, upper + at)
                add_group(own, at, source, lower + at)
            place += packed_step
    sums += own[:width]


@compiled
def _to_edge(edge, half, source, upper, lower, count, alone):  # type: ignore[no-untyped-def]
    """`count` numbers of two lines, or of one `alone`, with zeros where nothing belongs."""
    edge[:] = np.float32(0.0)
    for j in range(count):
        edge[j] = source[upper + j]
    if not alone:
        for j in range(count):
            edge[half + j] = source[lower + j]
