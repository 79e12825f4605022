"""An evaluation as plain data for JSON: rates as fractions, infinite rates as null."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asr.files import atomic_write
from asr.scoring.evaluate import Evaluation, System
from asr.scoring.rates.alignment import COSTS
from asr.scoring.rates.wer import Totals
from asr.scoring.statistics.bootstrap import Interval
from asr.scoring.statistics.breakdown import Group, most_different


def as_data(evaluation: Evaluation, alignments: bool = False) -> dict[str, Any]:
    """Everything in an evaluation.

    Args:
        evaluation: what to describe.
        alignments: whether each utterance comes with its alignment.
    """
    substitution, deletion, insertion = COSTS[evaluation.options.costs]
    by_name = {system.score.name: system.score for system in evaluation.systems}
    return {
        "reference": evaluation.ref,
        "unit": evaluation.options.unit,
        "normalisation": evaluation.systems[0].score.profile.name,
        "costs": {"match": 0, "insertion": insertion, "deletion": deletion, "substitution": substitution},
        "bootstrap": {"resamples": evaluation.options.resamples, "seed": evaluation.options.seed, "level": 0.95},
        "systems": [_system(system, alignments) for system in evaluation.systems],
        "comparisons": [
            plain(asdict(pair)) | {"most_different": most_different(by_name[pair.a], by_name[pair.b])}
            for pair in evaluation.comparisons
        ],
    }


def write_json(evaluation: Evaluation, path: str | Path, alignments: bool = False) -> None:
    """Write `as_data` to a file."""
    with atomic_write(path) as stream:
        json.dump(as_data(evaluation, alignments), stream, ensure_ascii=False, indent=1, allow_nan=False)
        stream.write("\n")


def _system(system: System, alignments: bool) -> dict[str, Any]:
    score = system.score
    macro = {"utterances": {"rate": score.macro, "interval": plain(system.macro_utterance)}}
    if system.macro_speaker:
        macro["speakers"] = {"rate": system.macro_speaker[0], "interval": plain(system.macro_speaker[1])}
    return {
        "name": score.name,
        **plain(score.totals),
        "interval": {"by_utterance": plain(system.by_utterance), "by_speaker": plain(system.by_speaker)},
        "macro": macro,
        "utterances": len(score),
        "utterances_wrong": score.sentence_errors,
        "sentence_error_rate": score.sentence_error_rate,
        "missing": score.missing,
        "breakdowns": {name: plain(groups) for name, groups in system.breakdowns.items()},
        "lengths": plain(system.lengths),
        "substitution_pairs": plain(system.substitutions),
        "deleted": plain(system.deletions),
        "inserted": plain(system.insertions),
        "unknown_words": plain(system.unknown),
        "oracle": {str(depth): plain(totals) for depth, totals in system.oracle.items()},
        "calibration": plain(system.calibration),
        "per_utterance": _utterances(system, alignments),
    }


def _utterances(system: System, alignments: bool) -> list[dict[str, Any]]:
    score, rows = system.score, []
    for n, key in enumerate(score.ids):
        hits, subs, dels, ins = map(int, score.counts[n])
        row: dict[str, Any] = {"id": key, "hits": hits, "sub": subs, "del": dels, "ins": ins}
        row |= {"ref": score.refs[n], "hyp": score.hyps[n]}
        if alignments:
            row["alignment"] = [list(pair) for pair in score.alignments.pairs(n)]
        rows.append(row)
    return rows


def plain(value: Any) -> Any:
    """The same as dictionaries, lists, numbers and strings; numbers that JSON has no word for become null."""
    if isinstance(value, Totals):
        counts = {name: getattr(value, name) for name in Totals.__slots__}
        rates = {"rate": value.rate, "match_error": value.match_error, "information_lost": value.information_lost}
        return plain(counts | {"errors": value.errors, "reference": value.reference} | rates)
    if isinstance(value, Interval):
        return plain(asdict(value))
    if isinstance(value, Group):
        rest = {"name": value.name, "utterances": value.utterances, "wrong": value.wrong}
        return {**rest, **plain(value.totals), "interval": plain(value.interval)}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
