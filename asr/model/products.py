"""The two large matrix products of a layer, over all frames of a batch, from the tiles of `tiles.py`.

Shapes: M rows (all frames of a batch), K depth, N columns.

Blocks are sized so that what a tile reads again lies in the first two caches (Goto & van de Geijn 2008).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from asr.model.tiles import PANEL, compiled, multiply_panel, pack, padded

DEPTH = 512  # of a block: a panel of it takes 64 KiB
BLOCK_ROWS = 128
GAP = 16  # numbers between rows of work space, so that the rows do not compete for the same cache lines


def possible(x: Tensor) -> bool:
    """Whether to train with these products: in float32 on the CPU, outside autocast, with anything to compute."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.numel() > 0
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def times(x: Tensor, weight: Tensor) -> Tensor:
    """x (M, K) @ weight (K, N) -> (M, N) float32."""
    rows, columns = len(x), weight.shape[1]
    out = x.new_empty((rows, padded(columns)))
    packed, source, result = pack(weight), x.contiguous().numpy(), out.numpy()
    in_parallel(lambda first, last: _times(source[first:last], packed, result[first:last]), rows, BLOCK_ROWS)
    return out[:, :columns]


@compiled
def _times(x, packed, out):  # type: ignore[no-untyped-def]
    rows, depth = x.shape
    columns = out.shape[1]
    zeros = np.zeros(PANEL, np.float32)
    flat, result = x.reshape(-1), out.reshape(-1)
    for row in range(0, rows, BLOCK_ROWS):
        height = min(BLOCK_ROWS, rows - row)
        for k in range(0, depth, DEPTH):
            length = min(DEPTH, depth - k)
            for at in range(0, columns, PANEL):
                place = row * columns + at
                w_at = at * depth + k * PANEL
                if k:
                    multiply_panel(result, place, columns, result, place, columns,
                                   flat, row * depth + k, depth, packed, w_at, length, height)  # fmt: skip
                else:
                    multiply_panel(result, place, columns, zeros, 0, 0,
                                   flat, row * depth + k, depth, packed, w_at, length, height)  # fmt: skip


def transposed_times(x: Tensor, y: Tensor) -> Tensor:
    """x^T @ y: (K, M), (K, N) -> (M, N) float32, for a K (frames) far above M and N: the gradient of weights."""
    rows, columns = x.shape[1], y.shape[1]
    out = x.new_zeros((rows, padded(columns)))
    packed, source, result = pack(y), x.numpy(), out.numpy()
    in_parallel(lambda first, last: _transposed_times(source, first, packed, result[first:last]), rows, BLOCK_ROWS)
    return out[:, :columns]


@compiled
def _transposed_times(x, first, packed, out):  # type: ignore[no-untyped-def]
    depth = len(x)
    rows, columns = out.shape
    result = out.reshape(-1)
    block = np.zeros(BLOCK_ROWS * (DEPTH + GAP), np.float32)
    for k in range(0, depth, DEPTH):
        length = min(DEPTH, depth - k)
        for row in range(0, rows, BLOCK_ROWS):
            height = min(BLOCK_ROWS, rows - row)
            for frame in range(length):
                line = x[k + frame, first + row : first + row + height]
                for r in range(height):
                    block[r * (DEPTH + GAP) + frame] = line[r]
            for at in range(0, columns, PANEL):
                place = row * columns + at
                multiply_panel(result, place, columns, result, place, columns,
                               block, 0, DEPTH + GAP, packed, at * depth + k * PANEL, length, height)  # fmt: skip


def in_parallel(work: Callable[[int, int], object], count: int, block: int) -> None:
    """Call work(first, last) for parts of range(count), whole blocks each, one a thread of PyTorch's."""
    threads = min(torch.get_num_threads(), -(-count // block))
    if threads <= 1:
        work(0, count)
        return
    each = -(-count // (threads * block)) * block
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first: work(first, min(first + each, count)), range(0, count, each)))
