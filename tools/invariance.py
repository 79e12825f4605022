"""Does the batch size change what a model says? Decodes a set at several batch sizes and compares with one by one.

    python tools/invariance.py --model exp/an4/model --manifest data/an4/test.jsonl [--features DIR] [--sizes 8,32]

Prints the largest difference of log-probabilities and the number of differing texts; exit code 1 above 1e-5 or at any
differing text. Without --features the features are computed from the audio.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from asr.corpus.manifest import load_manifest
from asr.features.store import FeatureStore
from asr.transcribing.log_probs import utterance_log_probs
from asr.transcribing.recognizer import Recognizer

TOLERANCE = 1e-5


def main() -> int:
    """Compare and print."""
    options = _parse()
    recognizer = Recognizer.load(options.model, device=options.device)
    utterances = load_manifest(options.manifest)
    store = FeatureStore.open(options.features) if options.features else None

    def run(size: int) -> dict[str, np.ndarray]:
        return dict(utterance_log_probs(recognizer, utterances, store, size, []))

    alone = run(1)
    texts = {name: recognizer.decoder.decode(rows)[0].text for name, rows in alone.items()}
    worst_of_all = 0.0
    changed_of_all = 0
    for size in options.sizes:
        batched = run(size)
        worst = max(float(np.abs(batched[name] - rows).max(initial=0.0)) for name, rows in alone.items())
        changed = sum(recognizer.decoder.decode(rows)[0].text != texts[name] for name, rows in batched.items())
        print(f"batch size {size}: largest difference {worst:.2e}, differing texts {changed} of {len(alone)}")
        worst_of_all, changed_of_all = max(worst_of_all, worst), changed_of_all + changed
    return 0 if worst_of_all <= TOLERANCE and not changed_of_all else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=[8, 32])
    parser.add_argument("--device")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
