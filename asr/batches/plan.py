"""Which utterances train together: length buckets by seconds of padded audio, in an order that depends only on seeds.

An epoch's plan is a pure function of (items, settings, seed, epoch): a position in it is two integers, so training can
stop at any batch and go on with exactly the batches that were left.

Shapes: N utterances, K batches.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from asr.config.sections import BatchingConfig
from asr.errors import CheckpointError, TrainingError
from asr.seeding import generator_for


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance as the plan sees it: its name and its length in seconds."""

    id: str
    seconds: float


@dataclass(frozen=True)
class Arrangement:
    """Batches as numbers of utterances.

    Attributes:
        rows: (N,) numbers of all utterances, those of a batch beside each other.
        bounds: (K, 2) where in `rows` each batch begins and ends, in the order of training.
        loads: (K,) seconds that each takes with its padding.
    """

    rows: np.ndarray
    bounds: np.ndarray
    loads: np.ndarray


def plan_epoch(items: Sequence[Item], config: BatchingConfig, seed: int, epoch: int) -> list[list[str]]:
    """The batches of one training epoch, each a list of ids; see `arrange_epoch`.

    Raises:
        TrainingError: an utterance alone exceeds the seconds of a batch.
    """
    ordered = sorted(items, key=lambda item: item.id)  # the manifest's order must not matter
    names = [item.id for item in ordered]
    plan = arrange_epoch(np.array([item.seconds for item in ordered]), names, config, seed, epoch)
    return [[names[row] for row in plan.rows[begin:end]] for begin, end in plan.bounds]


def arrange_epoch(
    seconds: np.ndarray, names: Sequence[str], config: BatchingConfig, seed: int, epoch: int
) -> Arrangement:
    """The batches of one training epoch.

    In the first `shortest_first_epochs` epochs batches come in order of length (SortaGrad, Amodei et al. 2016): short
    utterances leave CTC's all-blank plateau first and pull the long ones along. Later epochs shuffle the batches, or
    runs of `together` batches of like length: processes that share such a run wait less for each other.

    Args:
        seconds: (N,) length of each utterance, in the order of their ids.
        names: (N,) those ids, to name one that is too long.
        config: bounds and order.
        seed: of the experiment.
        epoch: from 0.

    Raises:
        TrainingError: an utterance alone exceeds the seconds of a batch.
    """
    generator = generator_for(seed, "batches", epoch)
    _check_fits(names, seconds, config)
    jittered = seconds * (1 + config.buckets_jitter * generator.random(len(seconds)))
    order = np.argsort(jittered, kind="stable")
    batches = cut(seconds[order], config.seconds, config.utterances)
    if epoch >= config.shortest_first_epochs:
        batches = _shuffled(batches, config.together, generator)
    bounds = np.array(batches, dtype=np.int64).reshape(-1, 2)
    # The batches cover all rows without a gap, so each ends where the next in `rows` begins.
    firsts = np.sort(bounds[:, 0])
    longest = np.maximum.reduceat(seconds[order], firsts) if len(firsts) else seconds
    loads = longest[np.searchsorted(firsts, bounds[:, 0])] * (bounds[:, 1] - bounds[:, 0])
    return Arrangement(order.astype(np.min_scalar_type(len(order))), bounds, loads)


def plan_in_order(items: Sequence[Item], config: BatchingConfig) -> list[list[str]]:
    """Batches for inference: sorted by length, nothing random."""
    ordered = sorted(items, key=lambda item: (item.seconds, item.id))
    batches = cut(np.array([item.seconds for item in ordered]), config.seconds, config.utterances)
    return [[item.id for item in ordered[begin:end]] for begin, end in batches]


def cut(seconds: np.ndarray, most_seconds: float, most_utterances: int) -> list[tuple[int, int]]:
    """Cut a sequence of lengths into consecutive batches, greedily.

    Args:
        seconds: (N,) lengths.
        most_seconds: bound on longest x count of a batch; a single longer utterance makes a batch of its own.
        most_utterances: bound on the count.

    Returns:
        (begin, end) index pairs that cover 0..N.
    """
    batches: list[tuple[int, int]] = []
    begin, longest = 0, 0.0
    for index, length in enumerate(seconds.tolist()):
        longest = max(longest, length)
        count = index - begin + 1
        if count > 1 and (count > most_utterances or longest * count > most_seconds):
            batches.append((begin, index))
            begin, longest = index, length
    if begin < len(seconds):
        batches.append((begin, len(seconds)))
    return batches


def padded_seconds(items: Sequence[Item], plan: Sequence[Sequence[str]]) -> list[float]:
    """Seconds that each batch of a plan takes with its padding."""
    seconds = {item.id: item.seconds for item in items}
    return [max(seconds[name] for name in batch) * len(batch) for batch in plan]


def deal(loads: Sequence[float], ranks: int) -> list[int]:
    """Give batches to processes so that none works much longer than another.

    The longest batch goes first, each to the process with the least so far (Graham 1969, longest processing time).

    Args:
        loads: what each batch costs.
        ranks: number of processes.

    Returns:
        The rank of each batch; a pure function of the arguments, so that all processes agree without a word.
    """
    owners = [0] * len(loads)
    work = [(0.0, 0, rank) for rank in range(ranks)]
    for index in sorted(range(len(loads)), key=lambda index: (-loads[index], index)):
        done, batches, rank = heapq.heappop(work)
        owners[index] = rank
        heapq.heappush(work, (done + loads[index], batches + 1, rank))
    return owners


def _shuffled(plan: list[tuple[int, int]], together: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Shuffle whole runs of `together` batches; a shorter one stays last, so that the others begin at multiples."""
    whole = len(plan) - len(plan) % together
    runs = [plan[begin : begin + together] for begin in range(0, whole, together)]
    generator.shuffle(runs)
    return [batch for run in runs for batch in run] + plan[whole:]


def _check_fits(names: Sequence[str], seconds: np.ndarray, config: BatchingConfig) -> None:
    too_long = np.flatnonzero(seconds > config.seconds)
    if too_long.size:
        worst = int(too_long[np.argmax(seconds[too_long])])
        raise TrainingError(
            names[worst],
            f"is {seconds[worst]:.1f} s long, a batch holds {config.seconds:g} s ({too_long.size} such utterances)",
            "raise batching.seconds or drop them with 'asr validate --fix'",
        )


@dataclass(frozen=True)
class EpochPlan:
    """The batches of one epoch in order, with what the log says of them.

    Attributes:
        batches: each a list of ids, or whatever else the set's own `batches` takes for one; can be sliced from any
            position on.
        seconds: of audio in all.
        padding: share of the padded frames that is padding, 0..1.
        loads: seconds that each batch takes with its padding, by which processes share an update evenly.
        longest: number of the batch that takes most seconds with its padding.
        in_turns: processes take batches in turn instead, whatever their loads.
    """

    batches: Sequence[Any]
    seconds: float
    padding: float
    loads: Sequence[float] = ()
    longest: int = 0
    in_turns: bool = False


class NamedBatches(Sequence[list[str]]):
    """Batches as lists of ids, each made when it is asked for.

    Args:
        names: (N,) ids.
        rows: (N,) numbers of utterances, those of a batch beside each other.
        bounds: (K, 2) where in `rows` each batch begins and ends.
    """

    def __init__(self, names: Sequence[str], rows: np.ndarray, bounds: np.ndarray) -> None:
        self.names, self.rows, self.bounds = names, rows, bounds

    @classmethod
    def of(cls, names: Sequence[str], plan: Arrangement) -> NamedBatches:
        """The batches of an arrangement."""
        return cls(names, plan.rows, plan.bounds)

    def __len__(self) -> int:
        return len(self.bounds)

    @overload
    def __getitem__(self, chosen: int) -> list[str]: ...

    @overload
    def __getitem__(self, chosen: slice) -> NamedBatches: ...

    def __getitem__(self, chosen: int | slice) -> list[str] | NamedBatches:
        if isinstance(chosen, slice):
            return NamedBatches(self.names, self.rows, self.bounds[chosen])
        begin, end = self.bounds[chosen]
        return [self.names[row] for row in self.rows[begin:end].tolist()]


class Chosen(Sequence[Any]):
    """Some batches of a plan.

    Args:
        batches: of the plan.
        places: of those that are meant, in order.
    """

    def __init__(self, batches: Sequence[Any], places: Sequence[int]) -> None:
        self.batches, self.places = batches, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, chosen: int) -> Any: ...

    @overload
    def __getitem__(self, chosen: slice) -> Chosen: ...

    def __getitem__(self, chosen: int | slice) -> Any:
        if isinstance(chosen, slice):
            return Chosen(self.batches, self.places[chosen])
        return self.batches[self.places[chosen]]


SET_ORDER = "set 1"  # `batching.arrange_epoch` over the utterances of a set in the order of their ids

SHARDS_ORDER = "shards 2"  # `StreamPlan`; 1 jittered small windows as much as large ones and counted all speeds


def require_order(found: str, wanted: str, path: Path) -> None:
    """Refuse to go on in the middle of a plan that is another one now: utterances would be left out or heard twice.

    Args:
        found: order that the checkpoint was trained in.
        wanted: order of the training set as it is read now.
        path: of the checkpoint.

    Raises:
        CheckpointError: they differ.
    """
    if found == wanted:
        return
    reason = f"was trained on batches in order '{found}', and now they come in order '{wanted}'"
    remedy = "finish with the version of asr and the way of reading (shards or not) that it was begun with, or begin "
    raise CheckpointError(
        path, reason, remedy + "again in another --exp folder, with --init from its model if it has one"
    )
