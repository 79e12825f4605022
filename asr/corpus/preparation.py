"""One entrance to the preparation of every corpus: what `asr prepare` calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.corpus.download import find_corpus
from asr.corpus.manifest import load_manifest
from asr.corpus.sources import an4, common_voice, digits, fsdd, kaldi, librispeech, nemo, own, yesno
from asr.errors import UsageError

CORPORA = ("an4", "common_voice", "digits", "fsdd", "kaldi", "librispeech", "nemo", "own", "yesno")
IN_SUBSETS = {
    "common_voice": common_voice.prepare,
    "kaldi": kaldi.prepare,
    "librispeech": librispeech.prepare,
    "nemo": nemo.prepare,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What to prepare; fields that a corpus has no use for must stay at their defaults.

    Attributes:
        corpus: its folder (or, for NeMo, file); None looks in `$ASR_CORPORA`.
        csv_file, folder: your own recordings.
        train, dev, test: subsets of LibriSpeech, tables of Common Voice, names of Kaldi data directories or of NeMo
            manifests.
        held_out_speakers: FSDD speakers that are tested and never trained on.
        sizes: utterances of train, dev and test for the spoken digits.
        seed: of the spoken digits.
    """

    corpus: Path | None = None
    csv_file: Path | None = None
    folder: Path | None = None
    train: Sequence[str] = ()
    dev: Sequence[str] = ()
    test: Sequence[str] = ()
    held_out_speakers: Sequence[str] = ()
    sizes: tuple[int, int, int] = (1500, 150, 300)
    seed: int = 1


USES = {
    "an4": {"corpus"},
    "common_voice": {"corpus", "train", "dev", "test"},
    "digits": {"sizes", "seed"},
    "fsdd": {"corpus", "held_out_speakers"},
    "kaldi": {"corpus", "train", "dev", "test"},
    "librispeech": {"corpus", "train", "dev", "test"},
    "nemo": {"corpus", "train", "dev", "test"},
    "own": {"csv_file", "folder"},
    "yesno": {"corpus"},
}
OPTIONS = {
    "corpus": "--corpus", "csv_file": "--csv", "folder": "--folder", "train": "--train-subset", "dev": "--dev-subset",
    "test": "--test-subset", "held_out_speakers": "--held-out-speaker", "sizes": "--sizes", "seed": "--seed",
}  # fmt: skip


def prepare(name: str, out_dir: str | Path, request: Request) -> dict[str, int]:
    """Write `train.jsonl`, `dev.jsonl` and `test.jsonl` of a corpus and return their numbers of utterances.

    Raises:
        UsageError: unknown corpus, or a field it has no use for.
        CorpusError: the corpus is not found or not as it should be.
    """
    if name not in CORPORA:
        raise UsageError(name, "is not a known corpus", f"choose from {', '.join(CORPORA)}")
    _refuse_unused(name, request)
    if name == "own":
        return own.prepare(out_dir, csv_file=request.csv_file, folder=request.folder)
    if name == "digits":
        train, dev, test = request.sizes
        return digits.prepare(out_dir, train=train, dev=dev, test=test, seed=request.seed)
    corpus = find_corpus(name, request.corpus)
    if name == "fsdd":
        return fsdd.prepare(corpus, out_dir, held_out_speakers=request.held_out_speakers)
    if name in IN_SUBSETS:
        return IN_SUBSETS[name](corpus, out_dir, train=request.train, dev=request.dev, test=request.test)
    simple: dict[str, Callable[[Path, str | Path], dict[str, int]]] = {"an4": an4.prepare, "yesno": yesno.prepare}
    return simple[name](corpus, out_dir)


def export(manifest: str | Path, form: str, out: str | Path) -> int:
    """Write a manifest as a Kaldi data directory ("kaldi") or a NeMo manifest ("nemo"); returns the utterances.

    Raises:
        UsageError: another form.
        CorpusError: the manifest is unreadable or empty.
    """
    utterances = load_manifest(manifest)
    if form == "kaldi":
        return kaldi.write_data_directory(utterances, out)
    if form == "nemo":
        return nemo.write_nemo(utterances, out)
    raise UsageError(form, "is not a form to convert to", "choose kaldi or nemo")


def _refuse_unused(name: str, request: Request) -> None:
    plain = Request()
    for field, option in OPTIONS.items():
        if field not in USES[name] and getattr(request, field) != getattr(plain, field):
            known = " ".join(OPTIONS[used] for used in OPTIONS if used in USES[name])
            raise UsageError(option, f"means nothing for {name}", f"its options are {known}")
