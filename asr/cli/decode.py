"""`asr decode`: a manifest's utterances to hypotheses that `asr score` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def decode(
    manifest: Annotated[Path, typer.Argument(help="Manifest of the set.")],
    model: Annotated[Path, typer.Option(help="Model folder.")],
    out: Annotated[Path, typer.Option(help="Folder for ref.trn, hyp.trn, hyp.ctm and log_probs.npz.")],
    features: Annotated[Path | None, typer.Option(help="Feature store; computed from the audio otherwise.")] = None,
    beam_size: Annotated[int, typer.Option(help="Width of the beam search; 0 decodes greedily.", min=0)] = 0,
    lm: Annotated[Path | None, typer.Option(help="Language-model folder or ARPA file, for the beam search.")] = None,
    batch_size: Annotated[int, typer.Option(help="Utterances in the model at once.", min=1)] = 16,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N; a GPU where there is one.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes all cores.", min=0)] = 0,
) -> None:
    """Decode a set of utterances; exit code 1 when any of them could not be read."""
    from asr.transcribing.decoders import load_recognizer
    from asr.transcribing.decoding_set import decode_set

    recognizer = load_recognizer(model, device=device, threads=threads, beam=beam_size, lm=lm)
    summary = decode_set(recognizer, manifest, out, features=features, batch_size=batch_size)
    print(
        f"{out}\t{summary.utterances} utterances\t{summary.audio_seconds:.1f} s of audio"
        f"\treal-time factor {summary.real_time_factor:.4f}"
    )
    raise typer.Exit(1 if summary.failed else 0)
