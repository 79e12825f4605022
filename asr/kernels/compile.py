"""How inner loops are compiled, and whether they are at all: numba can be told not to."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numba.core import config

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
_compiled: Any = njit if COMPILES else _interpreted

# The inner loops write into arrays that the caller owns and allocate nothing, so numba need not count references: doing
# so for every array in every tuple at every call made the search forty times slower. Compiled code is kept on disk
# beside the source (or in NUMBA_CACHE_DIR), and runs without the interpreter's lock. Divisions are IEEE 754's.
kernel: Any = _compiled(cache=True, nogil=True, _nrt=False, error_model="numpy")
# For functions that return new arrays.
allocating: Any = _compiled(cache=True, nogil=True, error_model="numpy")
