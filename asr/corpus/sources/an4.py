"""CMU AN4 ("census"): 948 training utterances of 74 speakers, 130 test utterances of 10, recorded about 1991.

A. Acero, "Acoustical and Environmental Robustness in Automatic Speech Recognition", Kluwer 1993.
The corpus fixes train and test; dev is cut from training speakers, who are then left out of training.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from asr.audio.reading import audio_info
from asr.corpus.splits import hold_out_speakers, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError

log = logging.getLogger("asr")

OFFICIAL_COUNTS = {"train": 948, "test": 130}
DEV_UTTERANCES = 60
AUDIO_SUFFIXES = (".wav", ".flac", ".sph")
TRANSCRIPT_LINE = re.compile(r"^(?:<s>\s*)?(?P<words>.*?)(?:\s*</s>)?\s*\((?P<id>[^()\s]+)\)\s*$")


def prepare(corpus_dir: str | Path, out_dir: str | Path) -> dict[str, int]:
    """Write train, dev and test manifests with upper-case texts.

    Args:
        corpus_dir: the unpacked corpus, with `etc/` and `wav/`; audio in WAV, FLAC or uncompressed SPHERE.
        out_dir: where the manifests go.

    Returns:
        Number of utterances of each split: 948 training utterances less dev, and 130 test utterances.

    Raises:
        CorpusError: a list, transcript or recording is missing.
    """
    corpus_dir = Path(corpus_dir)
    official = {split: _read_split(corpus_dir, split) for split in OFFICIAL_COUNTS}
    for split, count in OFFICIAL_COUNTS.items():
        if len(official[split]) != count:
            log.warning("%s: %s has %d utterances, not %d", corpus_dir, split, len(official[split]), count)
    # The first letter of a speaker's name says f or m.
    genders = {utterance.speaker: utterance.speaker[0] for utterance in official["train"]}
    train, dev = hold_out_speakers(official["train"], DEV_UTTERANCES, genders)
    return write_splits(out_dir, {"train": train, "dev": dev, "test": official["test"]})


def _read_split(corpus_dir: Path, split: str) -> list[Utterance]:
    texts = _read_transcripts(corpus_dir / "etc" / f"an4_{split}.transcription")
    utterances = []
    for line in _read_lines(corpus_dir / "etc" / f"an4_{split}.fileids"):
        name = line.strip()
        identifier = Path(name).name
        if identifier not in texts:
            raise CorpusError(
                identifier, f"has no transcript in an4_{split}.transcription", "download the corpus again"
            )
        audio = _find_audio(corpus_dir / "wav" / name)
        utterances.append(
            Utterance(
                id=identifier,
                audio=str(audio.absolute()),
                start=0.0,
                duration=audio_info(audio).duration,
                text=texts[identifier],
                speaker=Path(name).parent.name,
            )
        )
    return utterances


def _read_transcripts(path: Path) -> dict[str, str]:
    texts = {}
    for line in _read_lines(path):
        match = TRANSCRIPT_LINE.match(line)
        if match is None:
            raise CorpusError(path, f"has a line that is not 'WORDS (id)': {line!r}", "download the corpus again")
        texts[match["id"]] = " ".join(match["words"].upper().split())
    return texts


def _read_lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(path, f"cannot be read ({error})", "give the folder that holds AN4's etc/ and wav/") from None


def _find_audio(stem: Path) -> Path:
    for suffix in AUDIO_SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            return path
    raise CorpusError(stem, f"has no audio ({', '.join(AUDIO_SUFFIXES)})", "download the corpus again")
