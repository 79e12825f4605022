"""Words and segments with times for other programs: CTM and STM (NIST's SCTK, doc/infmts.htm) and Praat's TextGrid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from asr.decoding.results.hypothesis import Word
from asr.transcribing.transcript import Segment

Tier = tuple[str, Sequence[tuple[float, float, str]]]
"""Name of a tier and its intervals: start, end, text; in the order of time."""
NO_SPEAKER = "unknown"


def nist_name(name: str) -> str:
    """A recording's name as CTM and STM need it: no white space, and no ';;' in front, which begins a comment."""
    return "-".join(name.split()).lstrip(";") or "recording"


def ctm(segments: Iterable[Segment], name: str) -> Iterator[str]:
    """`recording channel start duration word confidence`, a word a line."""
    for segment in segments:
        for word in segment.words:
            duration = round(word.end, 3) - round(word.start, 3)
            yield (
                f"{nist_name(name)} {_channel(segment)} {word.start:.3f} {duration:.3f} {word.text}"
                f" {word.confidence:.4f}\n"
            )


def stm(segments: Iterable[Segment], name: str) -> Iterator[str]:
    """`recording channel speaker start end text`, a segment a line; text that begins like a label has one before it."""
    for segment in segments:
        speaker = "_".join((segment.speaker or NO_SPEAKER).split())
        label = "<o> " if segment.text.startswith("<") else ""
        yield (
            f"{nist_name(name)} {_channel(segment)} {speaker} {segment.start:.3f} {segment.end:.3f}"
            f" {label}{segment.text}\n"
        )


def _channel(segment: Segment) -> str:
    """The channel, which these formats count from 1, where the speaker is one; otherwise 1."""
    word, _, number = (segment.speaker or "").partition(" ")
    return str(int(number) + 1) if word == "channel" and number.isdigit() else "1"


def transcript_tiers(segments: Sequence[Segment]) -> list[Tier]:
    """A tier of segments and one of words, of each speaker where there are several."""
    tiers: list[Tier] = []
    for speaker in dict.fromkeys(segment.speaker for segment in segments) or [None]:
        own = [segment for segment in segments if segment.speaker == speaker]
        prefix = f"{speaker} " if speaker is not None else ""
        tiers.append((f"{prefix}segments", [(segment.start, segment.end, segment.text) for segment in own]))
        tiers.append((f"{prefix}words", word_intervals(word for segment in own for word in segment.words)))
    return tiers


def word_intervals(words: Iterable[Word]) -> list[tuple[float, float, str]]:
    """Words as intervals of a tier."""
    return [(word.start, word.end, word.text) for word in words]


def textgrid(tiers: Sequence[Tier], duration: float) -> Iterator[str]:
    """Praat's long text format; each tier covers 0 to `duration` s without gaps, empty intervals between the texts.

    Praat refuses intervals without length: a text of no length is given a millisecond of the silence beside it, or is
    left out where there is none.
    """
    end = max([duration, 0.001, *(interval[1] for _, intervals in tiers for interval in intervals)])
    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    yield f"xmin = 0\nxmax = {end:.3f}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
    for number, (name, intervals) in enumerate(tiers, start=1):
        filled = _filled(intervals, end)
        yield f'    item [{number}]:\n        class = "IntervalTier"\n        name = {_quoted(name)}\n'
        yield f"        xmin = 0\n        xmax = {end:.3f}\n        intervals: size = {len(filled)}\n"
        for place, (start, stop, text) in enumerate(filled, start=1):
            yield (
                f"        intervals [{place}]:\n            xmin = {start:.3f}\n            xmax = {stop:.3f}\n"
                f"            text = {_quoted(text)}\n"
            )


def _filled(intervals: Sequence[tuple[float, float, str]], duration: float) -> list[tuple[float, float, str]]:
    """Intervals in whole milliseconds that leave nothing between 0 and the end uncovered and do not overlap."""
    last = round(duration * 1000)
    starts = [round(start * 1000) for start, _, _ in intervals] + [last]
    filled: list[tuple[int, int, str]] = []
    now = 0
    for (start, stop, text), following in zip(intervals, starts[1:], strict=True):
        first = max(now, round(start * 1000))
        end = max(min(round(stop * 1000), last), min(first + 1, max(following, first)))
        if end <= first:
            continue
        if first > now:
            filled.append((now, first, ""))
        filled.append((first, end, text))
        now = end
    if now < last:
        filled.append((now, last, ""))
    return [(start / 1000, stop / 1000, text) for start, stop, text in filled]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
