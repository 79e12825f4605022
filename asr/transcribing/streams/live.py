"""`asr transcribe - --stream`: a recording or a pipe, said while it comes in."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from asr.audio.stream import open_stream
from asr.errors import UsageError
from asr.transcribing.inputs import STDIN

if TYPE_CHECKING:
    from asr.transcribing.recognizer import Recognizer
    from asr.transcribing.streams.streaming import StreamOptions, StreamResult


def transcribe_live(
    recognizer: Recognizer, inputs: Sequence[str], options: StreamOptions, *, raw: int | None = None
) -> None:
    """Print `start<tab>end<tab>text` for every segment as soon as it is final; on a terminal, what is heard, too.

    Args:
        recognizer: the model.
        inputs: one file, or - for standard input.
        options: of the stream.
        raw: Hz of headerless 16-bit mono samples.

    Raises:
        UsageError: several inputs.
        AudioError: what comes in is not audio.
    """
    if len(inputs) != 1:
        raise UsageError("--stream", "takes one recording", "give one file, or - for standard input")
    source = sys.stdin.buffer if inputs[0] == STDIN else inputs[0]
    stream = recognizer.stream(options)
    for block in open_stream(source, sample_rate=recognizer.sample_rate, raw_rate=raw):
        _show(stream.push(block))
    _show(stream.finish())


def _show(results: Iterable[StreamResult]) -> None:
    live = sys.stderr.isatty()
    for result in results:
        segment = result.segment
        if result.final:
            if live:
                sys.stderr.write("\r\033[K")
            print(f"{segment.start:.2f}\t{segment.end:.2f}\t{segment.text}", flush=True)
        elif live:
            sys.stderr.write(f"\r\033[K{segment.text[-100:]}")
            sys.stderr.flush()
