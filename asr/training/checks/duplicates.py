"""What tells the utterances of a set apart, in some fifty bytes each: ids, and hashes of audio, sound and text.

Two different things have one hash once in 2^64 pairs, so what is found by hashes is good for a warning.

Shapes: N utterances.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from asr.corpus.utterance import Utterance
from asr.features.store import FeatureStore
from asr.packed import PackedStrings, Packer, as_array, id_hash


@dataclass(frozen=True)
class SetDigest:
    """A set that has passed by, in its order.

    Attributes:
        names: (N,) ids.
        texts: (N,) hashes of the texts.
        spoken: (N,) whether there is a text.
        said: (N,) hashes of speaker and text together.
        by_known: (N,) whether there is a text and its speaker is known.
        spans: (N,) hashes of recording, start, duration and channel.
        sounds: (N,) frames and checksum of the stored features, in one number; 0 without features.
    """

    names: PackedStrings
    texts: np.ndarray
    spoken: np.ndarray
    said: np.ndarray
    by_known: np.ndarray
    spans: np.ndarray
    sounds: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def audio_twins(self) -> list[tuple[int, int]]:
        """Rows with the audio of an earlier row, which comes second: the same span of a file, or else its features."""
        rows = np.arange(len(self))
        by_span = first_rows(self.spans, np.ones(len(self), dtype=bool))
        earlier = np.where(by_span == rows, first_rows(self.sounds, self.sounds != 0), by_span)
        found = np.flatnonzero(earlier != rows).tolist()
        return [(row, int(earlier[row])) for row in found if self.names[row] != self.names[int(earlier[row])]]

    def sounding_as(self, other: SetDigest) -> list[tuple[int, int]]:
        """Rows, and with each the last row of another set that has its features."""
        common = np.isin(self.sounds, other.sounds) & (self.sounds != 0)
        wanted = np.flatnonzero(np.isin(other.sounds, self.sounds[common]))
        last = {int(other.sounds[row]): row for row in wanted.tolist()}
        return [(row, last[int(self.sounds[row])]) for row in np.flatnonzero(common).tolist()]

    def repeated_texts(self) -> tuple[int, int, int]:
        """Utterances whose speaker says their text more than once, most times of one text, and its first row."""
        rows = np.flatnonzero(self.by_known)
        _, firsts, counts = np.unique(self.said[rows], return_index=True, return_counts=True)
        most = int(counts.max(initial=0))
        first = int(rows[firsts[counts == most].min()]) if most else -1
        return int(counts[counts > 1].sum()), most, first


class SetDigester:
    """Takes note of utterances as they pass by."""

    def __init__(self) -> None:
        self._names, self._spoken, self._by_known = Packer(255), bytearray(), bytearray()
        self._texts, self._said, self._spans, self._sounds = (array("Q") for _ in range(4))

    def observe(self, utterance: Utterance, store: FeatureStore | None) -> None:
        """Take note of one utterance and of its features where a store has them."""
        each = utterance
        self._names.append_text(each.id)
        self._texts.append(id_hash(each.text))
        self._spoken.append(bool(each.text))
        self._said.append(id_hash(f"{each.speaker}\0{each.text}"))
        self._by_known.append(bool(each.speaker and each.text))
        self._spans.append(id_hash(f"{each.audio}\0{each.start!r}\0{each.duration!r}\0{each.channel}"))
        self._sounds.append(sound(each.id, store) if store is not None and each.id in store else 0)

    def finish(self) -> SetDigest:
        """All that was observed; nothing can be added any more."""
        return SetDigest(
            PackedStrings(self._names.rows()),
            as_array(self._texts),
            np.frombuffer(self._spoken, np.bool_),
            as_array(self._said),
            np.frombuffer(self._by_known, np.bool_),
            as_array(self._spans),
            as_array(self._sounds),
        )


def sound(name: str, store: FeatureStore) -> int:
    """Frames and checksum: equal for equal features, and otherwise once in four thousand million pairs; never 0."""
    return ((store.frames(name) + 1) << 32 | store.checksum(name)) % 2**64


def first_rows(keys: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(N,) for each chosen row the first chosen one of the same key, for any other the row itself.

    Args:
        keys: (N,).
        chosen: (N,) bool.
    """
    found, rows = np.arange(len(keys)), np.flatnonzero(chosen)
    _, firsts, groups = np.unique(keys[rows], return_index=True, return_inverse=True)
    found[rows] = rows[firsts[groups]]
    return found
