"""Your own recordings: a table with a row a recording, or a folder of audio with a text file beside each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from asr.audio.finding import look_through, printable
from asr.audio.reading import audio_duration
from asr.corpus.splits import divide, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import AudioError, CorpusError, UsageError
from asr.tables import AUDIO_NAMES, SPEAKER_NAMES, TEXT_NAMES, column, field, read_table
from asr.text_files import decode, open_bytes, open_text

LISTED = 5  # offending rows named in one message
Row = tuple[str, Path, str, str]  # where it was read, audio, text, speaker


def prepare(
    out_dir: str | Path, *, csv_file: str | Path | None = None, folder: str | Path | None = None, share: float = 0.1
) -> dict[str, int]:
    """Write train, dev and test manifests, divided by speaker where at least three speakers are known.

    Args:
        out_dir: where the manifests go.
        csv_file: table with columns for audio and text and optionally speaker (see `asr.tables`), separated by commas,
            semicolons or tabs; audio paths are relative to its folder.
        folder: audio at any depth, with a `.txt` of the same name beside each; a subfolder counts as one speaker.
        share: part of the utterances for dev, and as much for test.

    Raises:
        UsageError: not exactly one of `csv_file` and `folder`, or a share outside 0..0.4.
        CorpusError: a column, text or recording is missing or unreadable; the first few are named.
        TableError: a row of the table does not fit its header.
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
        with open_bytes(path) as stream:
            content = decode(stream.read())
    except (OSError, EOFError) as error:
        reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise CorpusError(path, reason, "check the path and its permissions") from None
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text ({error.reason} at byte {error.start})"
        raise CorpusError(path, reason, "save it as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8") from None
    for row in read_table(str(path), content):
        place = f"{path}:{row.line}"
        missing = [
            name
            for name, wanted in (("audio", AUDIO_NAMES), ("text", TEXT_NAMES))
            if column(row.fields, wanted) is None
        ]
        if missing:
            reason = f"lacks the column {' and '.join(missing)}"
            raise CorpusError(path, reason, "begin it with the line: audio,text,speaker")
        audio, text = field(row.fields, AUDIO_NAMES).strip(), field(row.fields, TEXT_NAMES)
        if not audio:
            raise CorpusError(place, "has an empty audio", "name the recording")
        yield place, _beside(path, audio), text, field(row.fields, SPEAKER_NAMES).strip()


def _beside(table: Path, audio: str) -> Path:
    """The recording that a table names, relative to it, also with the backslashes of Windows."""
    path = table.parent / audio
    if "\\" in audio and not path.exists():
        other = table.parent / audio.replace("\\", "/")
        return other if other.exists() else path
    return path


def _read_folder(folder: Path) -> Iterator[Row]:
    if not folder.is_dir():
        raise CorpusError(folder, "is not a folder", "give a folder of audio with .txt files beside")
    content = look_through(folder)
    content.tell(folder, expected=frozenset({".txt"}))
    if content.closed:
        closed, reason = content.closed[0]
        raise CorpusError(printable(closed), f"cannot be read ({reason})", "open it to yourself or move it away")
    for audio in content.recordings:
        transcript = audio.with_suffix(".txt")
        try:
            with open_text(transcript) as stream:
                text = stream.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
            remedy = f"write what is said in {printable(audio.name)} into it"
            raise CorpusError(printable(transcript), reason, remedy) from None
        speaker = audio.parent.relative_to(folder).as_posix()
        yield printable(transcript), audio, text, "" if speaker == "." else speaker


def _utterances(source: Path, rows: Iterable[Row]) -> list[Utterance]:
    base = source if source.is_dir() else source.parent
    utterances, offences = [], []
    for place, audio, text, speaker in rows:
        try:
            str(audio).encode()
            duration = audio_duration(audio)
        except UnicodeEncodeError:
            offences.append(f"{place}: the name {printable(audio)} is not UTF-8")
            continue
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
