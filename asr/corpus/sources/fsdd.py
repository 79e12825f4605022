"""Free Spoken Digit Dataset: 3,000 isolated English digits, six speakers, 8 kHz (Jackson et al., CC BY-SA 4.0).

The official split goes by recording number, so that all six speakers are in train and in test: it measures new
recordings of known speakers. `held_out_speakers` measures unknown speakers instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from asr.audio.reading import audio_info
from asr.corpus.splits import stable_hash, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError, UsageError

WORDS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
TEST_RECORDINGS = range(5)  # the README of the corpus: 0 to 4 are test, 5 to 49 train
DEV_SHARE = 10  # one recording number in ten of training becomes dev
NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<number>\d+)")


def prepare(corpus_dir: str | Path, out_dir: str | Path, *, held_out_speakers: Sequence[str] = ()) -> dict[str, int]:
    """Write train, dev and test manifests with upper-case digit words.

    Args:
        corpus_dir: the unpacked corpus, with `recordings/`.
        out_dir: where the manifests go.
        held_out_speakers: speakers whose every recording is test and none is training; empty takes the official split.

    Raises:
        CorpusError: no recordings, or a file not named DIGIT_SPEAKER_NUMBER.wav.
        UsageError: an unknown speaker, or none left to train on.
    """
    numbered = _read(Path(corpus_dir) / "recordings")
    speakers = {utterance.speaker for _, utterance in numbered}
    unknown = sorted(set(held_out_speakers) - speakers)
    if unknown or set(held_out_speakers) == speakers:
        reason = f"are not in the corpus: {' '.join(unknown)}" if unknown else "leave none to train on"
        raise UsageError("held-out speakers", reason, f"choose some of {' '.join(sorted(speakers))}")
    splits: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for number, utterance in numbered:
        tested = utterance.speaker in held_out_speakers if held_out_speakers else number in TEST_RECORDINGS
        # Whole recording numbers of a speaker go to dev: ten digits each, said in one sitting.
        is_dev = stable_hash(f"{utterance.speaker} {number}") % DEV_SHARE == 0
        splits["test" if tested else "dev" if is_dev else "train"].append(utterance)
    return write_splits(out_dir, splits)


def _read(folder: Path) -> list[tuple[int, Utterance]]:
    numbered = []
    for path in sorted(folder.glob("*.wav")):
        match = NAME.fullmatch(path.stem)
        if match is None:
            raise CorpusError(path, "is not named DIGIT_SPEAKER_NUMBER.wav", "take the corpus as it is published")
        utterance = Utterance(
            id=f"{match['speaker']}-{match['digit']}-{int(match['number']):02d}",
            audio=str(path.absolute()),
            start=0.0,
            duration=audio_info(path).duration,
            text=WORDS[int(match["digit"])],
            speaker=match["speaker"],
        )
        numbered.append((int(match["number"]), utterance))
    if not numbered:
        raise CorpusError(folder, "holds no recordings", "give the folder that holds FSDD's recordings/")
    return numbered
