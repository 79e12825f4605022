"""What a set keeps of each utterance: id, labels and how many frames these need, in little more than their letters.

Utterances pass by one at a time, so that a manifest is never in memory as objects, however long it is.

Shapes: N utterances.
"""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from asr.corpus.utterance import Utterance
from asr.errors import TrainingError, UnitsError
from asr.packed import PackedRows, PackedStrings, Packer, as_array
from asr.units import Units, required_frames

LOGGER = logging.getLogger("asr")
PHONES = "phones"  # field of a manifest: what was said, chosen among the pronunciations of the words


@dataclass(frozen=True)
class SetRows:
    """Utterances in the order of their ids; of a doubled id the last one counts.

    Attributes:
        names: (N,) ids, ascending.
        labels: (N,) targets; empty where a text is outside the units.
        needed: (N,) output frames that CTC needs for them.
        outside: (N,) whether a text is outside the units.
        speakers: how many different ones.
        synthetic: whether an utterance says it is.
    """

    names: PackedStrings
    labels: PackedRows
    needed: np.ndarray
    outside: np.ndarray
    speakers: int
    synthetic: bool

    @classmethod
    def of(cls, utterances: Iterable[Utterance], units: Units, *, strict: bool) -> SetRows:
        """Keep what is needed of some utterances, which are gone through once.

        Raises:
            UnitsError: a text is outside the units (where that is `strict`).
        """
        names, labels = Packer(255), Packer(len(units))
        needed, outside, speakers, synthetic = array("I"), bytearray(), set(), False
        for utterance in utterances:
            target = spell(utterance, units, strict=strict)
            names.append_text(utterance.id)
            labels.append(target or ())
            needed.append(required_frames(target or ()))
            outside.append(target is None)
            speakers.add(utterance.speaker)
            synthetic = synthetic or bool(utterance.extra.get("synthetic"))
        strings = PackedStrings(names.rows())
        return cls(
            strings, labels.rows(), as_array(needed), np.frombuffer(outside, np.bool_), len(speakers), synthetic
        )._sorted()

    def _sorted(self) -> SetRows:
        order = self.names.order()
        last = np.ones(len(order), dtype=bool)
        last[:-1] = [name != following for name, following in pairwise(self.names.take(order))]
        kept = order[last]
        if np.array_equal(kept, np.arange(len(self.names))):
            return self
        if len(kept) < len(order):
            again = next(name for name, following in pairwise(self.names.take(order)) if name == following)
            LOGGER.warning("%d ids stand twice, %s first; the last utterance counts", len(order) - len(kept), again)
        names, labels = self.names.take(kept), self.labels.take(kept)
        return SetRows(names, labels, self.needed[kept], self.outside[kept], self.speakers, self.synthetic)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        number = bisect_left(self.names, name) if isinstance(name, str) else len(self)
        return number < len(self) and self.names[number] == name

    def row(self, name: str) -> int:
        """Number of an utterance.

        Raises:
            KeyError: there is none of that id.
        """
        number = bisect_left(self.names, name)
        if number == len(self) or self.names[number] != name:
            raise KeyError(name)
        return number

    def target(self, name: str) -> list[int] | None:
        """Labels of an utterance; None where its text is outside the units."""
        row = self.row(name)
        labels: list[int] = self.labels[row].tolist()
        return None if self.outside[row] else labels


def spell(utterance: Utterance, units: Units, *, strict: bool) -> list[int] | None:
    """Labels of an utterance; None where the text is outside the units and that may be.

    Of phones, those that the utterance names (`phones` in the manifest, see `asr align --phones`) rather than the first
    pronunciation of each word.
    """
    try:
        if units.kind == "phones" and PHONES in utterance.extra:
            return units.ids_of_phones(str(utterance.extra[PHONES]))
        return units.encode(utterance.text)
    except UnitsError as error:
        if strict:
            raise UnitsError(utterance.id, error.reason, "run 'asr validate --units' and correct the text") from None
        return None


def check_feasible(identifiers: Sequence[str], frames: Sequence[int], targets: Sequence[Sequence[int]]) -> None:
    """Refuse targets that cannot fit their output frames; their loss would be infinite.

    Raises:
        TrainingError: lists the offending utterances.
    """
    offenders = [
        f"{identifier} ({have} frames, needs {need})"
        for identifier, have, target in zip(identifiers, frames, targets, strict=True)
        if have < (need := required_frames(target))
    ]
    if offenders:
        shown = ", ".join(offenders[:10]) + (f" and {len(offenders) - 10} more" if len(offenders) > 10 else "")
        raise TrainingError(
            f"{len(offenders)} utterance(s)",
            f"cannot emit their text in their output frames: {shown}",
            "drop them with 'asr validate --fix' or lower model.time_reduction",
        )
