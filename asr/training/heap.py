"""Freed memory kept for the next update instead of given back to the system."""

from __future__ import annotations

import ctypes

# malloc.h of the GNU C library
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library serve large blocks from its heap and never shrink it; False where it is another library.

    Every update allocates and frees the same tensors. By default a block above 32 MiB is mapped and unmapped each time,
    and the system clears its pages again each time: an eighth of a training step with 16 utterances of 10 s.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))
