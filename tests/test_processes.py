"""The ordered map over processes: order, errors, killed workers, killed parents."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from asr.errors import AsrError, AudioError
from asr.processes import ordered_map


def square(number: int) -> int:
    return number * number


def slow_when_early(number: int) -> tuple[int, int, int]:
    time.sleep(0.02 if number < 4 else 0.0)
    return number, os.getpid(), torch.get_num_threads()


def fail_at_20(number: int) -> int:
    if number == 20:
        raise AudioError("utt20", "is unreadable", "record it again")
    return number


def die_at_20(number: int) -> int:
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_order_is_kept(jobs):
    assert list(ordered_map(square, range(100), jobs)) == [n * n for n in range(100)]
    assert list(ordered_map(square, [], jobs)) == []


def test_work_is_shared_and_each_process_has_one_thread():
    results = list(ordered_map(slow_when_early, range(64), 2))
    assert [number for number, _, _ in results] == list(range(64))
    assert len({pid for _, pid, _ in results} - {os.getpid()}) == 2
    assert {threads for _, _, threads in results} == {1}


def test_one_job_gives_the_threads_back():
    before = torch.get_num_threads()
    list(ordered_map(square, range(3), 1))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_arrives_as_it_was_raised(jobs):
    with pytest.raises(AudioError, match="utt20: is unreadable; record it again"):
        list(ordered_map(fail_at_20, range(1000), jobs))


def test_a_killed_worker_is_an_error_and_not_a_hang():
    with pytest.raises(AsrError, match="worker process was killed"):
        list(ordered_map(die_at_20, range(1000), 2))


def test_tasks_are_taken_as_they_are_needed():
    taken = []

    def tasks():
        for number in range(10_000):
            taken.append(number)
            yield number

    results = ordered_map(square, tasks(), 2)
    next(results)
    assert len(taken) < 100
    results.close()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_workers_of_a_killed_parent_end():
    script = textwrap.dedent("""
        import os, sys, time
        from asr.processes import ordered_map
        def report(number):
            time.sleep(0.01)
            return os.getpid()
        if __name__ == "__main__":
            for pid in ordered_map(report, range(100_000), 3):
                print(pid, flush=True)
    """)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    workers = {int(parent.stdout.readline()) for _ in range(60)}
    assert len(workers) == 3 and all(alive(pid) for pid in workers)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in workers)


def alive(pid: int) -> bool:
    """Running, and not only waiting to be reaped."""
    try:
        with Path(f"/proc/{pid}/stat").open() as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
