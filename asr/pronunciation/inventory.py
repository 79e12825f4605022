"""Which phones a model has: what espeak-ng says brought onto CMUdict's phones, and rare phones merged.

A phone that training hears a few dozen times teaches nothing: it becomes the common phone that is nearest, or several.
Every decision can be printed.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from asr.pronunciation.arpabet import ENGLISH

Pronunciation = tuple[str, ...]

# What a phone becomes where it is not in the inventory: the first line that leads into it counts.
NEAREST: dict[str, tuple[Pronunciation, ...]] = {
    "ɐ": (("ə",), ("a",), ("ʌ",)), "ᵻ": (("ɪ",), ("i",)), "ʔ": (("t",),), "ɾ": (("t",), ("ɹ",), ("r",)),
    "r": (("ɹ",), ("ʁ",)), "ɹ": (("r",),), "ʁ": (("r",), ("ɹ",)), "ʀ": (("ʁ",), ("r",)),
    "ɜ": (("ɚ",), ("ə",)), "ɝ": (("ɚ",),), "ɚ": (("ə", "ɹ"), ("ə",)), "ɒ": (("ɑ",), ("ɔ",)), "ɔ": (("ɒ",), ("o",)),
    "a": (("æ",), ("ɑ",)), "æ": (("ɛ",), ("a",)), "ɑ": (("a",),), "e": (("eɪ",), ("ɛ",)), "ɛ": (("e",),),
    "o": (("oʊ",), ("ɔ",)), "oː": (("ɔ",), ("o",)), "y": (("u",), ("i",)), "ʏ": (("y",), ("ʊ",)),
    "ø": (("œ",), ("e",)), "œ": (("ø",), ("ɛ",)), "ɨ": (("ɪ",), ("i",)), "ɯ": (("u",),), "ɪ": (("i",),),
    "ʊ": (("u",),), "ʌ": (("ə",), ("a",)), "ə": (("ʌ",), ("e",)), "iə": (("i", "ə"),), "ɪə": (("ɪ", "ə"),),
    "eə": (("ɛ", "ə"),), "ʊə": (("ʊ", "ə"),), "əl": (("ə", "l"),), "l̩": (("ə", "l"),), "n̩": (("ə", "n"),),
    "m̩": (("ə", "m"),), "aɪɚ": (("aɪ", "ɚ"),), "aɪə": (("aɪ", "ə"),), "aʊɚ": (("aʊ", "ɚ"),), "ɑ̃": (("ɑ", "n"),),
    "ɔ̃": (("ɔ", "n"),), "æ̃": (("æ", "n"),), "ɛ̃": (("ɛ", "n"),), "x": (("k",), ("h",)), "χ": (("x",),),
    "ç": (("x",), ("h",), ("ʃ",)), "ɣ": (("ɡ",), ("x",)), "β": (("b",), ("v",)), "ɬ": (("l",),), "ɫ": (("l",),),
    "ʎ": (("l", "j"), ("j",)), "ɲ": (("n", "j"), ("n",)), "ŋ": (("n",),), "ɡ": (("g",),), "g": (("ɡ",),),
    "ʒ": (("ʃ",), ("z",)), "θ": (("s",), ("t",)), "ð": (("z",), ("d",)), "ts": (("t", "s"),), "pf": (("p", "f"),),
    "tʃ": (("t", "ʃ"),), "dʒ": (("d", "ʒ"),), "ɕ": (("ʃ",),), "ʑ": (("ʒ",),), "ʂ": (("ʃ",),), "ʐ": (("ʒ",),),
    "ɦ": (("h",),), "ɥ": (("j",), ("w",)), "w": (("v",), ("u",)), "q": (("k",),), "c": (("k",),), "ɟ": (("ɡ",),),
    "ʋ": (("v",), ("w",)), "ɽ": (("ɹ",), ("r",)), "ʈ": (("t",),), "ɖ": (("d",),), "ɭ": (("l",),), "ɳ": (("n",),),
}  # fmt: skip


@dataclass
class Decisions:
    """What became of phones that are not in an inventory.

    Attributes:
        made: phone -> what it became; itself where nothing was near.
        counts: phone -> how often it was met.
    """

    made: dict[str, Pronunciation] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """A line each, the most frequent first."""
        return [
            f"{phone} -> {' '.join(self.made[phone])} ({count} times)"
            if self.made[phone]
            else f"{phone}: nothing near it ({count} times)"
            for phone, count in self.counts.most_common()
        ]


def nearest(phone: str, inventory: Collection[str]) -> Pronunciation:
    """What a phone becomes: itself, without its marks, by the table, or in parts; () where nothing is near.

    >>> nearest("aɪɚ", {"aɪ", "ɚ"})
    ('aɪ', 'ɚ')
    """
    if phone in inventory:
        return (phone,)
    return _by_table(phone, inventory, set()) or _in_parts(phone, inventory)


def _by_table(phone: str, inventory: Collection[str], seen: set[str]) -> Pronunciation:
    """By the table or without length, nasality, palatalisation and other marks; follows several steps."""
    if phone in inventory:
        return (phone,)
    if phone in seen:
        return ()
    seen = seen | {phone}
    bare = _without_marks(phone)
    candidates = [*NEAREST.get(phone, ()), *([(bare,)] if bare != phone else [])]
    for candidate in candidates:
        found = [_by_table(part, inventory, seen) for part in candidate]
        if all(found):
            return tuple(symbol for part in found for symbol in part)
    return ()


def _without_marks(phone: str) -> str:
    kept = [c for c in unicodedata.normalize("NFD", phone) if unicodedata.category(c) not in ("Mn", "Lm", "Sk")]
    return unicodedata.normalize("NFC", "".join(kept))


def _in_parts(phone: str, inventory: Collection[str]) -> Pronunciation:
    """Cut from the left into the longest parts that the inventory or the table knows; () where a part is unknown."""
    parts: list[str] = []
    rest = phone
    while rest:
        for size in range(len(rest), 0, -1):
            found = _by_table(rest[:size], inventory, set())
            if found:
                parts += found
                rest = rest[size:]
                break
        else:
            if unicodedata.category(rest[0]) not in ("Mn", "Lm", "Sk"):
                return ()
            rest = rest[1:]
    return tuple(parts)


def fit(said: Sequence[str], inventory: Collection[str], decisions: Decisions, times: int = 1) -> Pronunciation:
    """A pronunciation in the phones of an inventory, its changes noted; () where a phone has no place in it.

    Args:
        said: phones.
        inventory: those there are.
        decisions: notes what is changed.
        times: how often the word occurs.
    """
    fitted: list[str] = []
    for phone in said:
        if phone in inventory:
            fitted.append(phone)
            continue
        if phone not in decisions.made:
            decisions.made[phone] = nearest(phone, inventory)
        decisions.counts[phone] += times
        if not decisions.made[phone]:
            return ()
        fitted += decisions.made[phone]
    return tuple(fitted)


def english(said: Sequence[str]) -> Pronunciation:
    """espeak-ng's English phones as CMUdict's; a phone that has no place stays as it is."""
    return tuple(symbol for phone in said for symbol in (nearest(phone, ENGLISH) or (phone,)))


def common_phones(counts: Mapping[str, int], least: int) -> set[str]:
    """The phones that occur often enough to be learnt, and of the others those that are near to none of them."""
    common = {phone for phone, count in counts.items() if count >= least}
    return common | {phone for phone in counts if not nearest(phone, common)}
