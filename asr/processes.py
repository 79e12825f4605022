"""A map over processes that keeps order, holds little in memory, and neither hangs nor leaves orphans."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import wait
from typing import Any, TypeVar

import torch

from asr.errors import AsrError

Task = TypeVar("Task")
Result = TypeVar("Result")
CHUNK = 8  # tasks a message between processes
AHEAD = 3  # messages in flight a process

_function: Callable[[Any], Any] | None = None  # of a worker process


def ordered_map(function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int) -> Iterator[Result]:
    """Yield `function(task)` in the order of `tasks`.

    One job works in this process; each process uses one torch thread, so that its results do not depend on the machine.

    Raises:
        AsrError: a worker process was killed.
    """
    if jobs == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield from map(function, tasks)
        finally:
            torch.set_num_threads(threads)
        return
    # Elsewhere than on Linux, forking a process that has used the system's libraries is not safe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(function,))
    try:
        yield from _in_order(pool, iter(tasks), jobs)
    except BrokenProcessPool:
        reason = "a worker process was killed, most likely because memory ran out"
        raise AsrError("--nj", reason, f"run again with less than {jobs} processes") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, tasks: Iterator[Task], jobs: int) -> Iterator[Any]:
    waiting: deque[Future[list[Any]]] = deque()
    while True:
        while len(waiting) < jobs * AHEAD and (chunk := list(islice(tasks, CHUNK))):
            waiting.append(pool.submit(_work, chunk))
        if not waiting:
            return
        yield from waiting.popleft().result()


def _work(chunk: list[Any]) -> list[Any]:
    assert _function is not None
    return [_function(task) for task in chunk]


def _start_worker(function: Callable[[Any], Any]) -> None:
    """Set a worker up: one thread, Ctrl-C left to the parent, and an end when the parent is gone."""
    global _function
    _function = function
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers, and they hold the pipe that would tell them: watch the parent itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
