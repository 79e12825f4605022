"""Word error rate against noise: adds recorded noise to a test set at several ratios and scores models on it.

    python tools/noise_robustness.py --manifest data/digits/test.jsonl --noise NOISES [--pattern '5-*'] \
        --model exp/digits/model [--model exp/other/model] [--snr 20,10,5,0] [--seed 1] [--json FILE]

Which noise an utterance gets, and where it begins, depends on the seed and the utterance's id alone: all models and all
ratios meet the same noise, only louder or softer, so their figures can be compared word by word. Take noises that no
model was trained with. The ratio is that of mean powers over the utterance. Decoding is greedy.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asr.corpus.manifest import load_manifest
from asr.corpus.recording import read_utterance
from asr.corpus.utterance import Utterance
from asr.errors import AsrError
from asr.features.augmentation.perturbation import add_noise
from asr.features.augmentation.sound_folder import SoundFolder
from asr.files import atomic_write
from asr.scoring.rates.wer import Score, score
from asr.seeding import generator_for
from asr.transcribing.recognizer import Recognizer

CACHE_BYTES = 2**28
TOGETHER = 16  # utterances
CLEAN = float("inf")


def main() -> int:
    """Score every model at every ratio and print a Markdown table."""
    options = _parse()
    utterances = load_manifest(options.manifest)
    ratios = [CLEAN, *options.snr]
    table: dict[Path, list[Score]] = {}
    try:
        for model in options.model:
            recognizer = Recognizer.load(model, options.device)
            noises = SoundFolder(options.noise, options.pattern, recognizer.sample_rate, CACHE_BYTES)
            table[model] = [error_rate(recognizer, utterances, noises, snr, options.seed) for snr in ratios]
    except AsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(render(table, ratios))
    if options.json:
        with atomic_write(options.json) as stream:
            json.dump(rows(table, ratios), stream, indent=1)
    return 0


def error_rate(
    recognizer: Recognizer, utterances: Sequence[Utterance], noises: SoundFolder, snr_db: float, seed: int
) -> Score:
    """Score one model at one ratio; an infinite one adds nothing."""
    hypotheses: dict[str, str] = {}
    for begin in range(0, len(utterances), TOGETHER):
        group = utterances[begin : begin + TOGETHER]
        waves = [noisy(utterance, recognizer.sample_rate, noises, snr_db, seed) for utterance in group]
        for utterance, transcript in zip(group, recognizer.transcribe_batch(waves), strict=True):
            hypotheses[utterance.id] = transcript.text
    return score({utterance.id: utterance.text for utterance in utterances}, hypotheses)


def noisy(utterance: Utterance, sample_rate: int, noises: SoundFolder, snr_db: float, seed: int) -> np.ndarray:
    """Samples (N,) of an utterance with its noise at a ratio in dB."""
    wave = read_utterance(utterance, sample_rate)
    if snr_db == CLEAN:
        return wave
    generator = generator_for(seed, "test noise", utterance.id)
    return add_noise(wave, noises.draw(generator), snr_db, generator)


def render(table: dict[Path, list[Score]], ratios: Sequence[float]) -> str:
    """A Markdown table: a row a model, a column a ratio, WER in percent with its counts."""
    heads = ["clean" if snr == CLEAN else f"{snr:g} dB" for snr in ratios]
    lines = ["| WER % | " + " | ".join(heads) + " |", "|---" * (len(ratios) + 1) + "|"]
    for model, scores in table.items():
        cells = [f"{100 * each.wer:.2f} ({each.totals.errors} / {each.totals.reference})" for each in scores]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def rows(table: dict[Path, list[Score]], ratios: Sequence[float]) -> list[dict[str, str | float]]:
    """The same as figures for comparison by machine."""
    return [
        {
            "case": "clean" if snr == CLEAN else f"snr_{snr:g}_db",
            "system": str(model),
            "metric": "wer",
            "value": round(100 * each.wer, 4),
            "unit": "%",
        }
        for model, scores in table.items()
        for snr, each in zip(ratios, scores, strict=True)
    ]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--noise", type=Path, required=True, help="folder of noise recordings")
    parser.add_argument("--pattern", default="*", help="names of the files to take")
    parser.add_argument("--model", type=Path, action="append", required=True, help="repeatable")
    parser.add_argument(
        "--snr", type=lambda text: [float(snr) for snr in text.split(",")], default=[20.0, 10.0, 5.0, 0.0]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
