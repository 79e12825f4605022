"""Which recordings are transcribed, and which part and channel of each."""

from __future__ import annotations

import io
import logging
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from asr.audio.finding import SUFFIXES, is_folder, look_through, printable
from asr.audio.reading import audio_info, resample
from asr.audio.stream import AudioStream, open_stream
from asr.errors import AudioError, UsageError

LOGGER = logging.getLogger("asr")
STDIN = "-"
MOST_STDIN_BYTES = 2**30
SHORT_SECONDS = 30.0
Channels = Literal["mix", "split"] | int


@dataclass(frozen=True, slots=True)
class Recording:
    """An input: its path ("-" is standard input), the name of its output, without suffix, and why it cannot be read,
    where that is known."""

    path: str
    output: Path
    problem: str = ""

    @property
    def shown(self) -> str:
        """The path as it can be printed in one line, whatever bytes it is made of."""
        return printable(self.path)


@dataclass(frozen=True, slots=True)
class Track:
    """What is transcribed in one piece.

    Attributes:
        samples: mono (N,) at the model's rate of a short recording; None of a long one.
        speaker: who speaks, where that is known.
        stream: a long recording, to be read once while it is transcribed.
    """

    samples: np.ndarray | None
    speaker: str | None = None
    stream: AudioStream | None = None

    def whole(self) -> np.ndarray:
        """All samples (N,), those of a long recording too: for what has to look at it in one piece."""
        if self.samples is not None:
            return self.samples
        blocks = list(self.stream or ())
        return np.concatenate(blocks) if blocks else np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a recording is read.

    Attributes:
        channels: "mix" for the mean of all, "split" for each by itself, or the number of one, from 0.
        start: seconds that are left out in front.
        end: seconds from the recording's beginning at which reading ends; None reads to its end.
        raw: Hz of headerless mono 16-bit little-endian samples; None reads files with a header.
        strict: truncated files fail instead of warning.
    """

    channels: Channels = "mix"
    start: float = 0.0
    end: float | None = None
    raw: int | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if not self.start >= 0:
            raise UsageError("--start", f"{self.start} is before the recording", "give seconds from 0")
        if self.end is not None and not self.end > self.start:
            raise UsageError("--end", f"{self.end} is not after --start {self.start}", "give a later time in seconds")
        if self.raw is not None and self.channels not in ("mix", 0):
            raise UsageError("--channels", "has no effect with --raw", "raw samples are of one channel")

    def tracks(self, recording: Recording, sample_rate: int) -> list[Track]:
        """Read what is to be transcribed of a recording.

        Raises:
            AudioError: it cannot be read, or has no such span or channel.
        """
        if recording.problem:
            raise AudioError(recording.shown, recording.problem, "check its permissions")
        source = _standard_input() if recording.path == STDIN else recording.path
        if self.raw is not None:
            return [Track(self._raw(source, self.raw, sample_rate))]
        if self.channels == "split":
            count = audio_info(source).channels
            return [self._read(source, sample_rate, channel, f"channel {channel}") for channel in range(count)]
        return [self._read(source, sample_rate, self.channels)]

    def _read(
        self, source: str | io.BytesIO, sample_rate: int, channel: int | Literal["mix"], speaker: str | None = None
    ) -> Track:
        """A short recording is read at once, so that several go through the network together."""
        stream = open_stream(
            source, sample_rate=sample_rate, channel=channel, strict=self.strict, start=self.start, end=self.end
        )
        if stream.duration is None or stream.duration > SHORT_SECONDS:
            return Track(None, speaker, stream)
        return Track(np.concatenate([np.empty(0, np.float32), *stream]), speaker)

    def _raw(self, source: str | io.BytesIO, rate: int, sample_rate: int) -> np.ndarray:
        first, last = round(self.start * rate), None if self.end is None else round(self.end * rate)
        try:
            content = source.getvalue() if isinstance(source, io.BytesIO) else Path(source).read_bytes()
        except OSError as error:
            raise AudioError(str(source), f"cannot be read ({error.strerror})", "check the path") from None
        if len(content) % 2:
            LOGGER.warning(
                "%s: ends with half a sample, which is left out",
                "standard input" if isinstance(source, io.BytesIO) else source,
            )
        samples = np.frombuffer(content[: len(content) // 2 * 2], "<i2")[first:last]
        if first and not len(samples):
            reason = f"ends at {len(content) / 2 / rate:.2f} s, before the span that starts at {self.start:.2f} s"
            raise AudioError("raw audio", reason, "correct --start, or --raw if its rate is another")
        return resample(samples.astype(np.float32) / 32768, rate, sample_rate)


def parse_channels(text: str) -> Channels:
    """The meaning of `--channels`.

    Raises:
        UsageError: it is none of mix, split and a number from 0.
    """
    if text in ("mix", "split"):
        return "mix" if text == "mix" else "split"
    if text.isascii() and text.isdigit():
        return int(text)
    raise UsageError("--channels", f"{text!r} is no channel", "use mix, split or a number from 0")


def find_recordings(inputs: Sequence[str | Path]) -> list[Recording]:
    """Expand folders (recursively, in order of name) and give every recording an output name of its own.

    Raises:
        UsageError: a folder without audio, an empty name, or standard input twice.
    """
    found: list[Recording] = []
    for given in inputs:
        folder = Path(given)
        if not str(given):
            raise UsageError("audio", "is an empty name", "give files, folders, or - for standard input")
        if str(given) == STDIN:
            found.append(Recording(STDIN, Path("stdin")))
        elif is_folder(folder):
            found += _in_folder(folder)
        else:
            found.append(Recording(str(given), Path(folder.stem)))
    if sum(recording.path == STDIN for recording in found) > 1:
        raise UsageError(STDIN, "stands for standard input, which can be read once", "give it once")
    return _told_apart(found)


def _in_folder(folder: Path) -> list[Recording]:
    content = look_through(folder)
    if not content.recordings and not content.closed:
        raise UsageError(folder, "holds no audio files", f"known suffixes: {' '.join(sorted(SUFFIXES))}")
    content.tell(folder)
    recordings = [Recording(str(path), path.relative_to(folder).with_suffix("")) for path in content.recordings]
    for path, reason in content.closed:
        recordings.append(Recording(str(path), path.relative_to(folder), f"is a folder that cannot be read ({reason})"))
    return recordings


def _told_apart(recordings: list[Recording]) -> list[Recording]:
    """Outputs of the same name get the recording's suffix, such as x.wav and x.flac, and then the folder it lies in."""
    for longer in (_with_suffix, _with_folder):
        paths: dict[Path, set[str]] = defaultdict(set)
        for recording in recordings:
            paths[recording.output].add(recording.path)
        recordings = [
            replace(recording, output=longer(recording)) if len(paths[recording.output]) > 1 else recording
            for recording in recordings
        ]
    return recordings


def _with_suffix(recording: Recording) -> Path:
    return recording.output.with_name(Path(recording.path).name)


def _with_folder(recording: Recording) -> Path:
    parent = Path(recording.path).absolute().parent.name
    return Path(parent) / recording.output.name if parent else recording.output


def _standard_input() -> io.BytesIO:
    content = sys.stdin.buffer.read(MOST_STDIN_BYTES + 1)
    if len(content) > MOST_STDIN_BYTES:
        raise AudioError("standard input", "is over 1 GiB", "save it to a file and give its name")
    return _StandardInput(content)


class _StandardInput(io.BytesIO):
    """What came through standard input, with a name for messages."""

    name = "standard input"
