"""The HTML report: one file that needs no network and no other file.

Shapes: N utterances, M systems.
"""

from __future__ import annotations

import base64
import json
import logging
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from asr.audio.reading import audio_info, encode_audio, read_audio
from asr.corpus.utterance import Utterance
from asr.errors import AudioError
from asr.files import atomic_write
from asr.scoring.evaluate import Evaluation, System
from asr.scoring.rates.wer import Score
from asr.scoring.report.charts import Bar, bar_chart, rejection_chart, reliability_diagram, scatter_chart
from asr.scoring.report.text import costs_line, percent_interval, rate_name
from asr.scoring.statistics.breakdown import Group, most_different

log = logging.getLogger("asr")
TEMPLATES = Path(__file__).with_name("templates")
MOST_UTTERANCES = 20_000
"""More alignments make a page that browsers open slowly; those with most errors are kept."""
MOST_GROUPS = 40
AUDIO_RATE = 16_000
"""Highest rate of embedded audio, Hz."""
MEGABYTE = 1_000_000


def write_html(evaluation: Evaluation, path: str | Path, audio_megabytes: float = 0.0) -> None:
    """Write the report.

    Args:
        evaluation: what to show.
        path: the file to write.
        audio_megabytes: how much audio may be put into the page, for the utterances with most errors first; the
            evaluation must have been made with a manifest.
    """
    shown = _shown(evaluation)
    audio = _embedded_audio(evaluation, shown, audio_megabytes) if audio_megabytes else {}
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    environment.globals |= {"percent": percent, "interval": _interval, "rate_name": rate_name}
    page = environment.get_template("report.html").render(
        evaluation=evaluation,
        systems=evaluation.systems,
        label=rate_name(evaluation.systems[0].score),
        profile=evaluation.systems[0].score.profile.label,
        costs=costs_line(evaluation.options.costs),
        summary=_summary(evaluation.systems),
        charts=_charts(evaluation.systems),
        calibrations=[
            (
                system.score.name,
                system.calibration,
                reliability_diagram(system.calibration),
                rejection_chart(system.calibration),
            )
            for system in evaluation.systems
            if system.calibration
        ],
        comparisons=[(pair, _most_different(evaluation, pair.a, pair.b)) for pair in evaluation.comparisons],
        scatter=_scatter(evaluation.systems),
        total=len(evaluation.systems[0].score),
        shown=len(shown),
        with_audio=len(audio),
        data=script_data(page_data(evaluation, shown, audio)),
        audio=script_data(audio),
    )
    with atomic_write(path) as stream:
        stream.write(page)


def page_data(evaluation: Evaluation, shown: list[int], audio: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the page's script searches and shows.

    An alignment is a list of cells: a string is a run of correct words, `[kind, reference, hypothesis]` an edit. For
    utterances with audio, `times` has the second at which each word of a hypothesis begins, or nothing.
    """
    scores = [system.score for system in evaluation.systems]
    first = scores[0]
    fields = list(first.fields)
    lengths, errors = first.lengths.tolist(), [score.errors.tolist() for score in scores]
    return {
        "systems": [score.name for score in scores],
        "times": {first.ids[n]: _word_starts(evaluation, n) for n in shown if audio and first.ids[n] in audio},
        "fields": fields,
        "joint": "" if first.unit == "char" else " ",
        "utterances": [
            {
                "id": first.ids[n],
                "fields": [first.fields[name][n] for name in fields],
                "words": lengths[n],
                "errors": [counts[n] for counts in errors],
                "alignments": [cells(score, n) for score in scores],
            }
            for n in shown
        ],
    }


def _word_starts(evaluation: Evaluation, n: int) -> list[list[float]]:
    """For each system, seconds from the beginning of the utterance's audio; empty where the words do not fit."""
    key = evaluation.systems[0].score.ids[n]
    utterance = evaluation.utterances[key]
    starts = []
    for system in evaluation.systems:
        words = system.words.get(key, ())
        fits = system.score.unit == "word" and len(words) == len(system.score.hyps[n].split())
        # Times may be those of the recording, as in a CTM: then they lie beyond the utterance's own length.
        late = any(word.end > utterance.duration + 0.5 for word in words)
        begin = utterance.start if late else 0.0
        starts.append([round(max(0.0, word.start - begin), 2) for word in words] if fits else [])
    return starts


def cells(score: Score, index: int) -> list[str | list[str]]:
    """The alignment of one utterance in the form of `page_data`."""
    joint = "" if score.unit == "char" else " "
    row: list[str | list[str]] = []
    run: list[str] = []
    for kind, ref, hyp in score.alignments.pairs(index):
        if kind == "hit":
            run.append(str(ref))
            continue
        row += [joint.join(run)] if run else []
        row.append([kind, ref or "", hyp or ""])
        run = []
    return row + ([joint.join(run)] if run else [])


def script_data(data: object) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def percent(rate: float) -> str:
    """ "12.34", or a dash for a rate without reference."""
    return f"{100 * rate:.2f}" if math.isfinite(rate) else "–"


def _interval(interval: Any, things: str = "") -> str:
    return percent_interval(interval, things) if interval else "–"


def _shown(evaluation: Evaluation) -> list[int]:
    """Utterances on the page, in the order of the references."""
    total = _all_errors(evaluation)
    return sorted(sorted(range(len(total)), key=lambda n: -total[n])[:MOST_UTTERANCES])


def _all_errors(evaluation: Evaluation) -> list[int]:
    """N errors, those of all systems together."""
    per_system = np.stack([system.score.errors for system in evaluation.systems])
    return [int(count) for count in per_system.sum(axis=0)]


def _summary(systems: list[System]) -> list[tuple[str, list[str], str]]:
    """(measure, its value for each system, class of the row)."""
    scores = [system.score for system in systems]
    totals = [score.totals for score in scores]
    rows = [
        (f"{rate_name(scores[0])} %", [percent(t.rate) for t in totals], "big"),
        ("95 % interval, by utterance", [_interval(system.by_utterance, "utterances") for system in systems], ""),
        ("95 % interval, by speaker", [_interval(system.by_speaker, "speakers") for system in systems], ""),
        ("errors / reference", [f"{t.errors} / {t.reference}" for t in totals], ""),
        ("substitutions", [str(t.substitutions) for t in totals], ""),
        ("deletions", [str(t.deletions) for t in totals], ""),
        ("insertions", [str(t.insertions) for t in totals], ""),
        ("utterances with errors %", [percent(score.sentence_error_rate) for score in scores], ""),
        ("mean of utterances %", [f"{percent(s.score.macro)} ({_interval(s.macro_utterance)})" for s in systems], ""),
        ("match error %", [percent(t.match_error) for t in totals], ""),
        ("information lost %", [percent(t.information_lost) for t in totals], ""),
        ("without hypothesis", [str(len(score.missing)) for score in scores], ""),
    ]
    means = [s.macro_speaker and f"{percent(s.macro_speaker[0])} ({_interval(s.macro_speaker[1])})" for s in systems]
    rows.insert(9, ("mean of speakers %", [mean or "–" for mean in means], ""))
    return rows


def _most_different(evaluation: Evaluation, a: str, b: str) -> list[tuple[str, int]]:
    scores = {system.score.name: system.score for system in evaluation.systems}
    return most_different(scores[a], scores[b])


def _scatter(systems: list[System]) -> Markup | None:
    """The first two systems against each other, utterance by utterance."""
    if len(systems) < 2:
        return None
    a, b = (system.score for system in systems[:2])
    pairs = Counter(zip(a.errors.tolist(), b.errors.tolist(), strict=True))
    return scatter_chart(pairs, (a.name, b.name))


def _charts(systems: list[System]) -> list[tuple[str, Markup, int, int]]:
    """(title, chart, groups shown, groups in all) for lengths and for each field."""
    named = [("length in words" if systems[0].score.unit == "word" else "length", [s.lengths for s in systems])]
    named += [(name, [system.breakdowns[name] for system in systems]) for name in systems[0].breakdowns]
    return [_chart(name, groups) for name, groups in named]


def _chart(name: str, groups: list[list[Group]]) -> tuple[str, Markup, int, int]:
    """One breakdown for all systems; of many groups, those with most errors."""
    tables = [{group.name: group for group in table} for table in groups]
    names = [group.name for group in groups[0]]
    if len(names) > MOST_GROUPS:
        names = sorted(names, key=lambda group: -sum(t[group].totals.errors for t in tables if group in t))
    rows = []
    for label in names[:MOST_GROUPS]:
        found = [table.get(label) for table in tables]
        bars = [
            Bar(g.totals.rate, g.interval, f"{g.totals.errors} / {g.totals.reference}") if g else None for g in found
        ]
        rows.append((label, bars))
    return name, bar_chart(f"Error rate by {name}", rows), len(rows), len(names)


def _embedded_audio(evaluation: Evaluation, shown: list[int], megabytes: float) -> dict[str, str]:
    """Utterance id -> data address of its audio, most errors first, until the room is used up."""
    score, left = evaluation.systems[0].score, megabytes * MEGABYTE
    total = _all_errors(evaluation)
    addresses: dict[str, str] = {}
    failed = 0
    for n in sorted(shown, key=lambda n: -total[n]):
        utterance = evaluation.utterances.get(score.ids[n])
        if utterance is None:
            continue
        try:
            encoded = _encoded(utterance)
        except AudioError as error:
            failed += 1
            log.warning("no player for %s: %s", score.ids[n], error)
            continue
        left -= len(encoded)
        if left < 0:
            break
        addresses[score.ids[n]] = "data:audio/flac;base64," + encoded
    if failed:
        log.warning("%d recordings could not be put into the report", failed)
    return addresses


def _encoded(utterance: Utterance) -> str:
    rate = min(AUDIO_RATE, audio_info(utterance.audio).sample_rate)
    samples = read_audio(
        utterance.audio,
        sample_rate=rate,
        start=utterance.start,
        duration=utterance.duration,
        channel=utterance.channel,
    )
    return base64.b64encode(encode_audio(samples, rate, "FLAC")).decode("ascii")
