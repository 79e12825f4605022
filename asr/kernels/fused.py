"""How loops over float32 numbers are compiled that may fuse a product with its sum, and may allocate arrays."""

from __future__ import annotations

from typing import Any

from numba import njit

from asr.kernels.cache import keep_by_contents

keep_by_contents()
fused: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
# The same, merged into the caller: a tile's sums then stay in registers from one call to the next.
fused_inline: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")
