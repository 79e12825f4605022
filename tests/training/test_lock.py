"""One training at a time in a folder; the lock ends with its owner, also one that is killed."""

import multiprocessing
import os
import signal
import time

import pytest

from asr.errors import TrainingError
from asr.training.lock import LOCK, training_lock

FORK = multiprocessing.get_context("fork")


def hold(folder, held):
    with training_lock(folder):
        held.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    held = FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path / "exp", held))
    process.start()
    assert held.wait(30)
    yield process
    process.kill()
    process.join(30)


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path, holder):
    who = f"another training runs in it .process {holder.pid} on "
    with pytest.raises(TrainingError, match=who), training_lock(tmp_path / "exp"):
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(30)
    with training_lock(tmp_path / "exp"):
        pass


def test_a_second_training_of_the_same_process_is_refused(tmp_path):
    with training_lock(tmp_path), pytest.raises(TrainingError), training_lock(tmp_path / "." / ""):
        pass
    with training_lock(tmp_path):
        pass


def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    """As the processes that load batches would."""
    with training_lock(tmp_path):
        child = FORK.Process(target=time.sleep, args=(60,))
        child.start()
    with training_lock(tmp_path):
        pass
    child.kill()
    child.join(30)


def test_other_folders_are_free(tmp_path):
    with training_lock(tmp_path / "a"), training_lock(tmp_path / "b"):
        assert (tmp_path / "a" / LOCK).exists()
