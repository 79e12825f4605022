"""Where the processes of one start find each other, and only each other.

`torchrun` keeps one key-value store for all starts of a job, and the addresses of a start that failed stay in it: a
restarted process may call a dead one and end with `Connection refused` (PyTorch 2.11). So the processes of a start
first agree on a name that no other start has, and use the keys below it.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping
from datetime import timedelta

from torch.distributed import PrefixStore, Store, TCPStore

SECONDS_BETWEEN_LOOKS = 0.05


def store_of_start(environment: Mapping[str, str], timeout: timedelta) -> Store | None:
    """A store of this start alone; None where `torchrun` keeps none, for then PyTorch makes a new one each time."""
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") != str(True):
        return None
    store = TCPStore(environment["MASTER_ADDR"], int(environment["MASTER_PORT"]), is_master=False, timeout=timeout)
    name = agree(store, int(environment["RANK"]), int(environment["WORLD_SIZE"]), timeout)
    return PrefixStore(name, store)


def agree(store: Store, rank: int, size: int, timeout: timedelta) -> str:
    """A name that exactly the living processes of this start know.

    Each writes a mark of its own; the first lists the marks it finds; each that finds its own mark in the list at its
    place counts itself under a name made of the list. A list with the mark of a dead process is never counted full.

    Args:
        store: shared, and perhaps full of keys of earlier starts.
        rank: of this process.
        size: number of processes.
        timeout: how long to wait for the others.

    Raises:
        RuntimeError: the others did not come.
    """
    mine, counted = uuid.uuid4().hex, ""
    store.set(f"asr/mark/{rank}", mine)
    end = time.monotonic() + timeout.total_seconds()
    while time.monotonic() < end:
        if rank == 0:
            store.set("asr/marks", " ".join(store.get(f"asr/mark/{other}").decode() for other in range(size)))
        marks = store.get("asr/marks").decode().split()
        if len(marks) == size and marks[rank] == mine:
            name = "asr/start/" + hashlib.sha256(" ".join(marks).encode()).hexdigest()
            present = store.add(f"{name}/present", int(name != counted))
            counted = name
            if present >= size:
                return name
        time.sleep(SECONDS_BETWEEN_LOOKS)
    raise RuntimeError(f"{size} processes did not meet within {timeout.total_seconds():g} s")
