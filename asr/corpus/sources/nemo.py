"""NeMo's JSONL manifests, both ways: `audio_filepath`, `duration`, `text`, optionally `offset`, a line an utterance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from asr.audio.reading import audio_info
from asr.corpus.splits import SPLITS, divide, sort_into_splits, with_dev, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError
from asr.files import atomic_write

SUFFIXES = (".json", ".jsonl")


def prepare(
    corpus: str | Path,
    out_dir: str | Path,
    *,
    train: Sequence[str] = (),
    dev: Sequence[str] = (),
    test: Sequence[str] = (),
) -> dict[str, int]:
    """Write train, dev and test manifests from NeMo's.

    Args:
        corpus: one NeMo manifest, which is divided by speaker, or a folder of several.
        out_dir: where the manifests go.
        train, dev, test: file names inside the folder for each split; when all are empty, every `.json` and `.jsonl`
            file goes by the beginning of its name. Without dev, part of train is held out.

    Raises:
        CorpusError: no manifest, a malformed line, or a recording that does not open.
    """
    root = Path(corpus)
    if root.is_file():
        return write_splits(out_dir, divide(read_nemo(root)))
    chosen = {name: list(files) for name, files in zip(SPLITS, (train, dev, test), strict=True)}
    if not any(chosen.values()):
        found = sorted(path.name for path in root.glob("*") if path.suffix in SUFFIXES)
        chosen = sort_into_splits(found)
    if not any(chosen.values()):
        raise CorpusError(root, "holds no manifest", "give a NeMo manifest or a folder with train*.json and test*.json")
    splits = {split: [u for name in names for u in read_nemo(root / name)] for split, names in chosen.items()}
    return write_splits(out_dir, with_dev(splits))


def read_nemo(path: str | Path) -> list[Utterance]:
    """Utterances of a NeMo manifest; ids are its `id` fields or else made of the file names.

    Raises:
        CorpusError: missing file, or a malformed line, named as file:line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise CorpusError(path, reason, "give a NeMo manifest") from None
    utterances: list[Utterance] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            utterances.append(_parse(line, path.parent.absolute(), f"{path}:{number}", seen))
    return utterances


def write_nemo(utterances: Iterable[Utterance], path: str | Path) -> int:
    """Write a NeMo manifest with absolute audio paths and return the number of utterances.

    NeMo ignores the further fields `id` and `speaker`, with which nothing is lost on the way back.
    """
    count = 0
    with atomic_write(path) as stream:
        for utterance in utterances:
            fields: dict[str, Any] = {
                "audio_filepath": utterance.audio,
                "duration": utterance.duration,
                "text": utterance.text,
            }
            if utterance.start > 0:
                fields["offset"] = utterance.start
            if utterance.speaker:
                fields["speaker"] = utterance.speaker
            stream.write(json.dumps(fields | {"id": utterance.id}, ensure_ascii=False) + "\n")
            count += 1
    return count


def _parse(line: str, folder: Path, place: str, seen: dict[str, int]) -> Utterance:
    try:
        fields = json.loads(line)
        audio = folder / fields["audio_filepath"]
        start = float(fields.get("offset") or 0.0)
        length = fields.get("duration")
        duration = audio_info(audio).duration - start if length is None else float(length)
        text = " ".join(fields.get("text", "").split())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "each line needs audio_filepath, duration and text"
        raise CorpusError(place, f"is not a line of a NeMo manifest ({error!r})", remedy) from None
    identifier = str(fields.get("id") or "_".join(audio.stem.split()))
    seen[identifier] = seen.get(identifier, 0) + 1
    if seen[identifier] > 1:
        identifier = f"{identifier}-{seen[identifier]}"
    return Utterance(
        id=identifier,
        audio=str(audio),
        start=start,
        duration=duration,
        text=text,
        speaker=str(fields.get("speaker") or ""),
    )
