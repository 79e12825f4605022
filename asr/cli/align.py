"""`asr align`: when each word of a known text was said."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import Device, ModelOrDefault, Threads, Verbose

FORMAT_HELP = "Of one recording: ctm, textgrid, srt, vtt or json; told by the suffix of --out otherwise."


class LevelName(str, Enum):
    """What a line of CTM or a subtitle is about."""

    segment = "segment"
    word = "word"
    unit = "unit"


def align(
    source: Annotated[str, typer.Argument(metavar="AUDIO|MANIFEST", help="A recording, or a manifest with texts.")],
    model: ModelOrDefault = None,
    text: Annotated[str | None, typer.Argument(help="What is said in the recording: a text file, or words.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; stdout for one recording.")] = None,
    output_format: Annotated[str | None, typer.Option("--output-format", "-f", help=FORMAT_HELP)] = None,
    level: Annotated[LevelName | None, typer.Option(help="Times of what, in CTM and subtitles.")] = None,
    channels: Annotated[str, typer.Option("--channels", "--channel", help="mix, or a number from 0.")] = "mix",
    start: Annotated[float, typer.Option(help="Second at which the text begins.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="Second at which it ends.")] = None,
    features: Annotated[Path | None, typer.Option(help="Feature store of a manifest; else from the audio.")] = None,
    phones: Annotated[
        Path | None,
        typer.Option(help="Of phones: manifest to write with the pronunciation that was said, to train on."),
    ] = None,
    device: Device = None,
    threads: Threads = 0,
    verbose: Verbose = False,
) -> None:
    """Align texts with their audio; exit code 1 when an utterance could not be aligned."""
    from asr.errors import UsageError
    from asr.transcribing.choosing import DecoderChoice, load_recognizer
    from asr.transcribing.models import find_model

    if text is None:
        if out is None:
            reason = "needs a text, or is a manifest that needs --out"
            raise UsageError(source, reason, "give 'AUDIO TEXT', or 'MANIFEST --out FILE'")
        for option, given in (("-f", output_format), ("--level", level), ("--end", end), ("--start", start or None)):
            if given is not None:
                raise UsageError(option, "is for one recording", "give the recording and its text")
        from asr.transcribing.align_set import align_set

        recognizer = load_recognizer(find_model(model), DecoderChoice(beam=0), device=device, threads=threads)
        summary = align_set(recognizer, source, out, features=features, phones=phones)
        print(f"{out}\t{summary.aligned} utterances\tmean log-probability of a unit {summary.score_per_unit:.4f}")
        raise typer.Exit(1 if summary.failed else 0)
    _one_recording(source, text, model, out, output_format, level, (channels, start, end), device, threads)


def _one_recording(
    audio: str, text: str, model: str | None, out: Path | None, output_format: str | None, level: LevelName | None,
    part: tuple[str, float, float | None], device: str | None, threads: int,
) -> None:  # fmt: skip
    """Align a recording with a text, write or print the times, and log how well they fit."""
    import logging

    from asr.errors import UsageError
    from asr.files import atomic_write
    from asr.transcribing.align_recording import (
        align_recording,
        check_format,
        known_text,
        moved,
        render_aligned,
    )
    from asr.transcribing.choosing import DecoderChoice, load_recognizer
    from asr.transcribing.inputs import Selection, find_recordings, parse_channels
    from asr.transcribing.models import find_model

    told = out.suffix[1:].lower() if out is not None and out.suffix else "ctm"
    format = check_format(output_format or told)
    selection = Selection(parse_channels(part[0]), part[1], part[2])
    if selection.channels == "split":
        raise UsageError("--channels", "cannot be split: a text is said in one", "give the number of the channel")
    words = known_text(text)
    (recording, *others) = find_recordings([audio])
    if others:
        raise UsageError(audio, "is a folder", "give one recording, or a manifest")
    recognizer = load_recognizer(find_model(model), DecoderChoice(beam=0), device=device, threads=threads)
    (track,) = selection.tracks(recording, recognizer.sample_rate)
    samples = track.whole()
    (log_probs,) = recognizer.log_probs([samples])
    trained, duration = recognizer.trained, len(samples) / recognizer.sample_rate
    aligned = align_recording(
        log_probs, words, trained.units, trained.seconds_per_frame, duration, recording.shown
    )  # fmt: skip
    aligned = moved(aligned, selection.start)
    content = render_aligned(aligned, format, recording.output.name, level.value if level else None)
    if out is None:
        print(content, end="")
    else:
        with atomic_write(out) as stream:
            stream.write(content)
    logging.getLogger("asr").info("mean log-probability of a unit: %.4f", aligned.score_per_unit)
