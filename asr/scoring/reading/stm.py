"""Scoring by time: which words of a recogniser's CTM belong to which segment of an STM, as NIST's sclite decides."""

from __future__ import annotations

from collections import defaultdict

from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError
from asr.scoring.reading.readers import listed
from asr.scoring.reading.timed import Segment
from asr.scoring.reading.transcripts import Transcripts

Track = tuple[str, str]
DIGITS = 6
"""Times are compared to the microsecond, so that a middle that falls on a border does so for every way to add."""


def pair_by_time(ref: Transcripts, hyp: Transcripts) -> Transcripts:
    """The hypothesis of each scored segment.

    A word belongs to the first segment that ends after the word's middle; what comes after the last segment belongs
    to the last one (SCTK, src/sclite/stm2ctm.c). Words in an ignored segment are dropped.

    Args:
        ref: references with `segments`.
        hyp: hypotheses with `tracks`.

    Returns:
        Transcripts keyed by segment id; recordings without any word have no entries, so that they count as missing.

    Raises:
        ScoringError: the hypothesis has recordings or channels that the reference does not have.
    """
    tracks: defaultdict[Track, list[Segment]] = defaultdict(list)
    for segment in ref.segments:
        tracks[segment.file, segment.channel].append(segment)
    unknown = sorted(f"{file} {channel}" for file, channel in hyp.tracks if (file, channel) not in tracks)
    if unknown:
        raise ScoringError(
            hyp.source,
            f"{len(unknown)} recordings or channels that the references do not have: {listed(unknown)}",
            "score against the references of the same recordings, with the same channel names",
        )
    paired = Transcripts(hyp.source)
    for track, words in hyp.tracks.items():
        segments = sorted(tracks[track], key=lambda segment: segment.start)
        for segment, said in zip(segments, words_by_segment(segments, words), strict=True):
            if not segment.ignored:
                paired.texts[segment.id] = " ".join(word.text for word in said)
                paired.words[segment.id] = said
    return paired


def words_by_segment(segments: list[Segment], words: list[Word]) -> list[list[Word]]:
    """Deal the words of one track, in the order of time, out to its segments."""
    shares: list[list[Word]] = []
    at = 0
    for segment in segments[:-1]:
        begin = at
        while at < len(words) and round((words[at].start + words[at].end) / 2, DIGITS) < segment.end:
            at += 1
        shares.append(words[begin:at])
    return [*shares, words[at:]]
