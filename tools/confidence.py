"""Can the word confidences be believed? Before and after the calibration that `asr tune` fits on the dev set.

    python tools/confidence.py exp/an4-seed1/model_lm3 exp/an4-seed1/decode_test_lm3

The first argument is a model folder with a `confidence.json`, the second a folder of `asr decode` (its `log_probs.npz`
and `ref.trn`); further pairs may follow, such as other seeds, and are also pooled. A row for each calibration:

* none: the decoder's own confidences, posterior and peaks averaged in the log-odds domain;
* dev: as the model folder says, fitted on the dev set: what users get;
* itself: fitted on the very words that are judged; no calibration of these features can do better.

ECE is the expected calibration error over ten bins (0 is best), NCE the normalised cross entropy (1 is best; 0 is as
good as saying the mean accuracy for every word).
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from asr.decoding.paths.log_probs import read_log_probs
from asr.decoding.results.confidence import ConfidenceModel, fit_confidence, right_words
from asr.errors import AsrError, UsageError
from asr.files import atomic_write
from asr.model.directory import load_trained
from asr.scoring.reading.readers import read_transcripts
from asr.scoring.statistics.calibration import measure
from asr.transcribing.choosing import CONFIDENCE, DecoderChoice, decoder_recipe

Words = tuple[np.ndarray, np.ndarray]


def features_of(model: Path, decoded: Path) -> Words:
    """Features (n, 3) of the words that a model's decoder finds in cached log-probabilities, and which are right."""
    recipe = decoder_recipe(load_trained(model, "cpu"), DecoderChoice())
    if recipe is None:
        raise UsageError(str(model), "decodes greedily", "pack the tuned search into it with 'asr export'")
    decoder = recipe()
    references = read_transcripts(decoded / "ref.trn", "ref").texts
    features, right = [np.empty((0, 3))], []
    for name, log_probs in read_log_probs(decoded / "log_probs.npz"):
        words, found = decoder.confidence_features(log_probs)
        features.append(found)
        right += right_words(words, references[name].split()).tolist()
    return np.concatenate(features), np.array(right, bool)


def rows_of(name: str, words: Words, calibrated: np.ndarray) -> list[dict[str, object]]:
    """The three calibrations of one set."""
    features, right = words
    confidences = {
        "none": ConfidenceModel().confidence(features),
        "dev": calibrated,
        "itself": fit_confidence(features, right).confidence(features),
    }
    rows = []
    for calibration, confidence in confidences.items():
        found = measure(confidence, right)
        rows.append({
            "case": name, "system": calibration, "words": found.words, "accuracy": round(found.accuracy, 4),
            "confidence": round(found.confidence, 4), "ece": round(found.error, 4), "nce": round(found.entropy, 4),
        })  # fmt: skip
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", type=Path, metavar="MODEL DECODED", help="model folder, decoded folder")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    if len(arguments.pairs) % 2:
        parser.error("give a decoded folder for each model folder")
    rows: list[dict[str, object]] = []
    pooled: list[tuple[Words, np.ndarray]] = []
    for model, decoded in list(pairwise(arguments.pairs))[::2]:
        words = features_of(model, decoded)
        pooled.append((words, ConfidenceModel.load(model / CONFIDENCE).confidence(words[0])))
        rows += rows_of(str(decoded), *pooled[-1])
    if len(pooled) > 1:
        together = tuple(np.concatenate([words[side] for words, _ in pooled]) for side in (0, 1))
        rows += rows_of("all", together, np.concatenate([confidence for _, confidence in pooled]))
    print(*rows[0], sep="\t")
    for row in rows:
        print(*row.values(), sep="\t")
    if arguments.json:
        with atomic_write(arguments.json) as stream:
            json.dump(rows, stream, indent=1)


if __name__ == "__main__":
    try:
        main()
    except AsrError as error:
        sys.exit(f"confidence.py: error: {error}")
