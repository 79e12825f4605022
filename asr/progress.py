"""Progress of long work: a bar on a terminal, plain time-stamped lines elsewhere; always on stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def setup_logging(verbose: bool = False) -> None:
    """Send the log to stderr, a time-stamped line an event; results alone go to stdout."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        stream=sys.stderr,
        force=True,
    )
    for chatty in ("numba", "matplotlib", "PIL", "fsspec", "jax"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items` while showing how far the work is.

    Args:
        items: what is worked on.
        description: what the work is, for example "features".
        total: number of items, when `items` has no length.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, description, total=total, console=Console(stderr=True), transient=True)
        return
    started = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            of = f" of {total}" if total is not None else ""
            logging.getLogger("asr").info("%s: %d%s after %.0f s", description, done, of, now - started)
