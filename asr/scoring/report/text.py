"""What an evaluation looks like as text: the %WER line, a summary, a Markdown row, alignments and error lists.

Shapes: a column of an alignment is one reference word, one hypothesis word, or both.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator

from asr.scoring.evaluate import Evaluation, System
from asr.scoring.rates.alignment import COSTS, DELETION, INSERTION, SUBSTITUTION
from asr.scoring.rates.wer import Score, Totals
from asr.scoring.statistics.bootstrap import Interval
from asr.scoring.statistics.breakdown import Confusion, Group, confusions, most_different
from asr.scoring.statistics.significance import Comparison

MOST_DIFFERENT = 5
MOST_EXAMPLES = 3
LETTERS = {"hit": " ", "sub": "S", "del": "D", "ins": "I", "opt": " "}


def wer_line(totals: Totals, label: str = "WER") -> str:
    """The line Kaldi's compute-wer prints: `%WER 0.42 [ 1 / 240, 0 ins, 1 del, 0 sub ]`."""
    return (
        f"%{label} {100 * totals.rate:.2f} [ {totals.errors} / {totals.reference}, {totals.insertions} ins, "
        f"{totals.deletions} del, {totals.substitutions} sub ]"
    )


def rate_name(score: Score) -> str:
    """ "WER", "CER", or "MER" for the mixed rate of characters and words."""
    return {"word": "WER", "char": "CER", "auto": "MER"}[score.unit]


def costs_line(name: str) -> str:
    """Costs of a match, an insertion, a deletion and a substitution, as "0/3/3/4 (sclite)"."""
    substitution, deletion, insertion = COSTS[name]
    return f"0/{insertion}/{deletion}/{substitution} ({name})"


def percent_interval(interval: Interval, things: str = "") -> str:
    """ "9.12 - 11.30", in per cent; with `things` it says where there are too few of them to be sure."""
    text = f"{100 * interval.low:.2f} - {100 * interval.high:.2f}"
    if things and interval.units < 2:
        return f"none from {interval.units} {things}"
    if things and interval.doubtful:
        return f"{text} (only {interval.units} {things}: too few to be sure)"
    return f"{text} (no spread: all {things} have the same rate)" if things and interval.without_spread else text


def report(evaluation: Evaluation, align: bool, markdown: bool, breakdowns: bool) -> Iterator[str]:
    """What `asr score` prints.

    Args:
        evaluation: what to print.
        align: whether every alignment follows the summary.
        markdown: print a Markdown row a system and nothing else.
        breakdowns: whether a table for each field follows the summary.
    """
    if markdown:
        yield from map(markdown_row, evaluation.systems)
        return
    yield summary(evaluation)
    for system in evaluation.systems if breakdowns else []:
        for name, groups in system.breakdowns.items():
            heading = f"\n{system.score.name}:\n" if len(evaluation.systems) > 1 else "\n"
            yield heading + groups_table(name, groups)
    for system in evaluation.systems if align else []:
        yield ""
        yield from pra(system.score)


def summary(evaluation: Evaluation) -> str:
    """All systems, then each pair of them."""
    parts = [system_summary(system, len(evaluation.systems) > 1) for system in evaluation.systems]
    scores = {system.score.name: system.score for system in evaluation.systems}
    for comparison in evaluation.comparisons:
        differing = most_different(scores[comparison.a], scores[comparison.b], MOST_DIFFERENT)
        parts.append(comparison_summary(comparison, differing))
    return "\n\n".join(parts)


def system_summary(system: System, named: bool) -> str:
    """The %WER line first, as scripts expect, then what surrounds it."""
    score = system.score
    lines = [f"{score.name}:"] if named else []
    lines.append(wer_line(score.totals, rate_name(score)))
    lines.append(f"%SER {100 * score.sentence_error_rate:.2f} [ {score.sentence_errors} / {len(score)} ]")
    lines.append(f"Scored {len(score)} utterances, {len(score.missing)} not present in the hypotheses.")
    by_utterance = percent_interval(system.by_utterance, "utterances")
    lines.append(f"95 % interval of the corpus average: {by_utterance} by utterance")
    if system.by_speaker:
        by_speaker = percent_interval(system.by_speaker, "speakers")
        sure = f" ({system.by_speaker.units})" if "(" not in by_speaker else ""
        lines[-1] += f", {by_speaker} by speaker{sure}"
    lines.append(f"Mean of utterances: {100 * score.macro:.2f} ({percent_interval(system.macro_utterance)})")
    if system.macro_speaker:
        mean, interval = system.macro_speaker
        lines[-1] += f"; mean of speakers: {100 * mean:.2f} ({percent_interval(interval)})"
    totals = score.totals
    lines.append(
        f"Match error rate {100 * totals.match_error:.2f}, word information lost {100 * totals.information_lost:.2f}"
        if score.unit == "word"
        else f"Match error rate {100 * totals.match_error:.2f}"
    )
    lines += _extras(system)
    lines.append(f"Normalisation: {score.profile.label}. Alignment costs: {costs_line(score.costs)}.")
    return "\n".join(lines)


def _extras(system: System) -> Iterator[str]:
    """Lines about word boundaries, vocabulary, n-best lists and confidences, where there are any."""
    if (cut := system.boundaries) and cut.errors:
        shown = ", ".join(f"{ref} -> {hyp}" for ref, hyp, _ in cut.examples[:MOST_EXAMPLES])
        yield (
            f"Word boundaries only: {cut.errors} errors ({cut.joined} compounds joined, {cut.split} split, "
            f"{cut.moved} cut elsewhere): {shown}"
        )
    if unknown := system.unknown:
        yield (
            f"Out of vocabulary: {unknown.words} reference words ({100 * unknown.rate:.2f} %), "
            f"{unknown.different} different, {unknown.errors} of them wrong"
        )
    if spotted := system.keywords:
        parts = (("precision", spotted.precision), ("recall", spotted.recall), ("f", spotted.f))
        shown = ", ".join(
            f"{name.upper() if name == 'f' else name} {100 * getattr(spotted.total, name):.2f} "
            f"({percent_interval(interval, 'utterances')})"
            for name, interval in parts
        )
        counts = f"{spotted.total.found} found, {spotted.total.lost} lost, {spotted.total.false_alarms} false alarms"
        absent = f"; {len(spotted.absent)} occur on neither side" if spotted.absent else ""
        yield f"Keywords: {shown}; {counts}{absent}"
    if system.oracle:
        yield "Oracle: " + ", ".join(f"best of {k} {100 * totals.rate:.2f}" for k, totals in system.oracle.items())
    if judged := system.calibration:
        yield (
            f"Confidence: expected calibration error {judged.error:.4f}, normalised cross entropy "
            f"{judged.entropy:.3f} over {judged.words} words"
        )


def comparison_summary(comparison: Comparison, differing: list[tuple[str, int]]) -> str:
    """The tests of one pair, and the utterances in which they differ most."""
    test, pairs, sentences = comparison.by_utterance, comparison.mapsswe, comparison.mcnemar
    lines = [f"A = {comparison.a}, B = {comparison.b}:"]
    interval = percent_interval(test.interval, "utterances")
    lines.append(
        f"A - B = {100 * test.difference:+.2f} points, 95 % interval {interval}; paired bootstrap by utterance "
        f"p = {test.p:.4f}, A better in {100 * test.a_better:.1f} % of draws"
    )
    if by_speaker := comparison.by_speaker:
        lines.append(
            f"Paired bootstrap by speaker ({by_speaker.interval.units}): 95 % interval "
            f"{percent_interval(by_speaker.interval, 'speakers')}, p = {by_speaker.p:.4f}"
        )
    how = ", exact by permutation, as too few differ for z" if pairs.exact else ""
    shown = f"z = {pairs.z:.3f}, " if math.isfinite(pairs.z) else ""
    lines.append(f"MAPSSWE: {pairs.segments} segments, {shown}p = {pairs.p:.4g}{how}")
    lines.append(
        f"McNemar: only A right {sentences.only_a_right}, only B right {sentences.only_b_right}, p = {sentences.p:.4g}"
    )
    if differing:
        utterances = ", ".join(f"{key} ({difference:+d})" for key, difference in differing)
        lines.append(f"Errors of A - errors of B differ most in: {utterances}")
    return "\n".join(lines)


def groups_table(title: str, groups: list[Group]) -> str:
    """A breakdown as aligned text, the most errors first."""
    width = max([len(title), *(len(group.name) for group in groups)])
    heads = f"{'utts':>5} {'words':>7} {'rate %':>8}   {'95 % interval':<15} {'sub':>5}  {'del':>5}  {'ins':>5}"
    lines = [f"{title:<{width}} {heads}"]
    for group in sorted(groups, key=lambda group: -group.totals.errors):
        t = group.totals
        interval = percent_interval(group.interval) if group.interval and not group.interval.doubtful else "-"
        lines.append(
            f"{group.name:<{width}} {group.utterances:>5} {t.reference:>7} {100 * t.rate:>8.2f}   {interval:<15}"
            f" {t.substitutions:>5}  {t.deletions:>5}  {t.insertions:>5}"
        )
    return "\n".join(lines)


def markdown_row(system: System) -> str:
    """A row for a table of results: system, rate, interval, counts."""
    totals, score = system.score.totals, system.score
    return (
        f"| {score.name} | {rate_name(score)} {100 * totals.rate:.2f} | {percent_interval(system.by_utterance)} | "
        f"{totals.errors} / {totals.reference} ({totals.substitutions} sub, {totals.deletions} del, "
        f"{totals.insertions} ins) | {score.profile.label} |"
    )


def alignment_lines(score: Score, index: int) -> str:
    """One utterance as sclite's `.pra` shows it: errors in capitals, gaps as asterisks."""
    hits, subs, dels, ins = score.counts[index]
    top, bottom, marks = [], [], []
    for kind, ref, hyp in score.alignments.pairs(index):
        above = ref if ref is not None else ""
        below = hyp if hyp is not None else ""
        if kind in ("sub", "del", "ins"):
            above, below = above.upper(), below.upper()
        width = max(display_width(above), display_width(below), 1)
        top.append(_pad(above or "*" * width, width))
        bottom.append(_pad(below or ("*" * width if kind != "opt" else ""), width))
        marks.append(_pad(LETTERS[kind], width))
    return (
        f"id: ({score.ids[index]})\nScores: (#C #S #D #I) {hits} {subs} {dels} {ins}\n"
        f"REF:  {' '.join(top)}\nHYP:  {' '.join(bottom)}\nEval: {' '.join(marks)}".rstrip()
        + "\n"
    )


def pra(score: Score) -> Iterator[str]:
    """All alignments, in the form of sclite's `.pra`."""
    yield f"System name:   {score.name}\n"
    yield f"Normalisation: {score.profile.label}\nCosts:         {costs_line(score.costs)}\n"
    for index in range(len(score)):
        yield alignment_lines(score, index)


def dtl(score: Score) -> str:
    """Percentages and all error lists, in the form of sclite's `.dtl`."""
    totals = score.totals
    share = {name: 100 * getattr(totals, name) / max(1, totals.reference) for name in Totals.__slots__}
    head = [
        f"DETAILED OVERALL REPORT FOR THE SYSTEM: {score.name}",
        f"sentences {len(score)}, with errors {100 * score.sentence_error_rate:.1f}% ({score.sentence_errors})",
        f"Percent Total Error   = {100 * totals.rate:6.1f}%   ({totals.errors:6d})",
        f"Percent Correct       = {share['hits']:6.1f}%   ({totals.hits:6d})",
        f"Percent Substitution  = {share['substitutions']:6.1f}%   ({totals.substitutions:6d})",
        f"Percent Deletions     = {share['deletions']:6.1f}%   ({totals.deletions:6d})",
        f"Percent Insertions    = {share['insertions']:6.1f}%   ({totals.insertions:6d})",
        f"Ref. words            =           ({totals.reference:6d})",
        f"Hyp. words            =           ({totals.hypothesis:6d})",
        f"Aligned words         =           ({totals.reference + totals.insertions:6d})",
    ]
    lists = [
        _listing("CONFUSION PAIRS", confusions(score, SUBSTITUTION, None)),
        _listing("INSERTIONS", confusions(score, INSERTION, None)),
        _listing("DELETIONS", confusions(score, DELETION, None)),
    ]
    return "\n".join([*head, "", *lists])


def _listing(title: str, pairs: list[Confusion]) -> str:
    lines = [f"{title} ({sum(pair.times for pair in pairs)}, {len(pairs)} different)"]
    for rank, (ref, hyp, times) in enumerate(pairs, start=1):
        words = f"{ref} ==> {hyp}" if ref and hyp else ref or hyp
        lines.append(f"{rank:4d}: {times:4d}  ->  {words}")
    return "\n".join(lines) + "\n"


def display_width(text: str) -> int:
    """Columns a text takes in a terminal: wide East Asian characters two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))
