"""yesno (OpenSLR 1): 60 recordings of one man saying eight Hebrew words, each yes or no; the labels are in the names.

Train and test follow icefall's recipe, which publishes a word error rate to compare with: in the order of the names,
every second recording is test. (Kaldi's recipe trains on the first half and tests on the second.)
"""

from __future__ import annotations

import re
from pathlib import Path

from asr.audio.reading import audio_info
from asr.corpus.splits import write_splits
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError

RECORDINGS = 60
WORDS = {"0": "NO", "1": "YES"}
SPEAKER = "man"
DEV_STEP = 5  # one training recording in five becomes dev
NAME = re.compile(r"[01](_[01]){7}")


def prepare(corpus_dir: str | Path, out_dir: str | Path) -> dict[str, int]:
    """Write train (24), dev (6) and test (30) manifests.

    Args:
        corpus_dir: the folder `waves_yesno` or the one that holds it.
        out_dir: where the manifests go.

    Raises:
        CorpusError: not the 60 recordings, or a file with another kind of name.
    """
    folder = Path(corpus_dir)
    if (folder / "waves_yesno").is_dir():
        folder = folder / "waves_yesno"
    paths = sorted(folder.glob("*.wav"))
    if len(paths) != RECORDINGS:
        reason = f"holds {len(paths)} recordings, not {RECORDINGS}"
        raise CorpusError(folder, reason, "give the folder that holds waves_yesno/ or download it again")
    utterances = [_utterance(path) for path in paths]
    training, test = utterances[::2], utterances[1::2]
    dev = training[DEV_STEP - 1 :: DEV_STEP]
    train = [utterance for utterance in training if utterance not in dev]
    return write_splits(out_dir, {"train": train, "dev": dev, "test": test})


def _utterance(path: Path) -> Utterance:
    if not NAME.fullmatch(path.stem):
        raise CorpusError(path, "is not named by eight digits 0 or 1", "take the corpus as it is published")
    return Utterance(
        id=path.stem,
        audio=str(path.absolute()),
        start=0.0,
        duration=audio_info(path).duration,
        text=" ".join(WORDS[label] for label in path.stem.split("_")),
        speaker=SPEAKER,
    )
