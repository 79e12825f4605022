"""The two large matrix products of a layer, over the real frames of a batch, from the tiles of `tiles.py`.

Shapes: B utterances, T frames (longest of the batch), M rows (B * T), K depth, N columns.

Blocks are sized so that what a tile reads again lies in the first two caches (Goto & van de Geijn 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from torch import Tensor

from asr.kernels.fused import fused
from asr.kernels.threads import run_parts, thread_count
from asr.model.cpu.tiles import (
    PANEL,
    ROWS,
    add_group,
    move_group,
    move_panel,
    multiply_group,
    multiply_panel,
    pack,
    padded,
)

DEPTH = 1024  # of a block of `times`
FRAMES = 256  # of a block of `transposed_times`: a panel of it takes 32 KiB
BLOCK_ROWS = 128
GAP = 16  # numbers between parts of work space, so that they do not compete for the same cache lines
BLOCK_COLUMNS = 256  # copied from each row at a time, enough for the processor to read ahead


def real_rows(lengths: np.ndarray, frames: int) -> np.ndarray:
    """Rows of the frames within the lengths, (sum of lengths,) int64, ascending; utterances have T rows each."""
    rows = [np.arange(length, dtype=np.int64) + place * frames for place, length in enumerate(lengths.tolist())]
    return np.concatenate(rows) if rows else np.empty(0, np.int64)


def times(x: Tensor, weight: Tensor, rows: np.ndarray | None = None) -> Tensor:
    """x (M, K) @ weight (K, N) -> (M, N) float32.

    Args:
        x: (M, K).
        weight: (K, N).
        rows: those to compute, ascending; the others of the result are zero, whatever x holds there. All without.
    """
    count, columns = len(x), weight.shape[1]
    out = x.new_empty((count, padded(columns)))
    packed, result = pack(weight), out.numpy()
    source = x.detach().contiguous().numpy()
    runs = _runs(np.arange(count) if rows is None else rows)
    for end, (start, _) in zip([0, *(last for _, last in runs)], [*runs, (count, count)], strict=True):
        result[end:start] = 0.0
    blocks = np.array(
        [(at, min(at + BLOCK_ROWS, last)) for first, last in runs for at in range(first, last, BLOCK_ROWS)]
    )
    in_parallel(lambda first, last: _times(source, packed, result, blocks[first:last]), len(blocks), 1)
    return out[:, :columns]


def _runs(rows: np.ndarray) -> list[tuple[int, int]]:
    """First row and end of each stretch of neighbouring rows."""
    gaps = np.flatnonzero(np.diff(rows) != 1) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(rows, gaps) if len(run)]


@fused
def _times(x, packed, out, blocks):  # type: ignore[no-untyped-def]
    depth, columns = x.shape[1], out.shape[1]
    zeros = np.zeros(PANEL, np.float32)
    flat, result = x.reshape(-1), out.reshape(-1)
    for block in range(len(blocks)):
        row, height = blocks[block, 0], blocks[block, 1] - blocks[block, 0]
        for at in range(0, columns, PANEL):
            place = row * columns + at
            for k in range(0, depth, DEPTH):
                length = min(DEPTH, depth - k)
                w_at = at * depth + k * PANEL
                start, start_at, start_step = (result, place, columns) if k else (zeros, 0, 0)
                multiply_panel(result, place, columns, start, start_at, start_step,
                               flat, row * depth + k, depth, packed, w_at, length, height)  # fmt: skip


def transposed_times(
    x: Tensor,
    y: Tensor,
    x_rows: np.ndarray | None = None,
    y_rows: np.ndarray | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum over frames of the outer product of a row of x and a row of y: the gradient of weights.

    Args:
        x: (M, K), rows of neighbouring numbers.
        y: (M, N), rows of neighbouring numbers.
        x_rows: (frames,) int64, rows of x in the order of summation; all without.
        y_rows: (frames,) int64, the rows of y that go with them; as in x without.

    Returns:
        (K, N) float32, and the sum of these rows of x, (K,).
    """
    x_rows = np.arange(len(x)) if x_rows is None else x_rows
    y_rows = x_rows if y_rows is None else y_rows
    count, columns = x.shape[1], y.shape[1]
    out, sums = x.new_zeros((count, padded(columns))), x.new_zeros(count)
    sources = (_flat(x), x.stride(0), x_rows, _flat(y), y.stride(0), y_rows)
    result, totals = out.numpy(), sums.numpy()

    def part(first: int, last: int) -> None:
        _transposed_times(*sources, first, columns, result[first:last], totals[first:last])

    in_parallel(part, count, ROWS)
    return out[:, :columns], sums


def _flat(x: Tensor) -> np.ndarray:
    """The numbers of a matrix from its first to its last, with what lies between its rows in a wider one."""
    span = (len(x) - 1) * x.stride(0) + x.shape[1]
    return x.detach().as_strided((span,), (1,)).numpy()


@fused
def _transposed_times(x, x_step, x_rows, y, y_step, y_rows, first, width, out, sums):  # type: ignore[no-untyped-def]
    rows, columns = out.shape
    result = out.reshape(-1)
    line_step, panel_step = ROWS * FRAMES + GAP, PANEL * FRAMES + GAP
    lines = np.zeros((BLOCK_COLUMNS // ROWS + 1) * line_step, np.float32)
    panels = np.zeros(columns // PANEL * panel_step, np.float32)
    for k in range(0, len(x_rows), FRAMES):
        length = min(FRAMES, len(x_rows) - k)
        _pack_panels(y, y_step, y_rows[k : k + length], width, panels, panel_step)
        for row in range(0, rows, BLOCK_COLUMNS):
            height = min(BLOCK_COLUMNS, rows - row)
            _pack_lines(x, x_step, x_rows[k : k + length], first + row, lines, line_step, sums[row : row + height])
            for panel in range(columns // PANEL):
                for group in range(0, height, ROWS):
                    multiply_group(result, (row + group) * columns + panel * PANEL, columns,
                                   lines, group // ROWS * line_step, ROWS, panels, panel * panel_step,
                                   length, min(ROWS, height - group))  # fmt: skip


@fused
def _pack_lines(source, step, rows, first, packed, packed_step, sums):  # type: ignore[no-untyped-def]
    """Some columns of some rows in groups of ROWS columns, each with its lines in order, and added to the sums."""
    width = len(sums)
    whole = width // ROWS * ROWS
    own = np.zeros(width, np.float32)  # of these rows alone, so that little is rounded
    for line in range(len(rows)):
        start, place = rows[line] * step + first, line * ROWS
        for at in range(0, whole, ROWS):
            move_group(packed, place, source, start + at)
            add_group(own, at, source, start + at)
            place += packed_step
        for at in range(whole, width):
            packed[place + at - whole] = source[start + at]
            own[at] += source[start + at]
    sums += own


@fused
def _pack_panels(source, step, rows, width, packed, packed_step):  # type: ignore[no-untyped-def]
    """Some rows in panels of PANEL columns, each with its lines in order."""
    whole = width // PANEL * PANEL
    for line in range(len(rows)):
        start, place = rows[line] * step, line * PANEL
        for at in range(0, whole, PANEL):
            move_panel(packed, place, source, start + at)
            place += packed_step
        for j in range(width - whole):
            packed[place + j] = source[start + whole + j]


def in_parallel(work: Callable[[int, int], object], count: int, block: int) -> None:
    """Call work(first, last) for parts of range(count), whole blocks each, one a thread of PyTorch's."""
    if count == 0:
        return
    threads = min(thread_count(), -(-count // block))
    each = -(-count // (threads * block)) * block
    run_parts([partial(work, first, min(first + each, count)) for first in range(0, count, each)])
