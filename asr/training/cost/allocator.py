"""Freed memory kept for the next update, and given back to the system where too much of it has gathered."""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable
from typing import Any

# malloc.h of the GNU C library
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1
PRIMITIVES = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"  # read by oneDNN when it is used first
MOST_PRIMITIVES = "32"
KEPT = 2.0  # times what an update of the longest batch needs
OFTEN = 4  # updates; where giving back does not help for as long, more is kept

LOGGER = logging.getLogger("asr")


def prepare_little_ahead() -> None:
    """Let oneDNN keep 32 of the operations that it prepared, not 1024; without effect once it has been used.

    A batch of a new length prepares some ten of them, few are ever used again, and all lie scattered among what is
    free, where they leave no room that is large enough for a longer batch: an epoch of five hours of LibriSpeech came
    to 8.4 GB, of which its longest batch needs 1.1. A capacity that stands in the environment already is left alone.
    """
    os.environ.setdefault(PRIMITIVES, MOST_PRIMITIVES)


def keep_freed_memory() -> bool:
    """Let the C library serve large blocks from its heap and never shrink it; False where it is another library.

    Every update allocates and frees the same tensors. By default a block above 32 MiB is mapped and unmapped each time,
    and the system clears its pages again each time: an eighth of a training step with 16 utterances of 10 s.
    """
    mallopt = _of_the_c_library("mallopt")
    return bool(mallopt and mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))


class FreedMemory:
    """Watches the process's memory and gives free parts of the heap back when there are too many of them.

    A batch that is a little longer than those before finds no free block that is large enough, whatever is free in
    all, and the heap grows; batches in order of length made it twelve times as large as the longest of them needs.
    What is given back must be cleared by the system before it is used again, so it is done seldom.

    Args:
        lowest: bytes in use between updates, as far as is known.
        need: bytes that an update of the longest batch takes beside them.
        used: tells the bytes in use by this process, freed ones included.
        release: gives free memory back; None looks for the C library's `malloc_trim`.

    Attributes:
        releases: how often memory was given back.
    """

    def __init__(
        self, lowest: int, need: int, used: Callable[[], int], release: Callable[[], object] | None = None
    ) -> None:
        trim = _of_the_c_library("malloc_trim")
        self._release = release or ((lambda: trim(0)) if trim else None)
        self._used = used
        self._most = KEPT * need
        self._since = 0
        self._lowest = lowest
        self.releases = 0

    def observe(self) -> None:
        """To be called after every update."""
        self._since += 1
        if self._release is None or self._used() <= self._lowest + self._most:
            return
        self._release()
        self.releases += 1
        self._lowest = self._used()
        if self._since < OFTEN:
            self._most *= 1.25
        self._since = 0
        LOGGER.debug("gave freed memory back: %.0f MB are in use", self._lowest / 1e6)


def _of_the_c_library(name: str) -> Any:
    """A function of the C library that this process runs on; None where it has none of that name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):
        return None
