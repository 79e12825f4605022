"""The batches of one epoch as training sees them: who is in a batch is looked up when it is its turn.

Shapes: N utterances, K batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from asr.batching import Arrangement


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
