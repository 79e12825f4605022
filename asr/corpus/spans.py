"""Where the audio of each utterance of a set lies, in a hundred bytes an utterance.

Shapes: N utterances.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import Generic, TypeVar

import numpy as np

from asr.corpus.utterance import Utterance
from asr.packed import IdLookup, PackedStrings, Packer, as_array, repeats

Value = TypeVar("Value")


class FewValues(Generic[Value]):
    """A column of rows with few different values, each of which is kept once: four bytes a row.

    Attributes:
        values: the different ones.
        rows: (N,) which of them each row has; filled by `append`.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.rows = array("I")
        self._numbers: dict[Value, int] = {}

    def append(self, value: Value) -> None:
        """Add a row."""
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        self.rows.append(number)

    def __getitem__(self, row: int) -> Value:
        return self.values[self.rows[row]]

    def take(self, rows: np.ndarray) -> FewValues[Value]:
        """Chosen rows in another order."""
        taken: FewValues[Value] = FewValues()
        taken.values, taken._numbers = self.values, self._numbers
        taken.rows = array("I", as_array(self.rows)[rows].astype(np.uint32).tobytes())
        return taken


class Spans:
    """Recording, start, duration, channel and speaker of utterances, in the order of their set.

    Of a doubled id the last utterance counts, at the place of the first.

    Args:
        utterances: the set; gone through once. Their texts are not kept.

    Attributes:
        names: (N,) ids.
        durations: (N,) in seconds.
    """

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        names, files, starts, durations = Packer(255), Packer(255), array("d"), array("d")
        self._folders: FewValues[str] = FewValues()
        self._channels: FewValues[int | None] = FewValues()
        self._speakers: FewValues[str] = FewValues()
        for utterance in utterances:
            folder, slash, file = utterance.audio.rpartition("/")
            names.append_text(utterance.id)
            files.append_text(file)
            self._folders.append(folder + slash)
            self._channels.append(utterance.channel)
            self._speakers.append(utterance.speaker)
            starts.append(utterance.start)
            durations.append(utterance.duration)
        self.names, self._files = PackedStrings(names.rows()), PackedStrings(files.rows())
        self._starts, self.durations = as_array(starts), as_array(durations)
        if again := repeats(self.names):
            self._keep_last(again)
        self._lookup = IdLookup.of(self.names)

    def _keep_last(self, again: list[int]) -> None:
        lasts = {self.names[row]: row for row in again}
        rows = np.delete(np.arange(len(self.names)), again)
        for place, row in enumerate(rows.tolist()):
            rows[place] = lasts.get(self.names[row], row)
        self.names, self._files = self.names.take(rows), self._files.take(rows)
        self._starts, self.durations = self._starts[rows], self.durations[rows]
        self._folders, self._channels = self._folders.take(rows), self._channels.take(rows)
        self._speakers = self._speakers.take(rows)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._lookup.number(name) is not None

    def number(self, name: str) -> int:
        """Place of an utterance in the set.

        Raises:
            KeyError: there is none of that id.
        """
        number = self._lookup.number(name)
        if number is None:
            raise KeyError(name)
        return number

    def audio(self, number: int) -> str:
        """Path of an utterance's recording."""
        return self._folders[number] + self._files[number]

    def speaker(self, name: str) -> str:
        """Who said it; "" when unknown."""
        return self._speakers[self.number(name)]

    def utterance(self, number: int) -> Utterance:
        """An utterance without its text."""
        return Utterance(
            self.names[number],
            self.audio(number),
            float(self._starts[number]),
            float(self.durations[number]),
            self._channels[number],
            speaker=self._speakers[number],
        )

    def by_speaker(self) -> Iterator[tuple[str, np.ndarray]]:
        """Speakers in the order of their first utterances, and the ascending numbers of all of each."""
        speaking = as_array(self._speakers.rows).astype(np.int64)
        order = np.argsort(speaking, kind="stable")
        begins = np.flatnonzero(np.diff(speaking[order], prepend=-1)).tolist()
        groups = [order[begin:end] for begin, end in pairwise([*begins, len(order)])]
        for numbers in sorted(groups, key=lambda group: int(group[0])):
            yield self._speakers[int(numbers[0])], numbers

    def recordings(self) -> Iterator[tuple[str, str]]:
        """Each recording once, in the order of the set, with the id of its first utterance."""
        order = self._files.order()
        order = order[np.argsort(as_array(self._folders.rows)[order], kind="stable")]
        firsts = [next(rows) for _, rows in groupby(order.tolist(), self.audio)]
        for row in sorted(firsts):
            yield self.audio(row), self.names[row]
