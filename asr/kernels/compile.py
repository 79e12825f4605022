"""How inner loops are compiled, and whether they are at all: numba can be told not to."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numba.core import config

from asr.kernels.cache import KernelCache, give_notice

COMPILES: bool = not config.DISABLE_JIT  # type: ignore[attr-defined]  # NUMBA_DISABLE_JIT=1

Integer: TypeAlias = "int | np.integer[Any]"  # compiled code must say which width it means where Python need not


def compiled(**options: Any) -> Callable[[Any], Any]:
    """A decorator: numba's `njit` with these options, and the result kept on disk.

    Where nothing is compiled the function runs as it is; hashes overflow, and logarithms of 0 are -inf, without a word.
    """

    def decorate(function: Any) -> Any:
        if COMPILES:
            dispatcher = njit(**options)(function)
            dispatcher._cache = KernelCache(function)
            return dispatcher

        @wraps(function)
        def run(*args: Any) -> Any:
            with np.errstate(all="ignore"):
                return function(*args)

        return run

    return decorate


give_notice()

# The inner loops write into arrays that the caller owns and allocate nothing, so numba need not count references: doing
# so for every array in every tuple at every call made the search forty times slower. They run without the interpreter's
# lock. Divisions are IEEE 754's.
kernel: Any = compiled(nogil=True, _nrt=False, error_model="numpy")
# For functions that return new arrays.
allocating: Any = compiled(nogil=True, error_model="numpy")
