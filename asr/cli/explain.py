"""`asr explain`: why the transcript of a recording is as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import (
    BeamSize,
    Device,
    Grammar,
    Hotwords,
    LanguageModel,
    Lexicon,
    ModelOrDefault,
    Threads,
    Verbose,
)


def explain(
    audio: Annotated[str, typer.Argument(help="A recording; - is standard input.")],
    model: ModelOrDefault = None,
    output_format: Annotated[str, typer.Option("--output-format", "-f", help="txt or json.")] = "txt",
    plot: Annotated[Path | None, typer.Option(help="Picture to write: spectrogram, posteriors, words, gates.")] = None,
    layer: Annotated[int, typer.Option(help="LSTM layer whose gates are drawn, from 1.")] = 1,
    unit: Annotated[int | None, typer.Option(help="Its memory cell; else the one that holds on longest.")] = None,
    channels: Annotated[str, typer.Option("--channels", "--channel", help="mix, or a number from 0.")] = "mix",
    start: Annotated[float, typer.Option(help="Second at which it begins.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="Second at which it ends.")] = None,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    lexicon: Lexicon = None,
    hotwords: Hotwords = None,
    grammar: Grammar = None,
    device: Device = None,
    threads: Threads = 0,
    verbose: Verbose = False,
) -> None:
    """Level, clipping, noise, bandwidth, silence, speech rate, unsure words, and the likely cause of mistakes."""
    from asr.errors import UsageError
    from asr.transcribing.choosing import DecoderChoice, load_recognizer
    from asr.transcribing.inputs import Selection, find_recordings, parse_channels
    from asr.transcribing.inspection.explain_recording import explain_recording
    from asr.transcribing.models import find_model

    if output_format not in ("txt", "json"):
        raise UsageError("--output-format", f"{output_format!r} is not a format", "use txt or json")
    selection = Selection(parse_channels(channels), start, end)
    (recording, *others) = find_recordings([audio])
    if others or selection.channels == "split":
        raise UsageError(audio, "is more than one recording", "give one file, and --channels N for one channel")
    choice = DecoderChoice(beam_size, lm, lexicon, hotwords, grammar=grammar)
    recognizer = load_recognizer(find_model(model), choice, device=device, threads=threads)
    explanation, transcript = explain_recording(recognizer, recording, selection, plot, layer, unit)
    if output_format == "json":
        print(explanation.to_json(), end="")
    else:
        print(f"text        {transcript.text}\n{explanation.to_txt()}", end="")
    if plot is not None:
        import logging

        logging.getLogger("asr").info("wrote %s", plot)
