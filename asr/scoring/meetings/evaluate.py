"""From two files of meetings to rates of each session and of all. What `asr score --meeting` calls."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import ScoringError, UsageError
from asr.scoring.meetings.diarisation import Diarisation, diarisation_errors
from asr.scoring.meetings.distance import Errors
from asr.scoring.meetings.rates import COLLAR, SpeakerErrors, cp_errors, orc_errors, tcp_errors
from asr.scoring.meetings.segments import Turn, by_session, read_turns
from asr.scoring.reading.readers import listed
from asr.scoring.text.normalisation import Profile, named_profile

log = logging.getLogger("asr")
MEASURES = {"cp": "cpWER", "tcp": "tcpWER", "orc": "ORC-WER", "der": "DER"}


@dataclass(frozen=True)
class SessionRates:
    """The measures of one session, or of all; None where a measure was not asked for."""

    cp: SpeakerErrors | None = None
    tcp: SpeakerErrors | None = None
    orc: Errors | None = None
    der: Diarisation | None = None


@dataclass(frozen=True)
class MeetingEvaluation:
    """Rates of each session and of all together; `missing` sessions have no hypothesis and count as deletions."""

    reference: str
    hypothesis: str
    profile: Profile
    collar: float
    der_collar: float
    sessions: dict[str, SessionRates]
    total: SessionRates
    missing: list[str]


def evaluate_meetings(
    ref: str | Path,
    hyp: str | Path,
    measures: Sequence[str] = ("cp", "tcp", "orc"),
    *,
    collar: float = COLLAR,
    der_collar: float = 0.0,
    profile: str | Profile = "none",
    ref_format: str | None = None,
    hyp_format: str | None = None,
) -> MeetingEvaluation:
    """Score meetings.

    Args:
        ref, hyp: SegLST, STM, CTM or RTTM files with the same sessions.
        measures: keys of `MEASURES`.
        collar: seconds, for the time-constrained rate.
        der_collar: seconds around each border of the reference that diarisation does not score.
        profile: normalisation of the words of both sides.
        ref_format, hyp_format: of `segments.FORMATS`; None tells by the suffix.

    Raises:
        UsageError: unknown measure, or rates of words from files that hold none.
        ScoringError: unreadable files, or sessions that the reference does not have.
    """
    unknown = [name for name in measures if name not in MEASURES]
    if unknown or not measures:
        raise UsageError(f"--meeting {','.join(unknown)}", "is not known", f"use {', '.join(MEASURES)}")
    rules = profile if isinstance(profile, Profile) else named_profile(profile)
    sides = []
    for path, fmt in ((ref, ref_format), (hyp, hyp_format)):
        turns = read_turns(path, fmt)
        if turns and not any(turn.words for turn in turns) and set(measures) != {"der"}:
            raise UsageError(str(path), "holds no words", "use --meeting der for files that say only who spoke when")
        words = rules.apply_all(turn.words for turn in turns)
        sides.append(by_session(turn._replace(words=text) for turn, text in zip(turns, words, strict=True)))
    refs, hyps = sides
    if not refs:
        raise ScoringError(ref, "holds no segments", "give a reference with at least one")
    strange = [session for session in hyps if session not in refs]
    if strange:
        reason = f"has {len(strange)} sessions that the references do not have: {listed(strange)}"
        raise ScoringError(hyp, reason, "score against the references of the same sessions")
    missing = [session for session in refs if session not in hyps]
    if missing:
        log.warning("%s: %d of %d sessions have no hypothesis: %s", hyp, len(missing), len(refs), listed(missing))
    found = {name: _session(turns, hyps.get(name, []), measures, collar, der_collar) for name, turns in refs.items()}
    return MeetingEvaluation(
        str(ref), str(hyp), rules, collar, der_collar, found, _total(list(found.values())), missing
    )


def _session(
    ref: Sequence[Turn], hyp: Sequence[Turn], measures: Sequence[str], collar: float, der_collar: float
) -> SessionRates:
    return SessionRates(
        cp_errors(ref, hyp) if "cp" in measures else None,
        tcp_errors(ref, hyp, collar) if "tcp" in measures else None,
        orc_errors(ref, hyp) if "orc" in measures else None,
        diarisation_errors(ref, hyp, der_collar) if "der" in measures else None,
    )


def _total(sessions: Sequence[SessionRates]) -> SessionRates:
    first = sessions[0]
    return SessionRates(
        _sum_of_speakers([s.cp for s in sessions if s.cp]) if first.cp else None,
        _sum_of_speakers([s.tcp for s in sessions if s.tcp]) if first.tcp else None,
        _sum_of([s.orc for s in sessions if s.orc]) if first.orc else None,
        Diarisation(*map(sum, zip(*(s.der for s in sessions if s.der), strict=True))) if first.der else None,
    )


def _sum_of(errors: Sequence[Errors]) -> Errors:
    return Errors(*map(sum, zip(*errors, strict=True)))


def _sum_of_speakers(found: Sequence[SpeakerErrors]) -> SpeakerErrors:
    missed, surplus = sum(s.missed_speakers for s in found), sum(s.surplus_speakers for s in found)
    return SpeakerErrors(_sum_of([s.errors for s in found]), [], missed, surplus)


def meeting_report(evaluation: MeetingEvaluation, each_session: bool) -> Iterator[str]:
    """Lines that `asr score --meeting` prints."""
    yield from _lines(evaluation.total, evaluation)
    yield f"Scored {len(evaluation.sessions)} sessions, {len(evaluation.missing)} not present in the hypotheses."
    yield f"Normalisation: {evaluation.profile.label}."
    for name, rates in evaluation.sessions.items() if each_session else ():
        yield f"\n{name}:"
        yield from _lines(rates, evaluation)
        pairs = (rates.cp or rates.tcp or SpeakerErrors(Errors(0, 0, 0, 0), [], 0, 0)).assignment
        if pairs:
            yield "speakers: " + ", ".join(f"{ref or '(none)'} = {hyp or '(none)'}" for ref, hyp in pairs)


def _lines(rates: SessionRates, evaluation: MeetingEvaluation) -> Iterator[str]:
    for label, found in (("cpWER", rates.cp), (f"tcpWER at {evaluation.collar:g} s", rates.tcp)):
        if found:
            speakers = f"{found.missed_speakers} speakers missed, {found.surplus_speakers} too many"
            yield f"{_line(label, found.errors)} {speakers}"
    if rates.orc:
        yield _line("ORC-WER", rates.orc)
    if rates.der:
        d = rates.der
        yield (
            f"%DER {100 * d.rate:.2f} [ {d.missed:.2f} s missed, {d.false_alarm:.2f} s false alarm, {d.confused:.2f} s "
            f"confused, of {d.scored:.2f} s ], collar {evaluation.der_collar:g} s"
        )


def _line(label: str, found: Errors) -> str:
    return (
        f"%{label} {100 * found.rate:.2f} [ {found.errors} / {found.reference}, {found.insertions} ins, "
        f"{found.deletions} del, {found.substitutions} sub ]"
    )


def meeting_data(evaluation: MeetingEvaluation) -> dict[str, Any]:
    """The same for JSON; rates as fractions, infinite ones as null."""
    profile = evaluation.profile
    return {
        "reference": evaluation.reference,
        "hypothesis": evaluation.hypothesis,
        "normalisation": {"name": profile.name, "version": profile.version, "hash": profile.digest},
        "collar": evaluation.collar,
        "der_collar": evaluation.der_collar,
        "missing": evaluation.missing,
        "total": _plain(evaluation.total),
        "sessions": {name: _plain(rates) for name, rates in evaluation.sessions.items()},
    }


def _plain(rates: SessionRates) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, found in (("cp", rates.cp), ("tcp", rates.tcp)):
        if found:
            data[key] = _plain_errors(found.errors) | {
                "missed_speakers": found.missed_speakers,
                "surplus_speakers": found.surplus_speakers,
                "assignment": [list(pair) for pair in found.assignment],
            }
    if rates.orc:
        data["orc"] = _plain_errors(rates.orc)
    if rates.der:
        data["der"] = rates.der._asdict() | {"rate": rates.der.rate if rates.der.scored else None}
    return data


def _plain_errors(found: Errors) -> dict[str, Any]:
    return found._asdict() | {"errors": found.errors, "rate": found.rate if found.reference else None}
