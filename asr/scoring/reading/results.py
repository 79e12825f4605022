"""A result that `asr score --json` wrote, read as a system to compare with: only where it was measured alike."""

from __future__ import annotations

import json
from typing import Any

from asr.errors import ScoringError
from asr.scoring.rates.alignment import COSTS
from asr.scoring.reading.transcripts import Transcripts
from asr.scoring.text.normalisation import Profile


def result_document(content: str) -> dict[str, Any] | None:
    """The result where the content is one."""
    if not content.lstrip().startswith("{") or '"per_utterance"' not in content:
        return None
    try:
        document = json.loads(content)
    except (json.JSONDecodeError, RecursionError):
        return None
    wanted = ("systems", "normalisation", "unit", "costs")
    return document if isinstance(document, dict) and all(name in document for name in wanted) else None


def earlier_hypotheses(
    source: str, document: dict[str, Any], refs: Transcripts, profile: Profile, unit: str, costs: str, markup: bool
) -> Transcripts:
    """The hypotheses of an earlier result, normalised as they were then.

    Args:
        source: the file's name, for messages.
        document: of `result_document`.
        refs: the references of today.
        profile, unit, costs, markup: how today's systems are scored.

    Raises:
        ScoringError: it was measured with other rules, unit, costs or references, or holds several systems.
    """
    try:
        then, found = document["normalisation"], document["systems"]
        digest, label = then["hash"], f"{then['name']} {then['version']} ({then['hash']})"
        rows, missing = found[0]["per_utterance"], set(found[0]["missing"])
        texts = {row["id"]: (row["ref"], row["hyp"]) for row in rows}
        same_costs = (
            tuple(document["costs"][name] for name in ("substitution", "deletion", "insertion")) == COSTS[costs]
        )
    except (KeyError, IndexError, TypeError) as error:
        raise ScoringError(source, f"is no whole result ({error!r})", "write it anew with asr score --json") from None
    remedy = "score the hypotheses of then anew, in the same way"
    if digest != profile.digest:
        raise ScoringError(source, f"was normalised by other rules, {label} and not {profile.label}", remedy)
    if document["unit"] != unit or not same_costs:
        raise ScoringError(source, "was scored by another unit or at other alignment costs", remedy)
    if len(found) != 1:
        raise ScoringError(source, f"holds {len(found)} systems", "write a result for each")
    strange = [key for key, (ref, _) in texts.items() if not markup and profile.apply(refs.texts.get(key, "")) != ref]
    if strange or texts.keys() != refs.texts.keys():
        where = f", first in {strange[0]}" if strange else ""
        raise ScoringError(source, f"was scored against other references{where}", remedy)
    changed = [key for key, (_, hyp) in texts.items() if profile.apply(hyp) != hyp]
    if changed:
        raise ScoringError(source, f"changes when it is normalised again, first in {changed[0]}", remedy)
    return Transcripts(source, {key: hyp for key, (_, hyp) in texts.items() if key not in missing})
