"""The sets of the English model: LibriSpeech, Common Voice, kathleen and speechocean762 as one training set.

    python recipes/english/merge.py CORPORA OUT MANIFEST...

MANIFESTs of LibriSpeech are trained on as they are; what is in OUT/librispeech/dev.jsonl never is. CORPORA holds the
other corpora, each with a table (audio, text, speaker) beside its audio. 25 speakers of Common Voice are held out as
dev; its test set, and LibriSpeech's, are only reported.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from asr.audio.reading import audio_info
from asr.corpus.manifest import load_manifest, write_manifest
from asr.corpus.utterance import Utterance

HELD_OUT = 25
TABLES = {"common_voice_en": "cv-", "kathleen": "ka-", "speechocean762": "so-"}


def read_table(path: Path, prefix: str) -> list[Utterance]:
    """Utterances of a table; their ids and speakers begin with a prefix, so that corpora do not mix."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        audio, text, speaker = line.split("\t")[:3]
        duration = audio_info(path.parent / audio).duration
        name = prefix + Path(audio).stem
        where = str((path.parent / audio).absolute())
        found.append(Utterance(name, where, 0.0, duration, text=text, speaker=prefix + speaker))
    return found


def main(corpora: Path, out: Path, manifests: list[str]) -> None:
    """Write train, dev, dev-librispeech, dev-common-voice and the sets to report."""
    held_out = {"dev-librispeech": load_manifest(out / "librispeech" / "dev.jsonl")}
    train = [utterance for name in manifests for utterance in load_manifest(name)]
    train = [utterance for utterance in train if utterance.id not in {u.id for u in held_out["dev-librispeech"]}]
    for folder, prefix in TABLES.items():
        found = read_table(corpora / folder / "train.tsv", prefix)
        if folder == "common_voice_en":
            speakers = sorted({utterance.speaker for utterance in found})
            random.Random(1).shuffle(speakers)
            held_out["dev-common-voice"] = [u for u in found if u.speaker in speakers[:HELD_OUT]]
            found = [u for u in found if u.speaker not in speakers[:HELD_OUT]]
        train += found
    sets = {
        "train": train,
        "dev": held_out["dev-librispeech"] + held_out["dev-common-voice"],
        **held_out,
        "test": load_manifest(out / "librispeech" / "test.jsonl"),
        "test-common-voice": read_table(corpora / "common_voice_en" / "test-a.tsv", "cv-"),
    }
    for name, utterances in sets.items():
        count = write_manifest(out / f"{name}.jsonl", sorted(utterances, key=lambda utterance: utterance.id))
        print(f"{name}\t{count} utterances\t{sum(u.duration for u in utterances) / 3600:.2f} h")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
