"""Your own recordings: a table with a row a recording, or a folder of audio with a text file beside each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from asr.audio.reading import audio_info
from asr.corpus.splits import divide, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import AudioError, CorpusError, UsageError

AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".sph", ".aiff", ".aif", ".au", ".w64", ".rf64", ".caf"}
LISTED = 5  # offending rows named in one message
Row = tuple[str, Path, str, str]  # where it was read, audio, text, speaker


def prepare(
    out_dir: str | Path, *, csv_file: str | Path | None = None, folder: str | Path | None = None, share: float = 0.1
) -> dict[str, int]:
    """Write train, dev and test manifests, divided by speaker where at least three speakers are known.

    Args:
        out_dir: where the manifests go.
        csv_file: table with the columns `audio` and `text` and optionally `speaker`, separated by commas, semicolons
            or tabs; audio paths are relative to its folder.
        folder: audio at any depth, with a `.txt` of the same name beside each; a subfolder counts as one speaker.
        share: part of the utterances for dev, and as much for test.

    Raises:
        UsageError: not exactly one of `csv_file` and `folder`, or a share outside 0..0.4.
        CorpusError: a column, text or recording is missing or unreadable; the first few are named.
    """
    if not 0 < share <= 0.4:
        raise UsageError("share", f"is {share}", "choose it above 0 and up to 0.4")
    if csv_file is not None and folder is None:
        source, rows = Path(csv_file), _read_csv(Path(csv_file))
    elif folder is not None and csv_file is None:
        source, rows = Path(folder), _read_folder(Path(folder))
    else:
        raise UsageError("your own corpus", "needs one source", "give either --csv FILE or --folder DIR")
    return write_splits(out_dir, divide(_utterances(source, rows), share))


def _read_csv(path: Path) -> Iterator[Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin their files with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(path, f"cannot be read ({error})", "give a UTF-8 table with columns audio,text") from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        yield from _rows(path, csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:  # a NUL before Python 3.11, or a field over csv's limit
        raise CorpusError(path, f"is not a table ({error})", "write it as UTF-8 text with quoted fields") from None


def _rows(path: Path, table: csv.DictReader[str]) -> Iterator[Row]:
    missing = {"audio", "text"} - set(table.fieldnames or ())
    if missing:
        reason = f"lacks the column {' and '.join(sorted(missing))}"
        raise CorpusError(path, reason, "begin it with the line: audio,text,speaker")
    for row in table:
        place = f"{path}:{table.line_num}"
        if not row["audio"] or row["text"] is None:
            raise CorpusError(place, "has an empty audio or no text", "fill in both columns")
        yield place, path.parent / row["audio"].strip(), row["text"], (row.get("speaker") or "").strip()


def _read_folder(folder: Path) -> Iterator[Row]:
    if not folder.is_dir():
        raise CorpusError(folder, "is not a folder", "give a folder of audio with .txt files beside")
    for audio in sorted(folder.rglob("*")):
        if audio.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        transcript = audio.with_suffix(".txt")
        try:
            text = transcript.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
            raise CorpusError(transcript, reason, f"write what is said in {audio.name} into it") from None
        speaker = audio.parent.relative_to(folder).as_posix()
        yield str(transcript), audio, text, "" if speaker == "." else speaker


def _utterances(source: Path, rows: Iterable[Row]) -> list[Utterance]:
    base = source if source.is_dir() else source.parent
    utterances, offences = [], []
    for place, audio, text, speaker in rows:
        try:
            duration = audio_info(audio).duration
        except AudioError as error:
            offences.append(f"{place}: {error.subject} {error.reason}")
            continue
        utterances.append(
            Utterance(
                id=_identifier(audio, base),
                audio=str(audio.absolute()),
                start=0.0,
                duration=duration,
                text=" ".join(text.split()),
                speaker=speaker,
            )
        )
    if offences:
        more = f" and {len(offences) - LISTED} more" if len(offences) > LISTED else ""
        reason = f"{len(offences)} recordings cannot be used: {'; '.join(offences[:LISTED])}{more}"
        raise CorpusError(source, reason, "correct or remove these rows")
    if not utterances:
        raise CorpusError(source, "holds no recordings", "give audio files with their texts")
    return utterances


def _identifier(audio: Path, base: Path) -> str:
    """The path below the corpus, without suffix and white space, as an utterance id."""
    inside = audio.relative_to(base) if audio.is_relative_to(base) else Path(audio.name)
    return "_".join("-".join(inside.with_suffix("").parts).split())
