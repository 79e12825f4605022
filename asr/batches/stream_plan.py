"""The order in which an epoch reads shards: lanes, windows, batches; a pure function of (index, settings, seed, epoch).

    shards   shuffled anew each epoch and dealt to `lanes` in turn
    lane     reads its shards one after another, in windows of bounded size
    window   consecutive utterances of a lane; sorted by length with jitter, cut into batches, batches shuffled
    epoch    a batch of each lane in turn, until all lanes are done

Every batch so has a number that depends on nothing about the machine. Ranks and workers take numbers in strides: when
the number of lanes is a multiple of ranks times workers, a shard is read by one of them alone; otherwise by more than
one, and still every utterance is trained on once. In memory are the records of one window a lane, whatever the corpus.

Shapes: N utterances of a window.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np

from asr.batches.plan import cut
from asr.config.experiment import ExperimentConfig
from asr.features.filterbank import frame_count
from asr.seeding import generator_for
from asr.shards.index import ShardIndex


@dataclass(frozen=True)
class Window:
    """Consecutive utterances of a lane and their batches.

    Attributes:
        shards: (N,) the shard of each.
        records: (N,) of the index.
        speeds: (N,) number of the speed at which this epoch hears it.
        seconds: (N,) lengths at that speed.
        batches: numbers (of 0..N-1) of each batch, in their order.
        first: number within the lane of the first batch.
    """

    shards: np.ndarray
    records: np.ndarray
    speeds: np.ndarray
    seconds: np.ndarray
    batches: list[np.ndarray]
    first: int


@dataclass(frozen=True)
class EpochTotals:
    """What one pass over the index finds.

    Attributes:
        lanes: (lanes,) batches of each lane.
        sizes: (batches,) utterances of each batch of the epoch.
        loads: (batches,) seconds of each batch with its padding.
        seconds: of audio in all.
    """

    lanes: np.ndarray
    sizes: np.ndarray
    loads: np.ndarray
    seconds: float


class StreamPlan:
    """One epoch's plan.

    Args:
        index: of the shards.
        config: the experiment.
        epoch: from 0.
    """

    def __init__(self, index: ShardIndex, config: ExperimentConfig, epoch: int) -> None:
        self.index, self.config, self.epoch = index, config, epoch
        self.order = generator_for(config.seed, "shards", epoch).permutation(len(index.entry.shards))

    @property
    def lanes(self) -> int:
        """Number of lanes; never more than shards."""
        return min(self.config.shards.lanes, len(self.order))

    @cached_property
    def totals(self) -> EpochTotals:
        """Counted in one pass over the index; eight bytes a batch are kept."""
        sizes = [array("I") for _ in range(self.lanes)]
        loads = [array("f") for _ in range(self.lanes)]
        seconds = 0.0
        for lane in range(self.lanes):
            for window in self.windows(lane):
                seconds += float(window.seconds.sum())
                sizes[lane].extend(len(numbers) for numbers in window.batches)
                loads[lane].extend(float(window.seconds[numbers].max()) * len(numbers) for numbers in window.batches)
        counts = np.array([len(each) for each in sizes], dtype=np.int64)
        order = np.lexsort([np.repeat(np.arange(self.lanes), counts), np.concatenate([np.arange(n) for n in counts])])
        return EpochTotals(counts, np.concatenate(sizes)[order], np.concatenate(loads)[order], seconds)

    @property
    def copies(self) -> int:
        """Speeds at which shards of features hold an utterance; one of them is kept in memory."""
        return len(self.index.entry.speeds)

    def numbers(self, lane: int, first: int, count: int) -> np.ndarray:
        """Positions in the epoch of `count` batches of a lane: lanes take turns, those that are done passed over."""
        batches = np.arange(first, first + count)
        before = np.minimum(self.totals.lanes[:, None], batches).sum(axis=0)
        return before + (self.totals.lanes[:lane, None] > batches).sum(axis=0)

    def windows(self, lane: int) -> Iterator[Window]:
        """The windows of a lane in order."""
        done = 0
        for count, (shards, records) in enumerate(self._pieces(lane)):
            speeds = self._speeds(records)
            seconds = self._seconds(records, speeds)
            batches = self._batches(seconds, lane, count)
            yield Window(shards, records, speeds, seconds, batches, done)
            done += len(batches)

    def _pieces(self, lane: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Consecutive utterances of a lane's shards within the bounds of a window (at least one each)."""
        settings = self.config.shards
        most_bytes = int(settings.window_mb * 1e6)
        shards = np.empty(0, dtype=np.int64)
        records = np.empty(0, dtype=self.index.type)
        for shard in self.order[lane :: self.lanes]:
            more = self.index.members(int(shard))
            shards = np.concatenate([shards, np.full(len(more), shard)])
            records = np.concatenate([records, more])
            while True:
                sizes = np.cumsum(records["bytes"][: settings.window_utterances + 1] // self.copies, dtype=np.int64)
                fitting = int(np.searchsorted(sizes, most_bytes, side="right"))
                size = max(1, min(fitting, settings.window_utterances))
                if size >= len(records):
                    break  # the next shard may still fit
                yield shards[:size], records[:size]
                shards, records = shards[size:], records[size:]
        if len(records):
            yield shards, records

    def _speeds(self, records: np.ndarray) -> np.ndarray:
        """Number of the speed that this epoch hears each utterance at; only speeds at which its text fits."""
        chosen = np.zeros(len(records), dtype=np.int64)
        allowed = self.allowed_speeds
        if self.epoch < self.config.augmentation.first_epoch or allowed == [0]:
            return chosen
        frames = np.stack([self.frames(records, number) for number in allowed], axis=1)
        reduction = self.config.model.time_reduction
        usable = -(-frames // reduction) >= records["needed"][:, None]
        count = usable.sum(axis=1)
        key = generator_for(self.config.seed, "speed", self.epoch).integers(2**63, dtype=np.uint64)
        draw = (_mix(records["id"] ^ key) % np.maximum(count, 1).astype(np.uint64)).astype(np.int64)
        # The draw-th usable speed; the recorded one where the text fits at none.
        picked = np.argmax(np.cumsum(usable, axis=1) == (draw + 1)[:, None], axis=1)
        chosen[count > 0] = np.array(allowed)[picked[count > 0]]
        return chosen

    @cached_property
    def allowed_speeds(self) -> list[int]:
        """Numbers, in `speeds_of_set`, of the speeds that the configuration asks for."""
        wanted = self.config.augmentation.speeds or [1.0]
        return [speeds_of_set(self.index, self.config).index(speed) for speed in wanted]

    def _seconds(self, records: np.ndarray, speeds: np.ndarray) -> np.ndarray:
        frames = np.empty(len(records))
        for number in np.unique(speeds):
            chosen = speeds == number
            frames[chosen] = self.frames(records[chosen], int(number))
        return frames * (self.config.features.frame_shift_ms / 1000)

    def frames(self, records: np.ndarray, number: int) -> np.ndarray:
        """Feature frames (N,) at a speed: stored, or, of audio, what resampling will give to within a sample."""
        if self.index.entry.payload == "npy":
            return records["length"][:, number].astype(np.int64)
        speed = speeds_of_set(self.index, self.config)[number]
        samples = np.rint(records["length"][:, 0] * (self.config.features.sample_rate / self.index.entry.rate) / speed)
        return np.array([frame_count(int(count), self.config.features) for count in samples], dtype=np.int64)

    def _batches(self, seconds: np.ndarray, lane: int, window: int) -> list[np.ndarray]:
        """As `batching.arrange_epoch` does for a whole set.

        A window of fewer utterances than it may have is jittered less in proportion: the fewer there are, the further
        neighbours in length already are from each other, and the more padding the same jitter makes.
        """
        settings = self.config.batching
        generator = generator_for(self.config.seed, "batches", self.epoch, lane, window)
        jitter = settings.buckets_jitter * min(1.0, len(seconds) / self.config.shards.window_utterances)
        jittered = seconds * (1 + jitter * generator.random(len(seconds)))
        order = np.argsort(jittered, kind="stable")
        batches = [order[begin:end] for begin, end in cut(seconds[order], settings.seconds, settings.utterances)]
        if self.epoch >= settings.shortest_first_epochs:
            batches = [batches[number] for number in generator.permutation(len(batches))]
        return batches


@dataclass(frozen=True)
class PlannedBatch:
    """One batch of a plan: its number, and, as its length, how many utterances are in it."""

    number: int
    utterances: int

    def __len__(self) -> int:
        return self.utterances


class PlannedBatches(Sequence[PlannedBatch]):
    """An epoch's batches from some position on; what is in them is found when they are read."""

    def __init__(self, plan: StreamPlan, numbers: range | None = None) -> None:
        self.plan = plan
        self.numbers = range(len(plan.totals.sizes)) if numbers is None else numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, chosen: int) -> PlannedBatch: ...

    @overload
    def __getitem__(self, chosen: slice) -> PlannedBatches: ...

    def __getitem__(self, chosen: int | slice) -> PlannedBatch | PlannedBatches:
        if isinstance(chosen, slice):
            return PlannedBatches(self.plan, self.numbers[chosen])
        number = self.numbers[chosen]
        return PlannedBatch(number, int(self.plan.totals.sizes[number]))


def speeds_of_set(index: ShardIndex, config: ExperimentConfig) -> list[float]:
    """Speeds at which a set can be heard, the recorded one first: those stored, or, of audio, those asked for."""
    if index.entry.payload == "npy":
        return index.entry.speeds
    return [1.0, *sorted(speed for speed in config.augmentation.speeds if speed != 1.0)]


def _mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators")."""
    mixed = values.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
