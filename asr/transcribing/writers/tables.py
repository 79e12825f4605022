"""Segments as tables: TSV as whisper writes it, and CSV with everything known about a segment."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from asr.transcribing.transcript import Segment

CSV_COLUMNS = ("id", "audio", "start", "end", "speaker", "confidence", "text")


def tsv(segments: Iterable[Segment]) -> Iterator[str]:
    """`start end text` with times in whole milliseconds."""
    yield "start\tend\ttext\n"
    for segment in segments:
        yield f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{_spoken(segment)}\n"


def csv_rows(segments: Iterable[Segment], name: str, header: bool = True) -> Iterator[str]:
    """A row a segment, times in seconds; the confidence is the mean of its words', the id is the name and a number."""
    if header:
        yield _row(CSV_COLUMNS)
    for segment in segments:
        confidences = [word.confidence for word in segment.words]
        mean = f"{sum(confidences) / len(confidences):.4f}" if confidences else ""
        yield _row(
            (
                f"{name}-{segment.id:05d}", name, f"{segment.start:.3f}", f"{segment.end:.3f}",
                segment.speaker or "", mean, segment.text,
            )
        )  # fmt: skip


def _spoken(segment: Segment) -> str:
    text = segment.text.replace("\t", " ")
    return text if segment.speaker is None else f"[{segment.speaker}]: {text}"


def _row(fields: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(fields)
    return line.getvalue()
