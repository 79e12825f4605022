"""`asr transcribe`: recordings to text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import Alpha, BeamSize, Beta, Device, Hotwords, LanguageModel, Lexicon, Model, Threads


def transcribe(
    audio: Annotated[list[str], typer.Argument(help="Audio files or folders; - is standard input.")],
    model: Model,
    output_format: Annotated[str, typer.Option("--output-format", "-f", help="txt or json.")] = "txt",
    output_dir: Annotated[str, typer.Option("--output-dir", "-o", help="Folder for the results; - is stdout.")] = "-",
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    lexicon: Lexicon = None,
    hotwords: Hotwords = None,
    alpha: Alpha = None,
    beta: Beta = None,
    channel: Annotated[int | None, typer.Option(help="Channel from 0; all are mixed down otherwise.", min=0)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Truncated files fail instead of warning.")] = False,
    batch_size: Annotated[int, typer.Option(help="Recordings decoded together.", min=1)] = 1,
    device: Device = None,
    threads: Threads = 0,
) -> None:
    """Transcribe recordings; exit code 1 when any of them failed, the others are written."""
    from asr.transcribing.choosing import DecoderChoice, load_recognizer
    from asr.transcribing.recordings import find_recordings, transcribe_recordings
    from asr.transcribing.transcript import check_format

    format = check_format(output_format)
    recordings = find_recordings(audio)
    choice = DecoderChoice(beam_size, lm, lexicon, hotwords, alpha, beta)
    failed = transcribe_recordings(
        load_recognizer(model, choice, device=device, threads=threads),
        recordings,
        format=format,
        output=None if output_dir == "-" else Path(output_dir),
        channel=channel,
        strict=strict,
        batch_size=batch_size,
    )
    raise typer.Exit(1 if failed else 0)
