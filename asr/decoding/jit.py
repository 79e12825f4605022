"""How the inner loops of decoding are compiled."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit

Integer: TypeAlias = "int | np.integer[Any]"  # compiled code must say which width it means where Python need not
compiled: Any = njit

# The inner loops write into arrays that the caller owns and allocate nothing, so numba need not count references: doing
# so for every array in every tuple at every call made the search forty times slower. Compiled code is kept on disk
# beside the source (or in NUMBA_CACHE_DIR), and runs without the interpreter's lock.
kernel: Any = compiled(cache=True, nogil=True, _nrt=False)
# The same, merged into the caller before compilation: a call would copy every array header of its tuples to the stack.
inlined: Any = compiled(cache=True, nogil=True, _nrt=False, inline="always")
