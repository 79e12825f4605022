"""Keeping freed memory: measured by page faults in a process of its own, which the setting cannot leave."""

import os
import subprocess
import sys

import pytest

from asr.training.cost import allocator as heap
from asr.training.cost.allocator import KEPT, FreedMemory

FAULTS = """
import resource, sys
import numpy as np
from asr.training.cost.allocator import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    print(-1); sys.exit()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**24)
before = faults()
for _ in range(5):
    np.ones(2**24)  # 128 MiB
print(faults() - before)
"""


def faults(how):
    result = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(result.stdout)


def test_a_freed_block_is_used_again_without_page_faults():
    kept = faults("kept")
    if kept < 0:
        pytest.skip("not the GNU C library")
    assert kept < 0.01 * faults("given back")


def test_another_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: object())
    assert not heap.keep_freed_memory()
    freed = FreedMemory(0, 1, used=lambda: 10**9)
    freed.observe()
    assert freed.releases == 0


class Process:
    """A process that needs 100 bytes, 40 of them in an update, and keeps more of those it freed every time."""

    def __init__(self, growth):
        self.growth, self.used, self.peak = growth, 60, 0

    def update(self):
        self.used = max(self.used, 100) + self.growth
        self.peak = max(self.peak, self.used)

    def release(self):
        self.used = 60


@pytest.mark.parametrize("growth", [0, 1, 5, 10])
def test_memory_stays_below_what_it_may_grow_to_and_is_seldom_given_back(growth):
    process = Process(growth)
    freed = FreedMemory(60, 40, lambda: process.used, process.release)
    for _ in range(200):
        process.update()
        freed.observe()
    assert process.peak <= 60 + KEPT * 40 + growth
    assert freed.releases <= 200 * growth / ((KEPT - 1) * 40)
    assert (freed.releases > 0) == (growth > 0)


def test_where_giving_back_does_not_last_more_is_kept():
    process = Process(100)
    freed = FreedMemory(60, 40, lambda: process.used, process.release)
    for _ in range(100):
        process.update()
        freed.observe()
    assert 5 < freed.releases < 40


HEAP = """
import sys
import numpy as np
import torch
from asr.training.cost.memory import memory_now
from asr.training.cost.allocator import FreedMemory, keep_freed_memory
if not keep_freed_memory():
    print("other"); sys.exit()
used = lambda: memory_now(torch.device("cpu"))
before = used()
block = np.ones(2**24)  # 128 MiB
freed = FreedMemory(before, 16 * 2**20, used)
del block
kept = used() - before
freed.observe()
print(kept // 2**20, (used() - before) // 2**20, freed.releases)
"""


@pytest.mark.slow
def test_what_was_freed_is_kept_until_it_is_too_much():
    done = subprocess.run([sys.executable, "-c", HEAP], capture_output=True, text=True, check=True)
    if done.stdout.split() == ["other"]:
        pytest.skip("not the GNU C library")
    kept, left, releases = map(int, done.stdout.split())
    assert kept > 120
    assert left < 20
    assert releases == 1


def test_few_operations_are_kept_prepared_unless_the_environment_says_how_many(monkeypatch):
    monkeypatch.delenv(heap.PRIMITIVES, raising=False)
    heap.prepare_little_ahead()
    assert os.environ[heap.PRIMITIVES] == heap.MOST_PRIMITIVES
    monkeypatch.setenv(heap.PRIMITIVES, "7")
    heap.prepare_little_ahead()
    assert os.environ[heap.PRIMITIVES] == "7"
