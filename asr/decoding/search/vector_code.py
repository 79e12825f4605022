"""LLVM code that works on many numbers at a time, on any processor: LLVM knows how many registers a vector fills.

Functions take an llvmlite builder and write instructions where it stands. L: lanes of a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

NUMBER, WIDE, INTEGER, INDEX, BIT = ir.FloatType(), ir.DoubleType(), ir.IntType(32), ir.IntType(64), ir.IntType(1)
NAMES = {NUMBER: "f32", WIDE: "f64"}  # in those of LLVM's functions

LOWEST = -87.0  # e to anything lower is no normal float32
HIGHEST = 1.0
SERIES, LAST_TERM = ((1.0, 1.0), (1 / 2, 1 / 6), (1 / 24, 1 / 120)), 1 / 720  # of e^f, by rising powers in pairs
FRACTION_BITS, EXPONENT_BIAS = 23, 127  # of a float32
# 1 + f is 0 to 6.2 % above 2^f for f in 0..1; with half of that taken off, `estimate` is off by no more than the error.
MIDDLE = 0.0437
ESTIMATE_ERROR = 0.031


def vector(kind: Any, lanes: int) -> Any:
    """The type of L numbers."""
    return ir.VectorType(kind, lanes)


def constant(like: Any, value: float) -> Any:
    """The same number in every lane of a vector of float32 that is like another."""
    return ir.Constant(like.type, [float(np.float32(value))] * like.type.count)


def all_lanes(builder: Any, value: Any, lanes: int) -> Any:
    """A number that is not constant in every lane."""
    undefined = ir.Constant(vector(value.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, value, INTEGER(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(vector(INTEGER, lanes), [0] * lanes))


def in_steps(builder: Any, source: Any, count: Any, lanes: int, body: Callable[[Any, Any, Any], None]) -> None:
    """A loop over `count` floating-point numbers, L at a time.

    Args:
        builder: where the loop goes.
        source: address of the first number.
        count: int64.
        lanes: L, a power of two.
        body: takes the place of the first of L numbers, the numbers, and which of them there are, or None for all.
            Those that there are not, in the last step, are minus infinity: memory behind the last one is not read.
    """
    left = builder.and_(count, INDEX(lanes - 1))
    whole = builder.sub(count, left)
    kind = vector(source.type.pointee, lanes)
    with cgutils.for_range_slice(builder, INDEX(0), whole, INDEX(lanes), INDEX) as (place, _):
        body(place, builder.load(builder.bitcast(builder.gep(source, [place]), kind.as_pointer()), align=4), None)
    with builder.if_then(builder.icmp_signed(">", left, INDEX(0))):
        numbers = ir.Constant(vector(INTEGER, lanes), list(range(lanes)))
        there = builder.icmp_signed("<", numbers, all_lanes(builder, builder.trunc(left, INTEGER), lanes))
        pointer = builder.bitcast(builder.gep(source, [whole]), kind.as_pointer())
        missing = ir.Constant(kind, [-np.inf] * lanes)
        name = f"llvm.masked.load.v{lanes}{NAMES[kind.element]}.p0"
        load = provided(builder, name, kind, pointer.type, INTEGER, there.type, kind)
        body(whole, builder.call(load, [pointer, INTEGER(4), there, missing]), there)


def list_bits(builder: Any, bits: Any, first: Any, target: Any, found: Any) -> None:
    """List the bits that are set, one at least, counted from `first`, behind the `found` ones that `target` holds."""
    left = cgutils.alloca_once(builder, bits.type)
    builder.store(bits, left)
    loop, after = builder.append_basic_block("bits"), builder.append_basic_block("listed")
    builder.branch(loop)
    builder.position_at_end(loop)
    now, place = builder.load(left), builder.load(found)
    number = builder.zext(builder.cttz(now, BIT(1)), INDEX)
    builder.store(builder.trunc(builder.add(first, number), INTEGER), builder.gep(target, [place]))
    builder.store(builder.add(place, INDEX(1)), found)
    rest = builder.and_(now, builder.sub(now, now.type(1)))
    builder.store(rest, left)
    builder.cbranch(builder.icmp_unsigned("!=", rest, rest.type(0)), loop, after)
    builder.position_at_end(after)


def estimate(builder: Any, x: Any) -> Any:
    """About e^x of float32 numbers below 0, off by a share of ESTIMATE_ERROR at most.

    The integer and fraction of t = x log2(e) serve as exponent and fraction of 2^t (Schraudolph 1999, "A fast, compact
    approximation of the exponential function").
    """
    unit = 1 << FRACTION_BITS
    t = multiply_add(builder, x, constant(x, unit / np.log(2.0)), constant(x, unit * (EXPONENT_BIAS - MIDDLE)))
    t = builder.select(builder.fcmp_ordered(">", t, constant(x, 0.0)), t, constant(x, 0.0))
    return builder.bitcast(builder.fptosi(t, vector(INTEGER, x.type.count)), x.type)


def power_of_e(builder: Any, x: Any) -> Any:
    """e^x of float32 numbers; 0 below LOWEST, NaN for NaN.

    e^x = 2^n e^f with the integer n next to x log2(e), so |f| <= ln(2) / 2, where six terms of the Taylor series after
    the first are off by 2e-7 of the result at most.
    """
    lowest, highest = constant(x, LOWEST), constant(x, HIGHEST)
    bounded = builder.select(builder.fcmp_ordered(">", x, lowest), x, lowest)  # also for a NaN
    bounded = builder.select(builder.fcmp_ordered("<", bounded, highest), bounded, highest)
    integers = vector(INTEGER, x.type.count)
    n = builder.fptosi(multiply_add(builder, bounded, constant(x, 1 / np.log(2.0)), constant(x, -0.5)), integers)
    f = multiply_add(builder, builder.sitofp(n, x.type), constant(x, -np.log(2.0)), x)
    square = builder.fmul(f, f)
    pairs = [multiply_add(builder, f, constant(x, odd), constant(x, even)) for even, odd in SERIES]
    high = multiply_add(builder, square, multiply_add(builder, square, constant(x, LAST_TERM), pairs[2]), pairs[1])
    series = multiply_add(builder, square, high, pairs[0])
    biased = builder.add(n, ir.Constant(integers, [EXPONENT_BIAS] * x.type.count))
    power = builder.bitcast(builder.shl(biased, ir.Constant(integers, [FRACTION_BITS] * x.type.count)), x.type)
    small = builder.fcmp_ordered("<", x, lowest)
    return builder.select(small, ir.Constant(x.type, None), builder.fmul(series, power))


def multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z of float32 numbers, rounded once where the processor can."""
    function = provided(builder, f"llvm.fmuladd.v{x.type.count}f32", x.type, x.type, x.type, x.type)
    return builder.call(function, [x, y, z])


def added_up(builder: Any, sums: Any) -> Any:
    """The sum of L float32 numbers."""
    function = provided(builder, f"llvm.vector.reduce.fadd.v{sums.type.count}f32", NUMBER, NUMBER, sums.type)
    return builder.call(function, [NUMBER(0.0), sums], fastmath=("reassoc",))


def provided(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """A function of LLVM's own."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)
