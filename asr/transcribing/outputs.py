"""Where transcripts go: files in a folder, each written whole or not at all, or lines on standard output."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import UsageError
from asr.files import atomic_write
from asr.transcribing.inputs import Recording
from asr.transcribing.transcript import Transcript
from asr.transcribing.writers.formats import TOLD_APART, Format, render, render_among, suffix
from asr.transcribing.writers.subtitles import Layout


@dataclass
class Outputs:
    """Formats and folder of the results.

    Attributes:
        formats: of the files; one only on standard output.
        folder: for the files; None prints.
        layout: of subtitles.
        words: whether JSON has each word's times.
        skip_existing: leave out recordings whose files are all there.
    """

    formats: Sequence[Format] = ("txt",)
    folder: Path | None = None
    layout: Layout = field(default_factory=Layout)
    words: bool = True
    skip_existing: bool = False
    _printed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.folder is None and len(self.formats) > 1:
            raise UsageError("--output-format", "asks for several files", "give a folder for them: -o DIR")
        if self.folder is None and self.skip_existing:
            raise UsageError("--skip-existing", "has no effect on standard output", "give a folder: -o DIR")
        if self.layout.highlight_words and not self.words:
            raise UsageError("--highlight-words", "needs the times of words", "leave out --no-word-timestamps")

    def check(self, recordings: Sequence[Recording]) -> None:
        """Refuse what could not be written, before anything is transcribed.

        Raises:
            UsageError: two recordings would write one file, a result would overwrite a recording, the folder is a
                file, or several recordings in one stream could not be told apart.
        """
        if self.folder is None:
            if len(recordings) > 1 and self.formats[0] not in TOLD_APART:
                reason = "does not tell several recordings apart"
                raise UsageError(f"-f {self.formats[0]}", reason, "give a folder for the results: -o DIR")
            return
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(self.folder, "is not a folder", "give a folder to -o, or - for standard output")
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))
        seen: dict[Path, str] = {}
        inputs = {Path(recording.path).absolute() for recording in recordings}
        for recording in recordings:
            other = seen.setdefault(recording.output, recording.path)
            if other != recording.path:
                reason = f"would overwrite the transcript of {other}"
                raise UsageError(recording.shown, reason, "transcribe them in separate runs")
            for path in self.paths(recording):
                if path.absolute() in inputs:
                    raise UsageError(path, "is a recording and would be overwritten", "give another folder to -o")

    def paths(self, recording: Recording) -> Iterator[Path]:
        """The files of a recording, without those of its single channels."""
        if self.folder is not None:
            for format in self.formats:
                yield self.folder / f"{recording.output}{suffix(format)}"

    def there(self, recording: Recording) -> bool:
        """Whether all files of a recording are there already."""
        return self.folder is not None and all(path.exists() for path in self.paths(recording))

    def write(self, recording: Recording, transcript: Transcript, alone: bool, channel: str | None = None) -> None:
        """Write a transcript, or print it.

        Args:
            recording: whose transcript it is.
            transcript: of the whole recording or of one channel.
            alone: whether no other recording is transcribed.
            channel: "channel 0" of one channel's transcript, which goes only into a folder.

        Raises:
            OSError: a file cannot be written.
        """
        if self.folder is None:
            if channel is None:
                self._print(recording, transcript, alone)
            return
        ending = "" if channel is None else "." + channel.replace(" ", "")
        for format in self.formats:
            name = recording.output.name
            with atomic_write(self.folder / f"{recording.output}{ending}{suffix(format)}") as stream:
                stream.write(render(transcript, format, name, self.layout, self.words))

    def _print(self, recording: Recording, transcript: Transcript, alone: bool) -> None:
        (format,) = self.formats
        if alone and format != "json":
            name = "stdin" if recording.path == "-" else Path(recording.shown).stem
            content = render(transcript, format, name, self.layout, self.words)
        else:
            content = render_among(transcript, format, recording.shown, self._printed == 0, self.words)
        self._printed += 1
        sys.stdout.write(content)
        sys.stdout.flush()
