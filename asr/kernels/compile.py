"""How inner loops are compiled, and whether they are at all: numba can be told not to."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic

from asr.kernels.cache import keep_by_contents

COMPILES: bool = not config.DISABLE_JIT  # type: ignore[attr-defined]  # NUMBA_DISABLE_JIT=1

Integer: TypeAlias = "int | np.integer[Any]"  # compiled code must say which width it means where Python need not


def _interpreted(**_: Any) -> Callable[[Any], Any]:
    """In place of `njit` where nothing is compiled: hashes overflow, and logarithms of 0 are -inf, without a word."""

    def plain(function: Any) -> Any:
        @wraps(function)
        def run(*args: Any) -> Any:
            with np.errstate(all="ignore"):
                return function(*args)

        return run

    return plain


keep_by_contents()
compiled: Any = njit if COMPILES else _interpreted
emitted: Any = intrinsic  # written in LLVM's language, in place

# The inner loops write into arrays that the caller owns and allocate nothing, so numba need not count references: doing
# so for every array in every tuple at every call made the search forty times slower. Compiled code is kept on disk
# beside the source (or in NUMBA_CACHE_DIR), and runs without the interpreter's lock. Divisions are IEEE 754's.
kernel: Any = compiled(cache=True, nogil=True, _nrt=False, error_model="numpy")
# The same, merged into the caller before compilation: a call would copy every array header of its tuples to the stack.
inlined: Any = compiled(cache=True, nogil=True, _nrt=False, error_model="numpy", inline="always")
# For functions that return new arrays.
allocating: Any = compiled(cache=True, nogil=True, error_model="numpy")
# For loops that the compiler may reorder, and so do many elements at a time: sums may differ in the last digit.
vectorised: Any = compiled(
    cache=True, nogil=True, _nrt=False, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"}
)


@emitted
def bits_set(_: Any, bits: Any) -> Any:
    """How many bits of a uint64 are 1, as int64."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), code


@emitted
def prefetch(_: Any, array: Any, index: Any) -> Any:
    """Begin to fetch the element of a contiguous array that will be read soon, without waiting for it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, *[ir.IntType(32)] * 3])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, *(ir.Constant(ir.IntType(32), value) for value in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.int64), code
