"""CTM and STM, NIST's formats with times in seconds (SCTK, doc/infmts.htm)."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from dataclasses import dataclass

from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError

log = logging.getLogger("asr")
IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"
SPOKEN_TAGS = {
    "<unk>", "<sil>", "<silence>", "<noise>", "<nsn>", "<spn>", "<spoken_noise>", "<laugh>", "<laughter>", "<cough>",
    "<breath>", "<hes>", "<eps>", "<s>", "</s>", "<sp>", "<music>", "<crosstalk>",
}  # fmt: skip
"""First words of a transcript that look like a label and are none."""
CTM_FORM = "write 'file channel start duration word [confidence]'"
STM_FORM = "write 'file channel speaker start end [<label>] words'"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording with its reference; times in seconds."""

    file: str
    channel: str
    speaker: str
    start: float
    end: float
    label: str
    text: str

    @property
    def id(self) -> str:
        """`file-channel-speaker-start-end`, times in hundredths of a second as is usual in Kaldi data."""
        return f"{self.file}-{self.channel}-{self.speaker}-{round(self.start * 100):07d}-{round(self.end * 100):07d}"

    @property
    def ignored(self) -> bool:
        """Whether what is said here is not scored."""
        return IGNORED.lower() in self.text.lower()


def parse_ctm(source: str, content: str) -> dict[tuple[str, str], list[Word]]:
    """(file, channel) -> its words in the order of time; lines that begin with ";;" are comments.

    Raises:
        ScoringError: a line has too few fields, a time is no number, or the hypothesis holds alternatives.
    """
    words: defaultdict[tuple[str, str], list[Word]] = defaultdict(list)
    for number, line in enumerate(content.split("\n"), start=1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        where = f"{source} line {number}"
        if len(fields) < 5:
            raise ScoringError(where, "has fewer than five fields", CTM_FORM)
        if fields[4].upper().startswith("<ALT"):
            raise ScoringError(where, "alternatives in a CTM are not supported", "keep one of them")
        start, duration = _seconds(where, fields[2], CTM_FORM), _seconds(where, fields[3], CTM_FORM)
        confidence = _seconds(where, fields[5], CTM_FORM) if len(fields) > 5 and fields[5] != "NA" else math.nan
        words[fields[0], fields[1]].append(Word(fields[4], start, start + duration, confidence))
    return {key: sorted(group, key=lambda word: word.start) for key, group in words.items()}


def ctm_by_file(words: dict[tuple[str, str], list[Word]]) -> dict[str, list[Word]]:
    """Join the channels of each file, in the order of time."""
    files: defaultdict[str, list[Word]] = defaultdict(list)
    for (file, _), group in words.items():
        files[file] += group
    return {file: sorted(group, key=lambda word: word.start) for file, group in files.items()}


def parse_stm(source: str, content: str) -> list[Segment]:
    """The segments of an STM in the order of the file; lines that begin with ";;" are comments.

    Raises:
        ScoringError: a line has too few fields, a time is no number, or a segment ends before it begins.
    """
    segments = []
    tags: Counter[str] = Counter()
    for number, line in enumerate(content.split("\n"), start=1):
        fields = line.split(None, 5)
        if not fields or line.startswith(";;"):
            continue
        where = f"{source} line {number}"
        if len(fields) < 5:
            raise ScoringError(where, "has fewer than five fields", STM_FORM)
        start, end = _seconds(where, fields[3], STM_FORM), _seconds(where, fields[4], STM_FORM)
        if end < start:
            raise ScoringError(where, f"ends at {end} s before it begins at {start} s", "swap the times")
        label, text = _split_label(fields[5] if len(fields) > 5 else "")
        tags[label] += bool(label) and "," not in label and not label[1:-1].isupper()
        segments.append(Segment(fields[0], fields[1], fields[2], start, end, label, text))
    doubtful = [tag for tag, times in tags.items() if times]
    if doubtful:
        log.warning(
            "%s: %d segments begin with %s, taken for a label and not for a word, as sclite does; "
            "write a label such as <o> before it if it was said",
            source, sum(tags.values()), " ".join(doubtful[:5]),
        )  # fmt: skip
    return segments


def _split_label(rest: str) -> tuple[str, str]:
    """Take `<label>` off the front of a transcript; <unk>, <noise> and their like are words."""
    rest = rest.strip()
    first = rest.split(None, 1)[0] if rest else ""
    if first.startswith("<") and ">" in first and first.lower() not in SPOKEN_TAGS:
        label, _, text = rest.partition(">")
        return label + ">", text.strip()
    return "", rest


def _seconds(where: str, field: str, form: str) -> float:
    try:
        value = float(field)
    except ValueError as error:
        raise ScoringError(where, f"{field!r} is not a number", form) from error
    if not math.isfinite(value):
        raise ScoringError(where, f"{field!r} is not finite", form)
    return value
