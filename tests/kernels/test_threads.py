"""Parts side by side: all are done, errors arrive, and PyTorch has its threads back afterwards."""

import ctypes
import os
import threading

import pytest
import torch

from asr.kernels import threads as threads_module
from asr.kernels.threads import other_cores, run_parts, thread_count, threads_for_kernels


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """A number of threads that PyTorch has during the test."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 40])
def test_every_part_is_done_once(threads, count):
    done = []
    run_parts([lambda number=number: done.append(number) for number in range(count)])
    assert sorted(done) == list(range(count))


def test_several_threads_work_side_by_side(threads):
    if threads == 1:
        run_parts([lambda: None] * 2)
        return
    meeting = threading.Barrier(2)  # nobody passes alone
    run_parts([lambda: meeting.wait(timeout=20)] * 2)
    assert not meeting.broken


def test_an_error_arrives_when_the_other_parts_are_done(threads):
    done = []

    def wrong() -> None:
        raise ValueError("no such frame")

    for parts in ([wrong, lambda: done.append(1)], [lambda: done.append(1), wrong]):
        with pytest.raises(ValueError, match="no such frame"):
            run_parts(parts)
    assert done


def test_kernels_get_the_threads_of_pytorch_for_a_while(threads):
    with threads_for_kernels(True):
        assert torch.get_num_threads() == 1
        assert thread_count() == threads
    assert torch.get_num_threads() == thread_count() == threads


def test_they_are_given_back_after_an_error(threads):
    with pytest.raises(KeyError), threads_for_kernels(True):
        raise KeyError("frame")
    assert torch.get_num_threads() == thread_count() == threads


def test_without_kernels_nothing_changes(threads):
    with threads_for_kernels(False):
        assert torch.get_num_threads() == thread_count() == threads


def test_helpers_stay_away_from_the_callers_core():
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    assert other_cores() < allowed or not allowed
    assert len(other_cores()) >= len(allowed) - 1


def test_the_callers_own_cores_stay_as_they_were(threads):
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("cores cannot be chosen here")
    before = os.sched_getaffinity(0)
    run_parts([lambda: None] * 4)
    assert os.sched_getaffinity(0) == before


@pytest.fixture
def forgotten():
    """The function of the C library is looked up anew in the test, and again after it."""
    threads_module._own_core.cache_clear()
    yield
    threads_module._own_core.cache_clear()


def test_the_c_library_is_opened_once(forgotten, monkeypatch):
    opened = []
    original = ctypes.CDLL

    def counted(name):
        opened.append(name)
        return original(name)

    monkeypatch.setattr(threads_module.ctypes, "CDLL", counted)
    for _ in range(5):
        other_cores()
    assert len(opened) == int(hasattr(os, "sched_getaffinity"))


def test_where_no_core_can_be_told_helpers_run_anywhere(forgotten, monkeypatch, threads):
    monkeypatch.setattr(threads_module.ctypes, "CDLL", lambda name: object())
    assert other_cores() == frozenset()
    done = []
    run_parts([lambda: done.append(1)] * 3)
    assert len(done) == 3


def test_the_callers_core_is_told_anew_each_time(forgotten):
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("cores cannot be chosen here")
    allowed = os.sched_getaffinity(0)
    try:
        for core in sorted(allowed):
            os.sched_setaffinity(0, {core})
            assert core not in other_cores()
    finally:
        os.sched_setaffinity(0, allowed)
