"""Small matrix products at the speed of the processor, for the recurrence of an LSTM.

Shapes: R rows (utterances of a batch), K depth, N columns.

A recurrent network multiplies a few rows with the same weights once a frame. General libraries prepare their operands
anew at every call; here the weights are packed once for all frames, into panels of `PANEL` columns, and a tile of
`ROWS` x `PANEL` sums stays in vector registers while the depth runs (the inner kernel of Goto & van de Geijn 2008,
"Anatomy of high-performance matrix multiplication"). Every sum is taken over the depth in order, whatever tile it falls
into, so a row's result does not depend on the other rows.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

from asr.kernels.fused import fused, fused_inline

_FEATURES = llvmlite.binding.get_host_cpu_features()
WIDTH = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx") else 4  # float32 numbers in a register
VECTORS = 2  # registers across a panel
PANEL = VECTORS * WIDTH
ROWS = 4 if WIDTH == 8 else 8  # ROWS * VECTORS sums, VECTORS weights and a factor fit into 16 or 32 registers


def _tile(rows: int, *, ahead: bool = False) -> Any:
    """A compiled function for one tile of `rows` rows; `ahead` if the sums of the tile below are to be fetched."""

    @intrinsic
    def tile(context: Any, out: Any, out_at: Any, out_step: Any, start: Any, start_at: Any, start_step: Any,
             x: Any, x_at: Any, x_step: Any, x_line: Any, w: Any, w_at: Any, depth: Any) -> Any:  # fmt: skip
        """out[r, j] = start[r, j] + sum over k of x[r, k] * w[k, j].

        Flat arrays; `_at` is where a block begins, `_step` the distance of its rows, `x_line` that of x[r, k] in k.
        """
        arguments = (out, out_at, out_step, start, start_at, start_step, x, x_at, x_step, x_line, w, w_at, depth)
        return types.void(*arguments), lambda *lowering: _generate(rows, ahead, *lowering)

    return tile


def _generate(rows: int, ahead: bool, target: Any, builder: Any, signature: Any, args: Any) -> Any:
    """LLVM code of a tile: a loop over the depth that carries the sums in vector registers."""
    index, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), WIDTH)
    fused = ir.FunctionType(vector, [vector] * 3)
    fma = cgutils.get_or_insert_function(builder.module, fused, f"llvm.fma.v{WIDTH}f32")

    def beginnings(position: int) -> list[Any]:
        data = target.make_array(signature.args[position])(target, builder, args[position]).data
        first = builder.gep(data, [args[position + 1]])
        return [builder.gep(first, [builder.mul(args[position + 2], index(row))]) for row in range(rows)]

    def vectors(pointer: Any) -> list[Any]:
        places = [builder.gep(pointer, [index(v * WIDTH)]) for v in range(VECTORS)]
        return [builder.bitcast(place, vector.as_pointer()) for place in places]

    out, start, x = beginnings(0), beginnings(3), beginnings(6)
    weights = target.make_array(signature.args[10])(target, builder, args[10]).data
    panel, depth = builder.gep(weights, [args[11]]), args[12]
    begun = [[builder.load(place, align=4) for place in vectors(row)] for row in start]
    for row in out if ahead else []:
        for place in vectors(builder.gep(row, [builder.mul(args[2], index(rows))])):
            _fetch(builder, place)
    before = builder.block
    loop, after = builder.append_basic_block("depth"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(index)
    k.add_incoming(index(0), before)
    sums = [[builder.phi(vector) for _ in range(VECTORS)] for _ in range(rows)]
    line = vectors(builder.gep(panel, [builder.mul(k, index(PANEL))]))
    lines = [builder.load(place, align=4) for place in line]
    results = []
    place = builder.mul(k, args[9])
    for row in range(rows):
        factor = _spread(builder, builder.load(builder.gep(x[row], [place])), vector)
        results.append([builder.call(fma, [factor, w, total]) for w, total in zip(lines, sums[row], strict=True)])
    following = builder.add(k, index(1))
    k.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
    for row in range(rows):
        for v in range(VECTORS):
            sums[row][v].add_incoming(begun[row][v], before)
            sums[row][v].add_incoming(results[row][v], loop)
    builder.position_at_end(after)
    for row in range(rows):
        for result, place in zip(results[row], vectors(out[row]), strict=True):
            builder.store(result, place, align=4)
    return target.get_dummy_value()


def _fetch(builder: Any, place: Any, level: int = 3) -> None:
    """Bring the line at a place into the first cache (3) or the second (2), to be written."""
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    for_writing, data = number(1), number(1)
    builder.call(prefetch, [builder.bitcast(place, byte), for_writing, number(level), data])


def _lower_fetch(context: Any, x: Any, at: Any) -> Any:
    """The line of x[at], of a flat array."""

    def generate(target: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = target.make_array(signature.args[0])(target, builder, args[0]).data
        _fetch(builder, builder.gep(data, [args[1]]), level=2)
        return target.get_dummy_value()

    return types.void(x, at), generate


_fetch_line: Any = intrinsic(_lower_fetch)


@fused
def fetch(x, at, count):  # type: ignore[no-untyped-def]
    """Have `count` numbers of a flat array brought into the second cache while something else is computed."""
    for j in range(at, at + count, 16):  # a line of 64 bytes
        _fetch_line(x, j)


def _mover(count: int, add: bool = False) -> Any:
    """A compiled function that copies, or adds, `count` neighbouring numbers in vector registers."""

    @intrinsic
    def move(context: Any, out: Any, out_at: Any, x: Any, x_at: Any) -> Any:
        """out[out_at + j] = x[x_at + j], or += with `add`; flat arrays."""

        def generate(target: Any, builder: Any, signature: Any, args: Any) -> Any:
            block = ir.VectorType(ir.FloatType(), count).as_pointer()
            arrays = [target.make_array(signature.args[place])(target, builder, args[place]).data for place in (0, 2)]
            to, source = (
                builder.bitcast(builder.gep(data, [at]), block) for data, at in zip(arrays, args[1::2], strict=True)
            )
            value = builder.load(source, align=4)
            if add:
                value = builder.fadd(builder.load(to, align=4), value)
            builder.store(value, to, align=4)
            return target.get_dummy_value()

        return types.void(out, out_at, x, x_at), generate

    return move


move_group, add_group = _mover(ROWS), _mover(ROWS, add=True)
move_panel, add_panel = _mover(PANEL), _mover(PANEL, add=True)


def _masker(count: int) -> Any:
    """A compiled function that copies numbers where others are positive."""

    @intrinsic
    def mask(context: Any, out: Any, out_at: Any, x: Any, x_at: Any, y: Any, y_at: Any) -> Any:
        """out[out_at + j] = x[x_at + j], but zero where y[y_at + j] <= 0; flat arrays."""

        def generate(target: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.VectorType(ir.FloatType(), count)
            arrays = [target.make_array(signature.args[k])(target, builder, args[k]).data for k in (0, 2, 4)]
            to, x, y = (
                builder.bitcast(builder.gep(data, [at]), kind.as_pointer())
                for data, at in zip(arrays, args[1::2], strict=True)
            )
            zero = ir.Constant(kind, None)
            passed = builder.fcmp_unordered(">", builder.load(y, align=4), zero)
            builder.store(builder.select(passed, builder.load(x, align=4), zero), to, align=4)
            return target.get_dummy_value()

        return types.void(out, out_at, x, x_at, y, y_at), generate

    return mask


mask_panel = _masker(PANEL)


def _spread(builder: Any, value: Any, vector: Any) -> Any:
    """The same number in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


# Up to four rows take the time of one, whose sums wait for each other; so a rest of three is better not cut up.
_tile_8, _tile_4, _tile_3, _tile_2, _tile_1 = _tile(8), _tile(4), _tile(3), _tile(2), _tile(1)
_group_8, _group_4 = _tile(8, ahead=True), _tile(4, ahead=True)


@fused_inline
def multiply_panel(out, out_at, out_step, start, start_at, start_step, x, x_at, x_step, w, w_at, depth, rows):  # type: ignore[no-untyped-def]
    """out[r, j] = start[r, j] + sum over k of x[r, k] * w[k, j] for `rows` rows and the PANEL columns of one panel.

    All arrays are flat float32; `_at` is where a block begins and `_step` the distance of its rows; depth > 0.
    """
    row = 0
    if ROWS == 8:
        while row + 8 <= rows:
            _tile_8(out, out_at + row * out_step, out_step, start, start_at + row * start_step, start_step,
                    x, x_at + row * x_step, x_step, 1, w, w_at, depth)  # fmt: skip
            row += 8
    while row + 4 <= rows:
        _tile_4(out, out_at + row * out_step, out_step, start, start_at + row * start_step, start_step,
                x, x_at + row * x_step, x_step, 1, w, w_at, depth)  # fmt: skip
        row += 4
    if row + 3 == rows:
        _tile_3(out, out_at + row * out_step, out_step, start, start_at + row * start_step, start_step,
                x, x_at + row * x_step, x_step, 1, w, w_at, depth)  # fmt: skip
    elif row + 2 == rows:
        _tile_2(out, out_at + row * out_step, out_step, start, start_at + row * start_step, start_step,
                x, x_at + row * x_step, x_step, 1, w, w_at, depth)  # fmt: skip
    elif row < rows:
        _tile_1(out, out_at + row * out_step, out_step, start, start_at + row * start_step, start_step,
                x, x_at + row * x_step, x_step, 1, w, w_at, depth)  # fmt: skip


@fused_inline
def multiply_group(out, out_at, out_step, x, x_at, x_line, w, w_at, depth, rows):  # type: ignore[no-untyped-def]
    """out[r, j] += sum over k of x[k, r] * w[k, j] for `rows` <= ROWS columns of x, whose lines are `x_line` apart."""
    row = 0
    if ROWS == 8 and rows == 8:
        _group_8(out, out_at, out_step, out, out_at, out_step, x, x_at, 1, x_line, w, w_at, depth)
        row = 8
    if row + 4 <= rows:
        _group_4(out, out_at, out_step, out, out_at, out_step, x, x_at, 1, x_line, w, w_at, depth)
        row = 4
    if row + 2 <= rows:
        at = out_at + row * out_step
        _tile_2(out, at, out_step, out, at, out_step, x, x_at + row, 1, x_line, w, w_at, depth)
        row += 2
    if row < rows:
        at = out_at + row * out_step
        _tile_1(out, at, out_step, out, at, out_step, x, x_at + row, 1, x_line, w, w_at, depth)


def pack(weight: Tensor) -> np.ndarray:
    """A (K, N) float32 matrix as panels of PANEL columns, each with its K lines in order; flat, zeros after N."""
    columns = weight.shape[1]
    panels = padded(columns) // PANEL
    missing = panels * PANEL - columns
    filled = torch.nn.functional.pad(weight, (0, missing)) if missing else weight
    return filled.unflatten(1, (panels, PANEL)).transpose(0, 1).reshape(-1).numpy()


def padded(columns: int) -> int:
    """The number of columns filled up to whole panels."""
    return -(-columns // PANEL) * PANEL
