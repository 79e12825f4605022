"""What a frame asks of all units or prefixes, computed in vector registers, for the compiled search. V: units.

Compilers do most of a frame in vectors and what is left over number by number, which takes as long again, and they find
no vectors at all where places are to be listed. So this is written in LLVM's language.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from asr.decoding.search.vector_code import (
    INDEX,
    LOWEST,
    NUMBER,
    WIDE,
    added_up,
    all_lanes,
    constant,
    estimate,
    in_steps,
    list_bits,
    power_of_e,
    vector,
)
from asr.kernels.compile import emitted

MANY, SOME = 32, 16  # lanes, where there are V numbers and where there are fewer


@emitted
def sift(_: Any, row: Any, first: Any, threshold: Any, listed: Any) -> Any:
    """List the units from `first` on that are not below a threshold, and estimate the sum of the others' probabilities.

    Args:
        row: (V,) natural-log probabilities, float32.
        first: a unit.
        threshold: natural log, not above 0.
        listed: (V,) is filled with the units found, in their order; a NaN is found too.

    Returns:
        How many were found, and the sum, off by a share of `vector_code.ESTIMATE_ERROR` at most.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target = array_of(context, builder, row, arguments[0]), array_of(context, builder, listed, arguments[3])
        limit = all_lanes(builder, arguments[2], MANY)
        found = cgutils.alloca_once_value(builder, INDEX(0))
        sums = cgutils.alloca_once_value(builder, ir.Constant(vector(NUMBER, MANY), None))

        def body(place: Any, x: Any, there: Any) -> None:
            reached = builder.fcmp_unordered(">=", x, limit)
            others = builder.select(reached, ir.Constant(x.type, None), estimate(builder, x))
            builder.store(builder.fadd(builder.load(sums), others), sums)
            number = builder.add(place, arguments[1])
            list_lanes(builder, reached, there, number, target.data, found)

        count = builder.sub(length_of(builder, source), arguments[1])
        in_steps(builder, builder.gep(source.data, [arguments[1]]), count, MANY, body)
        results = builder.load(found), added_up(builder, builder.load(sums))
        return context.make_tuple(builder, signature.return_type, results)

    return types.Tuple((types.int64, types.float32))(row, types.int64, types.float32, listed), code


@emitted
def exponentials(_: Any, exponents: Any, count: Any, results: Any) -> Any:
    """e^x of the first `count` numbers.

    Args:
        exponents: float32.
        count: of numbers.
        results: float64, room for SOME more than `count`; what follows them may be overwritten. They are right to
            float32's precision; 0 where the exponent is below `vector_code.LOWEST`.

    Returns:
        Whether an exponent is that low.
    """

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, target = (
            array_of(context, builder, exponents, arguments[0]),
            array_of(context, builder, results, arguments[2]),
        )
        bits = ir.IntType(SOME)
        low = cgutils.alloca_once_value(builder, bits(0))

        def body(place: Any, x: Any, there: Any) -> None:
            values = builder.fpext(power_of_e(builder, x), vector(WIDE, SOME))
            builder.store(values, builder.bitcast(builder.gep(target.data, [place]), values.type.as_pointer()), align=8)
            lower = builder.fcmp_ordered("<", x, constant(x, LOWEST))
            lower = lower if there is None else builder.and_(lower, there)
            builder.store(builder.or_(builder.load(low), builder.bitcast(lower, bits)), low)

        in_steps(builder, source.data, arguments[1], SOME, body)
        return builder.icmp_unsigned("!=", builder.load(low), bits(0))

    return types.boolean(exponents, types.int64, results), code


@emitted
def sum_of_exponentials(_: Any, row: Any) -> Any:
    """The sum of e^x of a row (V,) of float32 numbers; NaN or infinite when one is."""

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source = array_of(context, builder, row, arguments[0])
        sums = cgutils.alloca_once_value(builder, ir.Constant(vector(NUMBER, MANY), None))

        def body(_place: Any, x: Any, _there: Any) -> None:
            builder.store(builder.fadd(builder.load(sums), power_of_e(builder, x)), sums)

        in_steps(builder, source.data, length_of(builder, source), MANY, body)
        return added_up(builder, builder.load(sums))

    return types.float32(row), code


@emitted
def list_products(_: Any, values: Any, count: Any, factor: Any, floor: Any, listed: Any) -> Any:
    """List the places of the values that a factor brings to a floor.

    Args:
        values: float64.
        count: of values to look at.
        factor: float64.
        floor: float64.
        listed: is filled.

    Returns:
        How many there are.
    """

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, target = (
            array_of(context, builder, values, arguments[0]),
            array_of(context, builder, listed, arguments[4]),
        )
        factors, floors = all_lanes(builder, arguments[2], SOME), all_lanes(builder, arguments[3], SOME)
        found = cgutils.alloca_once_value(builder, INDEX(0))

        def body(place: Any, x: Any, there: Any) -> None:
            reached = builder.fcmp_ordered(">=", builder.fmul(x, factors), floors)
            list_lanes(builder, reached, there, place, target.data, found)

        in_steps(builder, source.data, arguments[1], SOME, body)
        return builder.load(found)

    return types.int64(values, types.int64, types.float64, types.float64, listed), code


def list_lanes(builder: Any, chosen: Any, there: Any, first: Any, target: Any, found: Any) -> None:
    """List the lanes that are chosen, and there, counted from `first`."""
    chosen = chosen if there is None else builder.and_(chosen, there)
    bits = builder.bitcast(chosen, ir.IntType(chosen.type.count))
    with builder.if_then(builder.icmp_unsigned("!=", bits, bits.type(0))):
        list_bits(builder, bits, first, target, found)


def array_of(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """An argument's array: its `data` is the address of the first element."""
    return context.make_array(kind)(context, builder, value)


def length_of(builder: Any, array: Any) -> Any:
    """Number of elements of an array of one dimension."""
    return cgutils.unpack_tuple(builder, array.shape)[0]
