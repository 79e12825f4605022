"""Word error rate against length: utterances of one speaker joined to recordings far longer than any in training.

    python tools/lstm/length.py --manifest data/digits/test.jsonl --model exp/digits/model [--model ...] \
        [--seconds 0,10,20,40,60] [--pause 0.2] [--plot docs/lstm/length.png] [--json FILE]

0 seconds are the utterances as they are. Every length has the same words: each recording is cut when it has reached the
length, and the text of a recording is that of its utterances in order. The whole recording goes through the network in
one piece, so that what is measured is the LSTM and not a way of cutting.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from asr.corpus.manifest import load_manifest
from asr.corpus.recording import read_utterance
from asr.corpus.utterance import Utterance
from asr.errors import AsrError
from asr.files import atomic_write
from asr.scoring.rates.wer import Score, score
from asr.transcribing.recognizer import Recognizer

Recording = tuple[str, np.ndarray, str]  # id, samples, text


def joined(utterances: Sequence[Utterance], seconds: float, pause: float, sample_rate: int) -> Iterator[Recording]:
    """Recordings of at least so many seconds (but for the last of a speaker), each of one speaker."""
    silence = np.zeros(round(pause * sample_rate), np.float32)
    ordered = sorted(utterances, key=lambda utterance: (utterance.speaker or "", utterance.id))
    for _, group in itertools.groupby(ordered, key=lambda utterance: utterance.speaker):
        waves: list[np.ndarray] = []
        texts: list[str] = []
        members = list(group)
        for number, utterance in enumerate(members):
            waves += [read_utterance(utterance, sample_rate), silence]
            texts.append(utterance.text)
            if sum(map(len, waves)) >= seconds * sample_rate or number == len(members) - 1:
                yield utterance.id, np.concatenate(waves[:-1]), " ".join(texts)
                waves, texts = [], []


def error_rate(
    recognizer: Recognizer, utterances: Sequence[Utterance], seconds: float, pause: float
) -> tuple[Score, float]:
    """The score at one length, and the mean length in seconds."""
    references, hypotheses, lengths = {}, {}, []
    for name, wave, text in joined(utterances, seconds, pause, recognizer.sample_rate):
        references[name] = text
        hypotheses[name] = recognizer.transcribe_batch([wave])[0].text
        lengths.append(len(wave) / recognizer.sample_rate)
    return score(references, hypotheses), float(np.mean(lengths))


def main() -> int:
    """Score every model at every length, print a Markdown table, draw."""
    options = _parse()
    rows: list[dict[str, str | float]] = []
    curves: dict[str, list[tuple[float, float]]] = {}
    print("| model | seconds (mean) | WER % |\n|---|---|---|")
    try:
        utterances = load_manifest(options.manifest)
        for model in options.model:
            recognizer = Recognizer.load(model)
            for seconds in options.seconds:
                result, mean = error_rate(recognizer, utterances, seconds, options.pause)
                curves.setdefault(str(model), []).append((mean, 100 * result.wer))
                print(f"| {model} | {mean:.1f} | {100 * result.wer:.2f} ({result.totals.errors} / "
                      f"{result.totals.reference}) |", flush=True)  # fmt: skip
                rows.append({"case": f"{seconds:g} s", "system": str(model), "metric": "wer",
                             "value": round(100 * result.wer, 4), "unit": "%"})  # fmt: skip
    except AsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if options.plot:
        plot(curves, options.plot)
    if options.json:
        with atomic_write(options.json) as stream:
            json.dump(rows, stream, indent=1)
    return 0


def plot(curves: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """WER against mean length."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for model, points in curves.items():
        axes.plot(*zip(*points, strict=True), "o-", label=model)
    axes.set(xlabel="mean length of a recording, s", ylabel="WER, %", ylim=(0, None))
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path, action="append", required=True, help="repeatable")
    parser.add_argument(
        "--seconds", type=lambda text: [float(part) for part in text.split(",")], default=[0.0, 10.0, 20.0, 40.0, 60.0]
    )
    parser.add_argument("--pause", type=float, default=0.2, help="silence between utterances, s")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
