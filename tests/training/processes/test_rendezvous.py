"""Meeting in a store that earlier starts have left full of keys."""

import threading
from datetime import timedelta

import pytest
from torch.distributed import HashStore

from asr.training.processes.rendezvous import agree, store_of_start

SOON = timedelta(seconds=20)


def meet(store, ranks, size, delays=None):
    """The names on which the processes of one start agree, each a thread here; None for one that gave up."""
    names = dict.fromkeys(ranks)

    def come(rank):
        names[rank] = agree(store, rank, size, SOON)

    threads = {rank: threading.Timer((delays or {}).get(rank, 0.0), come, [rank]) for rank in ranks}
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join()
    return names


def test_all_processes_of_a_start_agree_on_one_name():
    names = meet(HashStore(), range(4), 4)
    assert len(set(names.values())) == 1
    assert None not in names.values()


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_later_start_has_a_name_of_its_own_whoever_comes_late(late):
    """The late one's mark, or the first one's list, is still that of the start before."""
    store = HashStore()
    earlier = set(meet(store, range(3), 3).values())
    later = set(meet(store, range(3), 3, {late: 0.3}).values())
    assert len(earlier) == len(later) == 1
    assert earlier != later


def test_a_start_that_never_became_whole_does_not_disturb_the_next():
    store = HashStore()
    with pytest.raises(RuntimeError, match="2 processes did not meet"):
        agree_shortly(store, rank=1)
    assert len(set(meet(store, range(2), 2, {1: 0.3}).values())) == 1


def agree_shortly(store, rank):
    store.set("asr/marks", "left over")
    return agree(store, rank, 2, timedelta(seconds=0.2))


@pytest.mark.parametrize("size", [2, 4])
def test_the_next_start_may_have_more_or_fewer_processes(size):
    store = HashStore()
    meet(store, range(3), 3)
    assert len(set(meet(store, range(size), size, {0: 0.2}).values())) == 1


def test_without_a_store_of_torchrun_nothing_is_to_be_agreed():
    assert store_of_start({"RANK": "0", "WORLD_SIZE": "2"}, SOON) is None
    assert store_of_start({"TORCHELASTIC_USE_AGENT_STORE": "False"}, SOON) is None
