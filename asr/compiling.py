"""Whether functions are compiled at all: numba can be told not to, and then everything has a plain way to go."""

from __future__ import annotations

from numba.core import config

COMPILES: bool = not config.DISABLE_JIT  # type: ignore[attr-defined]  # NUMBA_DISABLE_JIT=1
