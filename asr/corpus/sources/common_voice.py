"""Common Voice (commonvoice.mozilla.org): sentences read by many speakers, the folder of any language as downloaded.

R. Ardila et al., "Common Voice: a massively-multilingual speech corpus", LREC 2020. A language's folder has
`train.tsv`, `dev.tsv` and `test.tsv`, whose speakers (`client_id`) do not overlap, and the recordings in `clips/`. Any
tables with columns for audio and text will do; each is a subset under its own name.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asr.audio.reading import audio_info
from asr.corpus.splits import SPLITS, sort_into_splits, with_dev, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import AudioError, CorpusError
from asr.progress import track
from asr.tables import AUDIO_NAMES, SPEAKER_NAMES, TEXT_NAMES, Row, field, read_table

log = logging.getLogger("asr")
APOSTROPHES = "’‘ʼ`´"
MOST_WARNINGS = 5


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    *,
    train: Sequence[str] = (),
    dev: Sequence[str] = (),
    test: Sequence[str] = (),
) -> dict[str, int]:
    """Write train, dev and test manifests.

    Rows without words, with digits (nobody knows how they were read) or without a readable recording are left out, and
    their numbers are logged.

    Args:
        corpus_dir: the folder of a language.
        out_dir: where the manifests go.
        train, dev, test: names of tables, without `.tsv`; when all are empty, every table found goes by the beginning
            of its name. Without a dev table, whole training speakers are held out as dev.

    Raises:
        CorpusError: no such table, one without columns of audio and text, or an empty split.
        TableError: a row that does not fit its header.
    """
    root = Path(corpus_dir)
    chosen = {name: list(tables) for name, tables in zip(SPLITS, (train, dev, test), strict=True)}
    if not any(chosen.values()):
        chosen = sort_into_splits(sorted(path.stem for path in root.glob("*.tsv")))
    splits = {split: [u for name in names for u in _read_table(root, name)] for split, names in chosen.items()}
    return write_splits(out_dir, with_dev(splits))


def spoken_text(sentence: str) -> str | None:
    """A sentence as upper-case words of letters, marks and inner apostrophes; None where it has digits."""
    sentence = unicodedata.normalize("NFC", sentence)
    for apostrophe in APOSTROPHES:
        sentence = sentence.replace(apostrophe, "'")
    if any(character.isdigit() for character in sentence):
        return None
    kept = "".join(c if c == "'" or unicodedata.category(c)[0] in "LM" else " " for c in sentence)
    return " ".join(word for raw in kept.upper().split() if (word := raw.strip("'")))


def _read_table(root: Path, name: str) -> list[Utterance]:
    path = root / f"{name}.tsv"
    try:
        rows = list(read_table(str(path), path.read_text(encoding="utf-8-sig")))
    except FileNotFoundError:
        raise CorpusError(path, "does not exist", "give the folder of a language, with its .tsv files") from None
    except UnicodeDecodeError as error:
        raise CorpusError(path, f"is not UTF-8 text ({error.reason})", "download it again") from None
    left_out: Counter[str] = Counter()
    utterances = [u for row in track(rows, name) if (u := _utterance(root, row, left_out)) is not None]
    if left_out:
        log.warning("%s: %s", path.name, "; ".join(f"{count} {why}" for why, count in sorted(left_out.items())))
    return utterances


def _utterance(root: Path, row: Row, left_out: Counter[str]) -> Utterance | None:
    """The utterance of a row; None, counted, where it has to be left out."""
    name, sentence = field(row.fields, AUDIO_NAMES), field(row.fields, TEXT_NAMES)
    text = spoken_text(sentence)
    if not text:
        left_out["left out for digits in the text" if text is None else "left out for having no words"] += 1
        return None
    audio = next((path for path in (root / "clips" / name, root / name) if path.is_file()), None)
    if audio is None:
        left_out["left out for want of the recording"] += 1
        return None
    try:
        duration = audio_info(audio).duration
    except AudioError as error:
        if left_out["left out for an unreadable recording"] < MOST_WARNINGS:
            log.warning("%s", error)
        left_out["left out for an unreadable recording"] += 1
        return None
    speaker = field(row.fields, SPEAKER_NAMES)
    return Utterance(
        id=Path(name).stem, audio=str(audio.absolute()), start=0.0, duration=duration, text=text, speaker=speaker
    )
