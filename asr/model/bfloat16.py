"""Factors of matrix products rounded to bfloat16, two to a lane of 32 bits; sums stay float32.

Shapes: K depth, N columns. A pair holds the numbers 2k (lower half) and 2k + 1 (upper half) of the depth; where the
depth is odd, the last upper half is zero. Arrays of pairs are int32, and the tiles of `tiles.py` take them as they take
float32: a lane then gains two products at once, so a tile does twice the work in the same time.

Numbers are rounded to the nearest of 8 bits, ties to the even one. The instruction (VDPBF16PS, Intel's "Instruction Set
Extensions Programming Reference") adds the products of the upper halves and then those of the lower ones, rounding to
nearest; numbers below 2^-126 count as zero in factors and in sums. Processors have had it since 2020, not all of them.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic, overload
from torch import Tensor

from asr.kernels.compile import COMPILES
from asr.model.cpu.tiles import PANEL, ROWS, WIDTH, compiled, pack


def _processor_multiplies() -> bool:
    """Whether the processor has the instruction, and code is compiled for it (NUMBA_CPU_NAME chooses another)."""
    own = config.CPU_NAME is None and config.CPU_FEATURES is None  # type: ignore[attr-defined]
    return COMPILES and own and WIDTH == 16 and bool(llvmlite.binding.get_host_cpu_features().get("avx512bf16"))


AVAILABLE = _processor_multiplies()


def rounding() -> bool:
    """Whether products are to take rounded factors: within autocast to bfloat16, where the processor multiplies it."""
    return AVAILABLE and torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


def pack_pairs(weight: Tensor) -> np.ndarray:
    """A (K, N) float32 matrix as `pack` arranges it, its depth in pairs: (panels, ceil(K / 2), PANEL) int32, flat."""
    depth, columns = weight.shape
    rounded = weight.new_zeros((columns, depth + depth % 2), dtype=torch.bfloat16)
    rounded[:, :depth] = weight.t()
    return pack(rounded.view(torch.int32).t())


def _rounder(count: int, *, interleaved: bool) -> Any:
    """A compiled function that makes pairs of two times `count` numbers, in registers."""

    @intrinsic
    def pairs(context: Any, out: Any, out_at: Any, x: Any, first: Any, second: Any) -> Any:
        """out[out_at + j] = pair j of x[first ...] and x[second ...], `count` numbers each; flat arrays.

        Interleaved, pair j is of x[first + j] and x[second + j]; otherwise pairs are neighbours.
        """

        def generate(target: Any, builder: Any, signature: Any, args: Any) -> Any:
            number, half = ir.VectorType(ir.FloatType(), count), ir.VectorType(ir.IntType(16), 2 * count)
            to, source = (target.make_array(signature.args[k])(target, builder, args[k]).data for k in (0, 2))
            lower, upper = (
                builder.load(builder.bitcast(builder.gep(source, [at]), number.as_pointer()), align=4)
                for at in args[3:]
            )
            name = f"llvm.x86.avx512bf16.cvtne2ps2bf16.{32 * count}"
            kind = ir.FunctionType(half, [number, number])
            value = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [upper, lower])
            if interleaved:
                places = [place for j in range(count) for place in (j, count + j)]
                order = ir.Constant(ir.VectorType(ir.IntType(32), 2 * count), places)
                value = builder.shuffle_vector(value, value, order)
            place = builder.bitcast(builder.gep(to, [args[1]]), half.as_pointer())
            builder.store(value, place, align=4)
            return target.get_dummy_value()

        return types.void(out, out_at, x, first, second), generate

    return pairs


_neighbours = _rounder(16, interleaved=False)
_interleave_16, _interleave_8 = _rounder(16, interleaved=True), _rounder(8, interleaved=True)
_LINE = 32  # numbers that a register holds in pairs


@compiled
def round_line(out, out_at, x, x_at, count):  # type: ignore[no-untyped-def]
    """Pairs of `count` neighbouring numbers, filled up with a zero; flat arrays."""
    whole = count // _LINE * _LINE
    for at in range(0, whole, _LINE):
        _neighbours(out, out_at + at // 2, x, x_at + at, x_at + at + _LINE // 2)
    if whole < count:
        rest, pairs = np.zeros(_LINE, np.float32), np.empty(_LINE // 2, np.int32)
        rest[: count - whole] = x[x_at + whole : x_at + count]
        _neighbours(pairs, 0, rest, 0, _LINE // 2)
        for j in range((count - whole + 1) // 2):
            out[out_at + whole // 2 + j] = pairs[j]


@compiled
def pair_panel(out, out_at, x, first, second):  # type: ignore[no-untyped-def]
    """Pairs of the PANEL numbers of two lines, of those that begin at `first` and those that begin at `second`."""
    for at in range(0, PANEL, 16):
        _interleave_16(out, out_at + at, x, first + at, second + at)


@compiled
def pair_group(out, out_at, x, first, second):  # type: ignore[no-untyped-def]
    """Pairs of the ROWS numbers of two lines."""
    for at in range(0, ROWS, 8):
        _interleave_8(out, out_at + at, x, first + at, second + at)


def factors_in(packed: Any) -> int:
    """In compiled code: how many factors a number of packed weights holds, 1 or 2."""
    raise NotImplementedError


@overload(factors_in)
def _factors_in(packed):  # type: ignore[no-untyped-def]
    count = 2 if packed.dtype == types.int32 else 1
    return lambda packed: count


def factors_of(numbers: Any, packed: Any) -> Any:
    """In compiled code: room for the factors made of `numbers`, to go with packed weights; float32 needs none."""
    raise NotImplementedError


@overload(factors_of)
def _factors_of(numbers, packed):  # type: ignore[no-untyped-def]
    if packed.dtype == types.int32:
        return lambda numbers, packed: np.zeros(len(numbers) // 2, np.int32)
    return lambda numbers, packed: numbers


def round_factors(factors: Any, numbers: Any, at: int, count: int) -> None:
    """In compiled code: bring `count` factors up to date with the numbers from `at`; float32 are always."""
    raise NotImplementedError


@overload(round_factors)
def _round_factors(factors, numbers, at, count):  # type: ignore[no-untyped-def]
    if factors.dtype == types.int32:
        return lambda factors, numbers, at, count: round_line(factors, at // 2, numbers, at, count)
    return lambda factors, numbers, at, count: None
