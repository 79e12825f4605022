"""Keeping freed memory: measured by page faults in a process of its own, which the setting cannot leave."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from asr.training.heap import keep_freed_memory
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
    from asr.training import heap

    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: object())
    assert not heap.keep_freed_memory()
