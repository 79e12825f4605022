"""How the inner loops of decoding are compiled."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numba.extending import intrinsic

Integer: TypeAlias = "int | np.integer[Any]"  # compiled code must say which width it means where Python need not
compiled: Any = njit
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
