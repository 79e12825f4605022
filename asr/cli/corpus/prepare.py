"""`asr prepare`: a corpus becomes three manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Subsets = Annotated[
    list[str] | None,
    typer.Option(help="LibriSpeech subset, Common Voice table, Kaldi directory or NeMo file; may be repeated."),
]


def prepare(
    out: Annotated[Path, typer.Option(help="Folder for train.jsonl, dev.jsonl and test.jsonl.")],
    name: Annotated[
        str,
        typer.Argument(
            metavar="[CORPUS]", help="an4, common_voice, digits, fsdd, kaldi, librispeech, nemo, own, yesno."
        ),
    ] = "own",
    corpus: Annotated[Path | None, typer.Option(help="Folder of the corpus; default $ASR_CORPORA/CORPUS.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Your own table with columns audio,text[,speaker].")] = None,
    folder: Annotated[Path | None, typer.Option(help="Your own audio with a .txt beside each file.")] = None,
    train_subset: Subsets = None,
    dev_subset: Subsets = None,
    test_subset: Subsets = None,
    held_out_speaker: Annotated[
        list[str] | None, typer.Option(help="FSDD speaker to test on and never train on; may be repeated.")
    ] = None,
    sizes: Annotated[tuple[int, int, int], typer.Option(help="Spoken digits: utterances of train, dev and test.")] = (
        1500,
        150,
        300,
    ),
    seed: Annotated[int, typer.Option(help="Spoken digits: of voices, words and recordings.")] = 1,
) -> None:
    """Make the manifests of a corpus: asr prepare an4 --out data/an4, or asr prepare --csv table.csv --out data/own."""
    from asr.corpus.preparation import Request
    from asr.corpus.preparation import prepare as prepare_corpus

    request = Request(
        corpus=corpus,
        csv_file=csv,
        folder=folder,
        train=tuple(train_subset or ()),
        dev=tuple(dev_subset or ()),
        test=tuple(test_subset or ()),
        held_out_speakers=tuple(held_out_speaker or ()),
        sizes=sizes,
        seed=seed,
    )
    for split, count in prepare_corpus(name, out, request).items():
        typer.echo(f"{split} {count}")
