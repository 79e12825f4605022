"""An evaluation as plain data for JSON: rates as fractions, infinite rates as null."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from asr.files import atomic_write
from asr.scoring.evaluate import Evaluation, System
from asr.scoring.rates.alignment import COSTS
from asr.scoring.rates.wer import Totals
from asr.scoring.statistics.bootstrap import Interval
from asr.scoring.statistics.breakdown import Group, most_different
from asr.scoring.statistics.keywords import Found, Keywords


def as_data(evaluation: Evaluation, alignments: bool = False) -> dict[str, Any]:
    """Everything in an evaluation.

    Args:
        evaluation: what to describe.
        alignments: whether each utterance comes with its alignment.
    """
    substitution, deletion, insertion = COSTS[evaluation.options.costs]
    profile = evaluation.systems[0].score.profile
    by_name = {system.score.name: system.score for system in evaluation.systems}
    return {
        "reference": evaluation.ref,
        "unit": evaluation.options.unit,
        "normalisation": {"name": profile.name, "version": profile.version, "hash": profile.digest},
        "costs": {"match": 0, "insertion": insertion, "deletion": deletion, "substitution": substitution},
        "bootstrap": {"resamples": evaluation.options.resamples, "seed": evaluation.options.seed, "level": 0.95},
        "systems": [_system(system, alignments) for system in evaluation.systems],
        "comparisons": [
            plain(asdict(pair)) | {"most_different": most_different(by_name[pair.a], by_name[pair.b])}
            for pair in evaluation.comparisons
        ],
    }


def write_json(evaluation: Evaluation, path: str | Path, alignments: bool = False) -> None:
    """Write `as_data` to a file, or to standard output for "-"."""
    write_data(as_data(evaluation, alignments), path)


def write_data(data: dict[str, Any], path: str | Path) -> None:
    """Write plain data as JSON to a file, or to standard output for "-"."""
    if str(path) == "-":
        plain_letters = not _takes_unicode(sys.stdout)
        sys.stdout.write(json.dumps(data, ensure_ascii=plain_letters, indent=1, allow_nan=False) + "\n")
        return
    with atomic_write(path) as stream:
        json.dump(data, stream, ensure_ascii=False, indent=1, allow_nan=False)
        stream.write("\n")


def _takes_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")


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
        "word_boundaries": plain(system.boundaries),
        "hints": plain(system.hints),
        "keywords": _keywords(system.keywords) if system.keywords else None,
        "oracle": {str(depth): plain(totals) for depth, totals in system.oracle.items()},
        "calibration": plain(system.calibration),
        "per_utterance": _utterances(system, alignments),
    }


def _keywords(spotted: Keywords) -> dict[str, Any]:
    def rates(found: Found) -> dict[str, Any]:
        return {**found._asdict(), "precision": found.precision, "recall": found.recall, "f": found.f}

    intervals = {"precision": spotted.precision, "recall": spotted.recall, "f": spotted.f}
    each = [{"keyword": keyword, **rates(found)} for keyword, found in spotted.each]
    return {**rates(spotted.total), "intervals": plain(intervals), "each": each, "absent": spotted.absent}


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
        return plain(asdict(value) | {"too_few": value.doubtful})
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
