"""A known text in the units of a model, or the names of the words that cannot be written in them."""

from __future__ import annotations

from asr.errors import UnitsError
from asr.units import Units

SHOWN = 10  # words named in an error


def spell(text: str, units: Units, subject: str = "text") -> list[int]:
    """Unit ids of a text; unlike `Units.encode` no word becomes the unknown unit.

    Args:
        text: words separated by white space.
        units: of the acoustic model.
        subject: named in the error, for example the utterance id.

    Raises:
        UnitsError: words cannot be spelled; each is named.
    """
    bad = [word for word in dict.fromkeys(text.split()) if not _can_be_spelled(word, units)]
    if bad:
        named = " ".join(map(repr, bad[:SHOWN])) + (f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else "")
        reason = f"holds {named}, which the units of the model cannot spell"
        raise UnitsError(subject, reason, "write the text as the training texts are written, in case and in spelling")
    return units.encode(text)


def _can_be_spelled(word: str, units: Units) -> bool:
    try:
        tokens = units.encode(word)
    except UnitsError:
        return False
    return units.unknown is None or units.unknown not in tokens
