"""`asr transcribe`: recordings to text, subtitles and tables."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import (
    Alpha,
    BeamSize,
    Beta,
    Device,
    Grammar,
    Hotwords,
    LanguageModel,
    Lexicon,
    ModelOrDefault,
    Threads,
    Verbose,
)

FORMAT_HELP = "txt, srt, vtt, tsv, json, csv, ctm, stm, textgrid, several with commas, or all."
CHANNELS_HELP = "mix: the mean of all; split: each by itself and one timeline; or the number of one, from 0."


class Vad(str, Enum):
    """Whether long silences are left out."""

    auto = "auto"
    off = "off"


def transcribe(
    audio: Annotated[list[str], typer.Argument(help="Audio files or folders; - is standard input.")],
    model: ModelOrDefault = None,
    output_format: Annotated[str, typer.Option("--output-format", "-f", help=FORMAT_HELP)] = "txt",
    output_dir: Annotated[str, typer.Option("--output-dir", "-o", help="Folder for the results; - is stdout.")] = "-",
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave out what has its results.")] = False,
    word_timestamps: Annotated[bool, typer.Option(help="Times of words in JSON.")] = True,
    max_line_width: Annotated[int | None, typer.Option(help="Most letters of a subtitle's line.")] = None,
    max_line_count: Annotated[int | None, typer.Option(help="Most lines of a subtitle.")] = None,
    max_words_per_line: Annotated[int | None, typer.Option(help="Most words of a subtitle.")] = None,
    highlight_words: Annotated[bool, typer.Option(help="Underline each word while it is said.")] = False,
    longest_pause: Annotated[float, typer.Option(help="A segment ends at a longer pause, s.", min=0)] = 0.8,
    longest_segment: Annotated[float, typer.Option(help="A longer segment is cut at a pause, s.", min=0.1)] = 20.0,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    lexicon: Lexicon = None,
    hotwords: Hotwords = None,
    grammar: Grammar = None,
    alpha: Alpha = None,
    beta: Beta = None,
    channels: Annotated[str, typer.Option("--channels", "--channel", help=CHANNELS_HELP)] = "mix",
    start: Annotated[float, typer.Option(help="Second at which transcribing begins.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="Second at which it ends.")] = None,
    raw: Annotated[int | None, typer.Option(help="Rate of headerless mono 16-bit samples, Hz.", min=1)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Truncated files fail instead of warning.")] = False,
    vad: Annotated[
        Vad, typer.Option(help="auto leaves out long silences of recordings over 30 s; off nothing.")
    ] = Vad.auto,
    int8: Annotated[bool, typer.Option("--int8", help="The 8-bit network that 'asr export --onnx' wrote.")] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Say what is heard while it comes in, a line a segment.")
    ] = False,
    look_ahead: Annotated[float, typer.Option(help="Seconds heard before --stream decides; less is quicker.")] = 0.64,
    batch_size: Annotated[int, typer.Option(help="Recordings decoded together.", min=1)] = 1,
    device: Device = None,
    threads: Threads = 0,
    verbose: Verbose = False,
) -> None:
    """Transcribe recordings; exit code 1 when any of them failed, the others are written."""
    from asr.transcribing.choosing import DecoderChoice, load_recognizer
    from asr.transcribing.inputs import Selection, find_recordings, parse_channels
    from asr.transcribing.models import find_model
    from asr.transcribing.outputs import Outputs
    from asr.transcribing.recordings import transcribe_recordings
    from asr.transcribing.transcript import Cutting
    from asr.transcribing.writers.formats import check_formats
    from asr.transcribing.writers.subtitles import Layout

    if stream:
        from asr.transcribing.streams.live import transcribe_live
        from asr.transcribing.streams.streaming import StreamOptions

        choice = DecoderChoice(beam_size, lm, lexicon, hotwords, alpha, beta)
        recognizer = load_recognizer(find_model(model), choice, device=device, threads=threads, int8=int8)
        transcribe_live(recognizer, audio, StreamOptions(look_ahead=look_ahead), raw=raw)
        return
    layout = Layout(max_line_width, max_line_count, max_words_per_line, highlight_words)
    folder = None if output_dir == "-" else Path(output_dir)
    outputs = Outputs(check_formats(output_format), folder, layout, word_timestamps, skip_existing)
    selection = Selection(parse_channels(channels), start, end, raw, strict)
    recordings = find_recordings(audio)
    outputs.check(recordings)
    choice = DecoderChoice(beam_size, lm, lexicon, hotwords, alpha, beta, grammar=grammar)
    failed = transcribe_recordings(
        load_recognizer(find_model(model), choice, device=device, threads=threads, int8=int8), recordings, outputs,
        selection=selection, cutting=Cutting(longest_pause, longest_segment), batch_size=batch_size,
        vad=vad is Vad.auto,
    )  # fmt: skip
    raise typer.Exit(1 if failed else 0)
