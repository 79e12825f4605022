"""`asr decode`: a manifest's utterances to hypotheses that `asr score` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import (
    Alpha,
    BeamSize,
    Beta,
    Device,
    Hotwords,
    Jobs,
    LanguageModel,
    Lexicon,
    Model,
    Threads,
)


def decode(
    manifest: Annotated[Path, typer.Argument(help="Manifest of the set.")],
    model: Model,
    out: Annotated[Path, typer.Option(help="Folder for ref.trn, hyp.trn, hyp.ctm and log_probs.npz.")],
    features: Annotated[Path | None, typer.Option(help="Feature store; computed from the audio otherwise.")] = None,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    lexicon: Lexicon = None,
    hotwords: Hotwords = None,
    alpha: Alpha = None,
    beta: Beta = None,
    nbest: Annotated[int | None, typer.Option(help="Readings of each utterance, into nbest.jsonl.", min=1)] = None,
    batch_size: Annotated[int, typer.Option(help="Utterances in the model at once.", min=1)] = 16,
    nj: Jobs = 1,
    device: Device = None,
    threads: Threads = 0,
) -> None:
    """Decode a set of utterances; exit code 1 when any of them could not be read or decoded."""
    from asr.transcribing.choosing import DecoderChoice, load_recognizer
    from asr.transcribing.decode_set import decode_set

    choice = DecoderChoice(beam_size, lm, lexicon, hotwords, alpha, beta, nbest)
    recognizer = load_recognizer(model, choice, device=device, threads=threads)
    summary = decode_set(recognizer, manifest, out, features=features, batch_size=batch_size, processes=nj)
    print(
        f"{out}\t{summary.utterances} utterances\t{summary.audio_seconds:.1f} s of audio"
        f"\treal-time factor {summary.real_time_factor:.4f} (search {summary.search_factor:.5f})"
    )
    raise typer.Exit(1 if summary.failed else 0)
