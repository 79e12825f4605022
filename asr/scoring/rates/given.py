"""What a caller hands over as texts: strings, token lists, bytes, columns with missing values. Refused or right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from asr.errors import ScoringError

Texts = str | bytes | Iterable[Any] | Mapping[str, Any]
MISSING_TYPES = {"NAType", "NaTType", "NoneType"}
"""pandas' own missing values, by name: pandas is no dependency."""


def keyed(refs: Texts, hyps: Texts) -> tuple[dict[str, str], dict[str, str]]:
    """Both sides as id -> text; texts in order get their position as id. A missing hypothesis is left out.

    Args:
        refs, hyps: id -> text, or texts in order. A text is a string, UTF-8 bytes, or a list or tuple of words; None,
            NaN and pandas' NA are missing.

    Raises:
        ScoringError: only one side has ids, the numbers of texts differ, a reference is missing, or a text is none.
    """
    if isinstance(refs, Mapping) != isinstance(hyps, Mapping):
        raise ScoringError("references and hypotheses", "only one side has ids", "give both as dict or both as list")
    if isinstance(refs, Mapping) and isinstance(hyps, Mapping):
        return _side("reference", refs, False), _side("hypothesis", hyps, True)
    ref_list, hyp_list = _in_order(refs), _in_order(hyps)
    if len(ref_list) != len(hyp_list):
        raise ScoringError(
            "references and hypotheses",
            f"are {len(ref_list)} and {len(hyp_list)} texts",
            "give one hypothesis for each reference, or key both by id",
        )
    ids = [str(position) for position in range(len(ref_list))]
    return (
        _side("reference", dict(zip(ids, ref_list, strict=True)), False),
        _side("hypothesis", dict(zip(ids, hyp_list, strict=True)), True),
    )


def _in_order(texts: Texts) -> list[Any]:
    return [texts] if isinstance(texts, str | bytes) else list(texts)


def _side(side: str, texts: Mapping[str, Any], may_lack: bool) -> dict[str, str]:
    if all(type(text) is str for text in texts.values()):  # nearly always, and quick
        return texts if isinstance(texts, dict) else dict(texts)
    found: dict[str, str] = {}
    for key, text in texts.items():
        if not _missing(text):
            found[key] = _text(f"{side} {key}", text)
        elif not may_lack:
            remedy = "leave the utterance out of both sides, or give an empty text where nothing was said"
            raise ScoringError(f"{side} {key}", f"is missing ({text})", remedy)
    return found


def _missing(text: object) -> bool:
    return type(text).__name__ in MISSING_TYPES or (isinstance(text, float) and text != text)


def _text(where: str, text: object) -> str:
    if isinstance(text, str):
        return str(text)
    if isinstance(text, bytes):
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            raise ScoringError(where, "is not UTF-8", "decode the bytes first") from None
    if isinstance(text, list | tuple) and all(isinstance(word, str) for word in text):
        return " ".join(text)
    remedy = "give a string or a list of words; read columns of digits as text"
    raise ScoringError(where, f"is {type(text).__name__} {str(text)[:40]!r} and no text", remedy)
