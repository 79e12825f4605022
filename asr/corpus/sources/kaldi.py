"""Kaldi data directories, both ways: `wav.scp`, `text`, `utt2spk`, `segments` (kaldi-asr.org, "Data preparation").

Each file is a table of lines "key rest", sorted by key as the C locale does. Without `segments`, each recording is
one utterance and the keys of `wav.scp` are utterance ids.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from asr.audio.reading import audio_info
from asr.corpus.splits import SPLITS, divide, sort_into_splits, with_dev, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError
from asr.files import atomic_directory

log = logging.getLogger("asr")

WHOLE_TOLERANCE = 0.01  # seconds by which an utterance may miss its recording's end and still be all of it


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    *,
    train: Sequence[str] = (),
    dev: Sequence[str] = (),
    test: Sequence[str] = (),
) -> dict[str, int]:
    """Write train, dev and test manifests from data directories.

    Args:
        corpus_dir: one data directory, which is divided by speaker, or a folder of several.
        out_dir: where the manifests go.
        train, dev, test: names of data directories inside `corpus_dir` for each split; when all are empty, every one
            found goes by the beginning of its name. Without dev, part of train is held out.

    Raises:
        CorpusError: a file is missing or malformed, audio is made by a command, or a recording does not open.
    """
    root = Path(corpus_dir)
    if (root / "wav.scp").is_file():
        return write_splits(out_dir, divide(read_data_directory(root)))
    chosen = {name: list(folders) for name, folders in zip(SPLITS, (train, dev, test), strict=True)}
    if not any(chosen.values()):
        chosen = sort_into_splits(sorted(path.parent.name for path in root.glob("*/wav.scp")))
    if not any(chosen.values()):
        raise CorpusError(root, "holds no data directory", "give the folder that holds wav.scp, or train/ and test/")
    splits = {split: [u for name in names for u in read_data_directory(root / name)] for split, names in chosen.items()}
    return write_splits(out_dir, with_dev(splits))


def read_data_directory(folder: str | Path) -> list[Utterance]:
    """Utterances of a Kaldi data directory, in its order; those without a text are left out with a warning.

    Raises:
        CorpusError: as `prepare`.
    """
    folder = Path(folder)
    recordings = {key: _audio_path(folder, key, value) for key, value in _read_table(folder / "wav.scp").items()}
    texts = _read_table(folder / "text")
    speakers = _read_table(folder / "utt2spk") if (folder / "utt2spk").is_file() else {}
    spans = _spans(folder, recordings)
    without = [key for key in spans if key not in texts]
    if without:
        log.warning("%s: %d utterances have no text and are left out, %s first", folder, len(without), without[0])
    unsaid = [key for key in texts if key not in spans]
    if unsaid:
        what = "texts have no recording or segment and are left out"
        log.warning("%s: %d %s, %s first", folder, len(unsaid), what, unsaid[0])
    durations = {key: audio_info(recordings[key]).duration for key in {span[0] for span in spans.values()}}
    utterances = []
    for key, (recording, start, end, channel) in spans.items():
        if key in texts:
            last = durations[recording] if end < 0 else end
            utterances.append(
                Utterance(
                    id=key,
                    audio=str(recordings[recording]),
                    start=start,
                    duration=last - start,
                    channel=channel,
                    text=" ".join(texts[key].split()),
                    # Where the speaker is unknown, Kaldi repeats the utterance id.
                    speaker="" if speakers.get(key, key) == key else speakers[key],
                )
            )
    return utterances


def write_data_directory(utterances: Iterable[Utterance], folder: str | Path) -> int:
    """Write `wav.scp`, `text`, `utt2spk`, `spk2utt` and, where utterances are parts of recordings, `segments`.

    Returns the number of utterances. The folder appears whole or not at all.
    """
    ordered = sorted(utterances, key=lambda u: u.id.encode())
    durations = {audio: audio_info(audio).duration for audio in {u.audio for u in ordered}}
    parts = any(u.start > 0 or u.channel is not None or not _is_whole(u, durations[u.audio]) for u in ordered)
    names = _recording_names(sorted(durations)) if parts else {u.audio: u.id for u in ordered}
    by_speaker: dict[str, list[str]] = {}
    for utterance in ordered:
        by_speaker.setdefault(utterance.speaker or utterance.id, []).append(utterance.id)
    with atomic_directory(folder) as made:
        _write_table(made / "wav.scp", {names[audio]: audio for audio in names})
        _write_table(made / "text", {u.id: u.text for u in ordered})
        _write_table(made / "utt2spk", {u.id: u.speaker or u.id for u in ordered})
        _write_table(made / "spk2utt", {speaker: " ".join(ids) for speaker, ids in by_speaker.items()})
        if parts:
            _write_table(made / "segments", {u.id: _segment(u, names[u.audio]) for u in ordered})
    return len(ordered)


def _read_table(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines() would also split at U+2028 and others
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise CorpusError(path, reason, "a data directory needs wav.scp and text") from None
    table: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        key, *values = re.split(r"[ \t]+", line.strip(" \t\r"), maxsplit=1)
        value = values[0] if values else ""
        if not key:
            continue
        if key in table:
            raise CorpusError(f"{path}:{number}", f"repeats {key}", "run Kaldi's utils/fix_data_dir.sh")
        table[key] = value.strip()
    return table


def _audio_path(folder: Path, key: str, value: str) -> Path:
    if value.endswith("|"):
        remedy = "run it once, write its output to a file and name that file in wav.scp"
        raise CorpusError(folder / "wav.scp", f"{key} is a command, not a file: {value}", remedy)
    if not value:
        raise CorpusError(folder / "wav.scp", f"{key} names no file", "write 'id path' on each line")
    # Kaldi's recipes run in one folder and write paths relative to it; others write them relative to wav.scp.
    inside = (folder / value).absolute()
    return inside if inside.is_file() else Path(value).absolute()


def _spans(folder: Path, recordings: dict[str, Path]) -> dict[str, tuple[str, float, float, int | None]]:
    """Utterance id -> (recording id, start, end, channel) in seconds; an end below zero is the recording's end."""
    path = folder / "segments"
    if not path.is_file():
        return {key: (key, 0.0, -1.0, None) for key in recordings}
    spans = {}
    for key, value in _read_table(path).items():
        try:
            recording, start, end, *channel = value.split()
            spans[key] = (recording, float(start), float(end), int(channel[0]) if channel else None)
            if not (math.isfinite(float(start)) and math.isfinite(float(end))):
                raise ValueError(value)
        except ValueError:
            raise CorpusError(path, f"{key} is not 'recording start end'", "correct the line") from None
        if recording not in recordings:
            raise CorpusError(path, f"{key} is in {recording}, which wav.scp lacks", "add the recording or drop it")
    return spans


def _is_whole(utterance: Utterance, recording_duration: float) -> bool:
    return abs(utterance.duration - recording_duration) <= WHOLE_TOLERANCE


def _recording_names(audio: Sequence[str]) -> dict[str, str]:
    """Audio path -> recording id: its stem, numbered where two recordings share one."""
    names: dict[str, str] = {}
    for path in audio:
        stem = "_".join(Path(path).stem.split())
        taken = sum(name == stem or name.startswith(f"{stem}-rec") for name in names.values())
        names[path] = f"{stem}-rec{taken}" if taken else stem
    return names


def _segment(utterance: Utterance, recording: str) -> str:
    channel = "" if utterance.channel is None else f" {utterance.channel}"
    return f"{recording} {utterance.start:.4f} {utterance.start + utterance.duration:.4f}{channel}"


def _write_table(path: Path, table: dict[str, str]) -> None:
    lines = [f"{key} {table[key]}".rstrip() + "\n" for key in sorted(table, key=str.encode)]
    path.write_text("".join(lines), encoding="utf-8")
