"""How loops over float32 numbers are compiled that may fuse a product with its sum, and may allocate arrays."""

from __future__ import annotations

from typing import Any

from asr.kernels.compile import compiled

fused: Any = compiled(nogil=True, error_model="numpy", fastmath={"contract"})
# The same, merged into the caller: a tile's sums then stay in registers from one call to the next.
fused_inline: Any = compiled(nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")
