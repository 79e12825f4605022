"""Many recordings, some of them broken: transcribe the good ones, name the bad ones, lose nothing."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from asr.errors import AsrError
from asr.progress import SECONDS_BETWEEN_LINES, track
from asr.transcribing.inputs import Recording, Selection, Track
from asr.transcribing.outputs import Outputs
from asr.transcribing.recognizer import Recognizer
from asr.transcribing.transcript import Cutting, Transcript, cut_at_pauses, merged

LOGGER = logging.getLogger("asr")


def transcribe_recordings(
    recognizer: Recognizer,
    recordings: Sequence[Recording],
    outputs: Outputs | None = None,
    *,
    selection: Selection | None = None,
    cutting: Cutting | None = None,
    batch_size: int = 1,
    vad: bool = True,
) -> int:
    """Transcribe recordings one after the other.

    Args:
        recognizer: the model.
        recordings: what to read.
        outputs: where results go; text on standard output when None.
        selection: which part and channel of each is read.
        cutting: where segments end.
        batch_size: recordings decoded together; changes speed, not text.
        vad: leave out long silences of long recordings.

    Returns:
        Number of recordings that failed; each was named in the log and the others were written.

    Raises:
        UsageError: the results cannot be written as asked for, see `Outputs.check`.
        OSError: the disk is full.
    """
    outputs, selection = outputs or Outputs(), selection or Selection()
    outputs.check(recordings)
    wanted = [one for one in recordings if not (outputs.skip_existing and outputs.there(one))]
    if len(wanted) < len(recordings):
        LOGGER.info("skipped %d recordings whose results are there", len(recordings) - len(wanted))
    failed = 0
    texts: list[str] = []
    for begin in track(range(0, len(wanted), batch_size), "transcribing"):
        for recording, outcome in _batch(recognizer, wanted[begin : begin + batch_size], selection, vad):
            try:
                if isinstance(outcome, AsrError):
                    raise outcome
                whole = _write(outputs, recording, outcome, selection, cutting, alone=len(recordings) == 1)
                texts.append(whole.text)
            except AsrError as error:
                failed += 1
                named = "" if str(error.subject) == recording.path else f"{recording.shown}: "
                LOGGER.error("%s%s", named, error)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EPIPE):
                    raise  # no other result could be written either
                failed += 1
                reason = f"{error.filename2 or error.filename or 'the result'}: {error.strerror or error}"
                LOGGER.error("%s: cannot be written: %s", recording.shown, reason)
    recognizer.report_phrases(texts)
    if failed:
        LOGGER.error("%d of %d recordings failed", failed, len(recordings))
    return failed


Tracks = Sequence[tuple[Track, Transcript]]


def _batch(
    recognizer: Recognizer, recordings: Sequence[Recording], selection: Selection, vad: bool
) -> Iterator[tuple[Recording, Tracks | AsrError]]:
    """Read and transcribe a batch; one that cannot be read or decoded does not take the others with it."""
    readable: list[tuple[Recording, list[Track]]] = []
    for recording in recordings:
        try:
            readable.append((recording, selection.tracks(recording, recognizer.sample_rate)))
        except AsrError as error:
            yield recording, error
    yield from _transcribed(recognizer, readable, vad)


def _transcribed(
    recognizer: Recognizer, readable: Sequence[tuple[Recording, list[Track]]], vad: bool
) -> Iterator[tuple[Recording, Tracks | AsrError]]:
    waves = [one.samples for _, tracks in readable for one in tracks if one.samples is not None]
    try:
        transcripts = iter(recognizer.transcribe_batch(waves))
    except AsrError as error:
        if len(readable) == 1:
            yield readable[0][0], error
            return
        for pair in readable:
            yield from _transcribed(recognizer, [pair], vad)
        return
    for recording, tracks in readable:
        done: list[tuple[Track, Transcript]] = []
        try:
            for one in tracks:
                if one.stream is None:
                    done.append((one, next(transcripts)))
                else:
                    pace = _Pace(recording.shown, one.stream.duration)
                    done.append((one, recognizer.transcribe_blocks(one.stream, vad=vad, progress=pace)))
            yield recording, done
        except AsrError as error:
            yield recording, error


class _Pace:
    """Says now and then how much of a long recording is transcribed, how fast, and how long the rest will take."""

    def __init__(self, name: str, duration: float | None) -> None:
        self._name, self._duration = name, duration
        self._began = self._said = time.monotonic()

    def __call__(self, seconds: float) -> None:
        now = time.monotonic()
        if now - self._said < SECONDS_BETWEEN_LINES:
            return
        self._said = now
        speed = seconds / (now - self._began)
        rest = f" of {self._duration:.0f}" if self._duration else ""
        left = f", {max(0.0, self._duration - seconds) / speed:.0f} s left" if self._duration else ""
        LOGGER.info("%s: %.0f%s s of audio, %.0f times real time%s", self._name, seconds, rest, speed, left)


def _write(
    outputs: Outputs, recording: Recording, tracks: Tracks, selection: Selection, cutting: Cutting | None, alone: bool
) -> Transcript:
    """Write the transcript of a recording, and of each channel that was transcribed apart; the whole is returned."""
    apart: dict[str, Transcript] = {}
    whole = None
    for one, transcript in tracks:
        words = [word for segment in transcript.segments for word in segment.words]
        placed = replace(transcript, segments=cut_at_pauses(words, cutting)).moved(selection.start)
        if one.speaker is None:
            whole = placed
        else:
            apart[one.speaker] = placed
    for speaker, placed in apart.items():
        outputs.write(recording, placed, alone, speaker)
    whole = merged(apart) if whole is None else whole
    outputs.write(recording, whole, alone)
    return whole
