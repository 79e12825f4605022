"""Parts of a kernel's work side by side, as many as PyTorch has threads.

The kernels hold no interpreter lock. The calling thread does the first part itself. Its helpers live as long as the
process: a new thread begins on the core of the one that made it, and where cores share no cache (many virtual machines)
Linux leaves it there for tens of milliseconds, longer than a kernel takes. So helpers are kept off the caller's core.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import torch

_local = threading.local()
_lent: list[int] = []  # threads that PyTorch has left to the kernels
_pools: dict[int, ThreadPoolExecutor] = {}  # by process, since a fork takes no threads along


def thread_count() -> int:
    """How many threads a kernel may use."""
    return _lent[-1] if _lent else torch.get_num_threads()


@contextmanager
def threads_for_kernels(lend: bool) -> Iterator[None]:
    """Leave PyTorch's threads to the kernels, where these do nearly all the work.

    After each of its operations PyTorch's threads wait for the next one without giving up their cores, so that the
    kernels' helpers would find none: with two threads on two cores training was slower than with one.

    Args:
        lend: whether to; else nothing changes.
    """
    count = torch.get_num_threads()
    if not lend or count == 1:
        yield
        return
    _lent.append(count)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_lent.pop())


def run_parts(parts: Sequence[Callable[[], object]]) -> None:
    """Call all of `parts`, side by side if there are several threads.

    Raises:
        Exception: the first that a part raised.
    """
    if len(parts) <= 1 or thread_count() == 1:
        for part in parts:
            part()
        return
    elsewhere = other_cores()
    waiting = [_pool().submit(_run_elsewhere, part, elsewhere) for part in parts[1:]]
    try:
        parts[0]()
    finally:
        for future in waiting:
            future.exception()  # waits, so that no part still writes when an error is raised
    for future in waiting:
        future.result()


def other_cores() -> frozenset[int]:
    """The cores that this process may use, but for the one that the caller runs on; empty where that cannot be told."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset()
    own_core = _own_core()
    return frozenset(os.sched_getaffinity(0) - {own_core()}) if own_core is not None else frozenset()


@cache
def _own_core() -> Callable[[], int] | None:
    """The C library's `sched_getcpu`, looked up once; None where it has none."""
    try:
        found: Callable[[], int] = ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError):
        return None
    return found


def _pool() -> ThreadPoolExecutor:
    key = os.getpid()
    if key not in _pools:
        _pools.clear()
        _pools[key] = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="kernel")
    return _pools[key]


def _run_elsewhere(part: Callable[[], object], cores: frozenset[int]) -> None:
    if cores and getattr(_local, "cores", None) != cores:
        os.sched_setaffinity(0, cores)  # of this thread alone
        _local.cores = cores
    part()
