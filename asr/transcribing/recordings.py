"""Many recordings, some of them broken: transcribe the good ones, name the bad ones, lose nothing."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.audio.reading import read_audio
from asr.errors import AsrError, AudioError, UsageError
from asr.files import atomic_write
from asr.progress import track
from asr.transcribing.recognizer import Recognizer
from asr.transcribing.transcript import Format, Transcript, render, render_line

LOGGER = logging.getLogger("asr")
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".sph", ".aiff", ".aif", ".au", ".caf", ".w64"})
STDIN = "-"
MOST_STDIN_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Recording:
    """An input: its path ("-" is standard input) and the name of its output, without suffix."""

    path: str
    output: Path


def find_recordings(inputs: Sequence[str | Path]) -> list[Recording]:
    """Expand folders (recursively, in order of name) and give every recording an output name of its own.

    Raises:
        UsageError: a folder without audio, or two inputs that would write the same output.
    """
    found: list[Recording] = []
    for given in inputs:
        folder = Path(given)
        if str(given) == STDIN:
            found.append(Recording(STDIN, Path("stdin")))
        elif folder.is_dir():
            files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
            if not files:
                raise UsageError(folder, "holds no audio files", f"known suffixes: {' '.join(sorted(SUFFIXES))}")
            found += [Recording(str(path), path.relative_to(folder).with_suffix("")) for path in files]
        else:
            found.append(Recording(str(given), Path(folder.stem)))
    return found


def transcribe_recordings(
    recognizer: Recognizer,
    recordings: Sequence[Recording],
    *,
    format: Format = "txt",
    output: Path | None = None,
    channel: int | None = None,
    strict: bool = False,
    batch_size: int = 1,
) -> int:
    """Transcribe recordings one after the other.

    Args:
        recognizer: the model.
        recordings: what to read.
        format: of the results.
        output: folder for one file a recording; None prints on stdout.
        channel: see `read_audio`.
        strict: truncated files fail instead of warning.
        batch_size: recordings decoded together; changes speed, not text.

    Returns:
        Number of recordings that failed; each was named in the log and the others were written.

    Raises:
        UsageError: two recordings would write the same file.
    """
    if output is not None:
        _refuse_collisions(recordings)
    failed = 0
    texts: list[str] = []
    for begin in track(range(0, len(recordings), batch_size), "transcribing"):
        readable: list[tuple[Recording, np.ndarray]] = []
        for recording in recordings[begin : begin + batch_size]:
            try:
                readable.append((recording, _read(recording, recognizer.sample_rate, channel, strict)))
            except AsrError as error:
                failed += 1
                LOGGER.error("%s", error)
        for recording, transcript in _transcribe(recognizer, readable):
            if isinstance(transcript, AsrError):
                failed += 1
                LOGGER.error("%s: %s", recording.path, transcript)
                continue
            texts.append(transcript.text)
            if output is None:
                sys.stdout.write(render_line(transcript, format, recording.path, len(recordings) == 1))
                sys.stdout.flush()
                continue
            with atomic_write(output / f"{recording.output}.{format}") as stream:
                stream.write(render(transcript, format))
    recognizer.report_phrases(texts)
    if failed:
        LOGGER.error("%d of %d recordings failed", failed, len(recordings))
    return failed


def _transcribe(
    recognizer: Recognizer, readable: Sequence[tuple[Recording, np.ndarray]]
) -> Iterator[tuple[Recording, Transcript | AsrError]]:
    """Transcripts of a batch; one that cannot be decoded does not take the others with it."""
    waves = [wave for _, wave in readable]
    try:
        transcripts = recognizer.transcribe_batch(waves)
    except AsrError as error:
        if len(readable) == 1:
            yield readable[0][0], error
            return
        for pair in readable:
            yield from _transcribe(recognizer, [pair])
        return
    yield from zip((recording for recording, _ in readable), transcripts, strict=True)


def _read(recording: Recording, sample_rate: int, channel: int | None, strict: bool) -> np.ndarray:
    source = _standard_input() if recording.path == STDIN else recording.path
    return read_audio(source, sample_rate=sample_rate, channel=channel, strict=strict)


def _standard_input() -> io.BytesIO:
    content = sys.stdin.buffer.read(MOST_STDIN_BYTES + 1)
    if len(content) > MOST_STDIN_BYTES:
        raise AudioError("standard input", "is over 1 GiB", "save it to a file and give its name")
    return io.BytesIO(content)


def _refuse_collisions(recordings: Sequence[Recording]) -> None:
    seen: dict[Path, str] = {}
    for recording in recordings:
        other = seen.setdefault(recording.output, recording.path)
        if other != recording.path:
            raise UsageError(
                recording.path, f"would overwrite the transcript of {other}", "transcribe them in separate runs"
            )
