"""Manifests: one JSON object a line, one line an utterance; streamed, so that length costs no memory.

A line holds the fields of `Utterance` (those at their default are left out) and any further fields of its `extra`:

    {"id": "an406-fcaw-b", "audio": "/corpora/an4/.../an406-fcaw-b.wav", "start": 0.0, "duration": 3.6, "text": "GO"}

Audio under the manifest's own folder is written relative to it, so that the folder can be moved as a whole.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from asr.corpus.utterance import Utterance
from asr.errors import CorpusError
from asr.files import atomic_write

FIELDS = ("id", "audio", "start", "duration", "channel", "text", "speaker")


def read_manifest(path: str | Path) -> Iterator[Utterance]:
    """Yield the utterances of a manifest in order, audio paths resolved against its folder; blank lines are skipped.

    Raises:
        CorpusError: missing or unreadable file, or a malformed line, named as file:line.
    """
    path = Path(path)
    folder = path.parent.absolute()
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield parse_line(line, folder, f"{path}:{number}")
    except FileNotFoundError:
        raise CorpusError(path, "does not exist", "make it with 'asr prepare'") from None
    except UnicodeDecodeError as error:
        raise CorpusError(path, f"is not UTF-8 text ({error.reason})", "save it as UTF-8") from None
    except OSError as error:
        raise CorpusError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None


def load_manifest(path: str | Path) -> list[Utterance]:
    """All utterances of a manifest.

    Raises:
        CorpusError: as `read_manifest`, or there are none.
    """
    return list(Manifest(Path(path)))


def load_distinct(path: str | Path) -> list[Utterance]:
    """All utterances of a manifest in which every id stands once.

    Raises:
        CorpusError: as `load_manifest`, or an id stands twice.
    """
    utterances = load_manifest(path)
    counts = Counter(utterance.id for utterance in utterances)
    doubled = [name for name, count in counts.items() if count > 1]
    if doubled:
        more = f" and {len(doubled) - 1} more do" if len(doubled) > 1 else ""
        remedy = "give each utterance its own id; 'asr validate --fix' keeps the first of each"
        raise CorpusError(path, f"the id {doubled[0]} stands {counts[doubled[0]]} times{more}", remedy)
    return utterances


@dataclass(frozen=True)
class Manifest:
    """A manifest as a collection of utterances that is read anew, line by line, each time it is gone through.

    Attributes:
        path: of the file.
        leave_out: ids to pass over.

    Raises:
        CorpusError: when gone through, as `load_manifest`.
    """

    path: Path
    leave_out: Collection[str] = ()

    def __iter__(self) -> Iterator[Utterance]:
        empty = True
        for utterance in read_manifest(self.path):
            empty = False
            if utterance.id not in self.leave_out:
                yield utterance
        if empty:
            raise CorpusError(self.path, "holds no utterances", "make it again with 'asr prepare'")


def write_manifest(path: str | Path, utterances: Iterable[Utterance]) -> int:
    """Write a manifest under a temporary name, rename it, and return the number of utterances.

    Raises:
        CorpusError: an `extra` field has the name of a field of the utterance.
    """
    folder = Path(path).parent.absolute()
    count = 0
    with atomic_write(path) as stream:
        for utterance in utterances:
            stream.write(json.dumps(_fields(utterance, folder), ensure_ascii=False) + "\n")
            count += 1
    return count


def _fields(utterance: Utterance, folder: Path) -> dict[str, Any]:
    audio = folder / utterance.audio
    if audio.is_relative_to(folder):
        audio = audio.relative_to(folder)
    fields: dict[str, Any] = {
        "id": utterance.id,
        "audio": str(audio),
        "start": round(utterance.start, 6),
        "duration": round(utterance.duration, 6),
    }
    if utterance.channel is not None:
        fields["channel"] = utterance.channel
    fields["text"] = utterance.text
    if utterance.speaker:
        fields["speaker"] = utterance.speaker
    doubled = set(utterance.extra) & set(FIELDS)
    if doubled:
        raise CorpusError(utterance.id, f"extra fields {sorted(doubled)} are fields already", "rename them")
    return fields | utterance.extra


def parse_line(line: str, folder: Path, place: str) -> Utterance:
    """The utterance of one line.

    Args:
        line: a JSON object.
        folder: what a relative audio path is relative to.
        place: file:line, for messages.

    Raises:
        CorpusError: malformed.
    """
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise CorpusError(place, f"is not JSON ({error})", "correct the line or make the manifest again") from None
    if not isinstance(fields, dict):
        raise CorpusError(place, "is not a JSON object", "write one {...} a line")
    identifier = fields.pop("id", None)
    if (
        not isinstance(identifier, str)
        or not identifier
        or len(identifier.split()) != 1
        or identifier.strip() != identifier
    ):
        raise CorpusError(place, f"id is {identifier!r}", "give each utterance an id without white space")
    audio = _take(fields, "audio", str, place, None)
    channel = fields.pop("channel", None)
    if channel is not None and (not isinstance(channel, int) or isinstance(channel, bool)):
        raise CorpusError(place, f"channel is {channel!r}", "give a whole number from 0, or leave it out")
    return Utterance(
        id=identifier,
        audio=str(folder / audio),
        start=_seconds(fields, "start", place, 0.0),
        duration=_seconds(fields, "duration", place, None),
        channel=channel,
        text=_take(fields, "text", str, place, ""),
        speaker=_take(fields, "speaker", str, place, ""),
        extra=fields,
    )


def _take(fields: dict[str, Any], name: str, kind: type, place: str, default: Any) -> Any:
    value = fields.pop(name, default)
    if value is None:
        raise CorpusError(place, f"has no {name}", f"add the field {name!r}")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CorpusError(place, f"{name} is {value!r}", "see the manifest format in the README")
    return value


def _seconds(fields: dict[str, Any], name: str, place: str, default: float | None) -> float:
    value = _take(fields, name, (int, float), place, default)  # type: ignore[arg-type]
    if not math.isfinite(value):
        raise CorpusError(place, f"{name} is {value!r}", "give a time in seconds")
    return float(value)


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
            return parse_line(self._stream.readline().decode("utf-8-sig"), self._folder, place)
        except UnicodeDecodeError as error:
            raise CorpusError(place, f"is not UTF-8 text ({error.reason})", "save it as UTF-8") from None

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
