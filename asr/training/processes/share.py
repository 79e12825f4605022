"""Which batches of an epoch make which update, and which of them one process computes.

The rule: an update is the same `training.accumulate` batches of the same plan whatever the number of processes; the
last one of an epoch may have fewer, and then a process may have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asr.batches.examples import Batch
from asr.batches.plan import Chosen, EpochPlan, deal
from asr.training.processes.world import World


@dataclass(frozen=True)
class SharedEpoch:
    """One epoch's updates as one process sees them.

    Attributes:
        plan: the same in every process.
        size: batches of an update.
        world: the processes.
    """

    plan: EpochPlan
    size: int
    world: World

    def __len__(self) -> int:
        """Number of updates."""
        return -(-len(self.plan.batches) // self.size)

    def batches(self, update: int) -> Sequence[Any]:
        """All batches of an update."""
        return self.plan.batches[update * self.size : (update + 1) * self.size]

    def own(self, update: int) -> list[int]:
        """Places within an update (from 0) of the batches that this process computes."""
        batches = self.batches(update)
        if self.plan.in_turns:
            first = update * self.size
            return [place for place in range(len(batches)) if (first + place) % self.world.size == self.world.rank]
        loads = self.plan.loads[update * self.size : (update + 1) * self.size]
        loads = loads if len(loads) else [1.0] * len(batches)
        return [place for place, rank in enumerate(deal(loads, self.world.size)) if rank == self.world.rank]

    def own_batches(self, first: int) -> Sequence[Any]:
        """What this process computes from an update on to the end of the epoch, in order."""
        if self.world.size == 1:
            return self.plan.batches[first * self.size :]
        places = [update * self.size + place for update in range(first, len(self)) for place in self.own(update)]
        return Chosen(self.plan.batches, places)


@dataclass(frozen=True)
class Share:
    """What one process computes of an update.

    Attributes:
        batches: maybe none.
        seeds: for the dropout of each batch; taken from the position alone, so that a resume needs no random state
            and the number of processes changes nothing.
        utterances: of the whole update, in all processes.
        batches_in_all: of the whole update.
    """

    batches: Sequence[Batch]
    seeds: Sequence[int]
    utterances: int
    batches_in_all: int
