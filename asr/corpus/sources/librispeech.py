"""LibriSpeech (OpenSLR 12) and mini LibriSpeech (OpenSLR 31): read audiobooks, 16 kHz.

V. Panayotov, G. Chen, D. Povey and S. Khudanpur, "LibriSpeech: an ASR corpus based on public domain audio books",
ICASSP 2015. Any of its subsets, with audio of any suffix that libsndfile reads.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from asr.audio.reading import audio_info
from asr.corpus.manifest import write_manifest
from asr.corpus.splits import SPLITS, sort_into_splits, with_dev, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError
from asr.progress import track

log = logging.getLogger("asr")


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    *,
    train: Sequence[str] = (),
    dev: Sequence[str] = (),
    test: Sequence[str] = (),
) -> dict[str, int]:
    """Write train, dev and test manifests, and one more for each subset under its own name.

    Args:
        corpus_dir: the folder `LibriSpeech` or the one that holds it.
        out_dir: where the manifests go.
        train, dev, test: subsets of each split; when all are empty, every subset found goes by the beginning of its
            name. Without a dev subset, whole training speakers are held out as dev.

    Raises:
        CorpusError: no such subset, or a transcript without its recording.
    """
    root = Path(corpus_dir)
    if (root / "LibriSpeech").is_dir():
        root = root / "LibriSpeech"
    chosen = {name: list(subsets) for name, subsets in zip(SPLITS, (train, dev, test), strict=True)}
    if not any(chosen.values()):
        chosen = sort_into_splits(sorted({path.parts[len(root.parts)] for path in root.glob("*/*/*/*.trans.txt")}))
    subsets = {name: _read_subset(root, name) for names in chosen.values() for name in names}
    splits = {split: [u for name in names for u in subsets[name]] for split, names in chosen.items()}
    counts = write_splits(out_dir, with_dev(splits, _genders(root)))
    for name, utterances in subsets.items():
        write_manifest(Path(out_dir) / f"{name}.jsonl", sorted(utterances, key=lambda u: u.id))
    return counts


def _read_subset(root: Path, subset: str) -> list[Utterance]:
    transcripts = sorted((root / subset).glob("*/*/*.trans.txt"))
    if not transcripts:
        raise CorpusError(root / subset, "holds no transcripts", "give the folder that holds LibriSpeech/")
    return [u for path in track(transcripts, subset) for u in _read_chapter(path)]


def _read_chapter(transcript: Path) -> list[Utterance]:
    """Utterances of one `SPEAKER-CHAPTER.trans.txt`; their audio lies beside it, whatever its suffix."""
    audio = {path.stem: path for path in sorted(transcript.parent.iterdir()) if not path.name.endswith(".txt")}
    utterances = []
    for line in transcript.read_text(encoding="utf-8").splitlines():
        identifier, _, text = line.strip().partition(" ")
        if not identifier:
            continue
        if identifier not in audio:
            raise CorpusError(identifier, f"has no audio in {transcript.parent}", "unpack the subset again")
        utterances.append(
            Utterance(
                id=identifier,
                audio=str(audio[identifier].absolute()),
                start=0.0,
                duration=audio_info(audio[identifier]).duration,
                text=" ".join(text.split()),
                speaker=identifier.partition("-")[0],
            )
        )
    return utterances


def _genders(root: Path) -> dict[str, str]:
    """Speaker -> "F" or "M" from SPEAKERS.TXT; empty where the file is missing."""
    try:
        lines = (root / "SPEAKERS.TXT").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields = [[field.strip() for field in line.split("|")] for line in lines if not line.startswith(";")]
    return {row[0]: row[1] for row in fields if len(row) > 1}
