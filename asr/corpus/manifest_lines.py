"""A manifest by line number: 8 bytes an utterance in memory, whatever its text and fields."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import BinaryIO

from asr.corpus.manifest import parse_line
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError


class ManifestLines:
    """Utterances of a manifest in any order, each parsed when it is asked for.

    Raises:
        CorpusError: missing or unreadable file, or one without utterances; a malformed line when it is asked for.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._folder = self.path.parent.absolute()
        self._offsets = array("q")
        try:
            self._stream: BinaryIO = self.path.open("rb")
        except FileNotFoundError:
            raise CorpusError(path, "does not exist", "make it with 'asr prepare'") from None
        except OSError as error:
            raise CorpusError(
                path, f"cannot be read ({error.strerror})", "check the path and its permissions"
            ) from None
        position = 0
        for line in self._stream:
            if line.strip():
                self._offsets.append(position)
            position += len(line)
        if not self._offsets:
            raise CorpusError(path, "holds no utterances", "make it again with 'asr prepare'")

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, number: int) -> Utterance:
        self._stream.seek(self._offsets[number])
        place = f"{self.path}, utterance {number + 1}"
        try:
            return parse_line(self._stream.readline().decode("utf-8"), self._folder, place)
        except UnicodeDecodeError as error:
            raise CorpusError(place, f"is not UTF-8 text ({error.reason})", "save it as UTF-8") from None

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
