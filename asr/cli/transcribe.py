"""`asr transcribe`: recordings to text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def transcribe(
    audio: Annotated[list[str], typer.Argument(help="Audio files or folders; - is standard input.")],
    model: Annotated[Path, typer.Option(help="Model folder.")],
    output_format: Annotated[str, typer.Option("--output-format", "-f", help="txt or json.")] = "txt",
    output_dir: Annotated[str, typer.Option("--output-dir", "-o", help="Folder for the results; - is stdout.")] = "-",
    beam_size: Annotated[int, typer.Option(help="Width of the beam search; 0 decodes greedily.", min=0)] = 0,
    lm: Annotated[Path | None, typer.Option(help="Language-model folder or ARPA file, for the beam search.")] = None,
    channel: Annotated[int | None, typer.Option(help="Channel from 0; all are mixed down otherwise.", min=0)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Truncated files fail instead of warning.")] = False,
    batch_size: Annotated[int, typer.Option(help="Recordings decoded together.", min=1)] = 1,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N; a GPU where there is one.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes all cores.", min=0)] = 0,
) -> None:
    """Transcribe recordings; exit code 1 when any of them failed, the others are written."""
    from asr.transcribing.decoders import load_recognizer
    from asr.transcribing.recordings import find_recordings, transcribe_recordings
    from asr.transcribing.writers import check_format

    format = check_format(output_format)
    recordings = find_recordings(audio)
    recognizer = load_recognizer(model, device=device, threads=threads, beam=beam_size, lm=lm)
    failed = transcribe_recordings(
        recognizer,
        recordings,
        format=format,
        output=None if output_dir == "-" else Path(output_dir),
        channel=channel,
        strict=strict,
        batch_size=batch_size,
    )
    raise typer.Exit(1 if failed else 0)
