"""Which files of a folder are recordings, and what of it was passed over: nothing is left out without a word."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger("asr")

# fmt: off
OF_LIBSNDFILE = frozenset({
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".sph", ".aiff", ".aif", ".aifc", ".au", ".snd",
    ".caf", ".w64", ".rf64",
})
OF_FFMPEG = frozenset({
    ".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".aac", ".webm", ".mkv", ".mka", ".amr", ".awb", ".wma",
    ".wmv", ".asf", ".avi", ".flv", ".mpg", ".mpeg", ".ts", ".ac3", ".wv", ".ape", ".tta", ".mpc", ".dsf", ".spx",
})
# fmt: on
SUFFIXES = OF_LIBSNDFILE | OF_FFMPEG
SHOWN = 3  # of what was passed over, by name


@dataclass
class FolderContent:
    """What a folder holds.

    Attributes:
        recordings: files with a suffix of audio, also links that lead nowhere, in order of name.
        closed: folders that cannot be read, each with the reason.
        others: files of other kinds, hidden files, and links to folders that were seen already.
    """

    recordings: list[Path] = field(default_factory=list)
    closed: list[tuple[Path, str]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    def tell(self, folder: Path, expected: frozenset[str] = frozenset()) -> None:
        """Say what was passed over.

        Args:
            folder: as it was given.
            expected: suffixes that need no mention, such as .txt beside recordings.
        """
        others = [path for path in self.others if path.suffix.lower() not in expected or path.name.startswith(".")]
        if others:
            named = ", ".join(printable(path.relative_to(folder)) for path in others[:SHOWN])
            more = ", ..." if len(others) > SHOWN else ""
            log.info(
                "%s: passed over %d files that are hidden or no audio: %s%s",
                printable(folder),
                len(others),
                named,
                more,
            )


def look_through(folder: str | Path) -> FolderContent:
    """Search a folder and those in it, also linked ones, each once."""
    content = FolderContent()
    _visit(Path(folder), content, set())
    content.recordings.sort()
    content.others.sort()
    return content


def _visit(folder: Path, content: FolderContent, seen: set[tuple[int, int]]) -> None:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            content.others.append(folder)
            return
        seen.add((status.st_dev, status.st_ino))
        entries = sorted(folder.iterdir())
    except OSError as error:
        content.closed.append((folder, error.strerror or str(error)))
        return
    for path in entries:
        if path.name.startswith("."):
            content.others.append(path)
        elif is_folder(path):
            _visit(path, content, seen)
        elif path.suffix.lower() in SUFFIXES and not _is_device(path):
            content.recordings.append(path)
        else:
            content.others.append(path)


def _is_device(path: Path) -> bool:
    """Whether something is neither a file nor a link to nothing: a pipe, a socket."""
    try:
        return path.exists() and not path.is_file()
    except OSError:
        return False


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder; no for what lies in a closed one, which Path.is_dir() would raise an error for."""
    return os.path.isdir(path)  # noqa: PTH112


def printable(path: str | os.PathLike[str]) -> str:
    """A path in one line, whatever it is made of: bytes that are not UTF-8 as U+FFFD, control characters escaped."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(_escaped(text))


def _escaped(text: str) -> Iterator[str]:
    for letter in text:
        yield (
            letter.encode("unicode_escape").decode() if ord(letter) < 32 or letter in "\x7f\x85\u2028\u2029" else letter
        )
