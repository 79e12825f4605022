"""What makes BiLSTM-CTC leave its all-blank plateau: train for a few epochs with one thing changed at a time.

    python tools/plateau.py --data data/an4 --config conf/an4.yaml --updates 444 --seeds 1,2

Prints, for each variant, after how many updates the output stopped being all blank for good (log lines every 10
updates), and the dev set's loss and character error rate at the end. Runs are capped by epochs of equal total updates.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from pathlib import Path

from asr.config.experiment import load_config
from asr.progress import setup_logging
from asr.training.experiment import train_experiment

BLANK = 0.98
VARIANTS: dict[str, list[str]] = {
    "as configured": [],
    "no layer normalisation": ["model.layer_norm=false"],
    "augmentation from the first epoch": ["augmentation.first_epoch=0"],
    "shuffled from the first epoch": ["batching.shortest_first_epochs=0"],
    "batches of 16": ["batching.utterances=16"],
    "forget bias 0": ["model.forget_bias=0.0"],
    "all of these": [
        "model.layer_norm=false", "augmentation.first_epoch=0", "batching.shortest_first_epochs=0",
        "batching.utterances=16", "model.forget_bias=0.0",
    ],
}  # fmt: skip


def main() -> int:
    """Run every variant and print a Markdown table."""
    options = _parse()
    setup_logging()
    print("| variant | seed | updates until not all blank | dev loss | dev CER % |\n|---|---|---|---|---|", flush=True)
    for name, settings in VARIANTS.items():
        for seed in options.seeds:
            left, loss, cer = run(options, settings, seed)
            print(f"| {name} | {seed} | {left} | {loss:.2f} | {cer:.1f} |", flush=True)
    return 0


def run(options: argparse.Namespace, settings: list[str], seed: int) -> tuple[str, float, float]:
    """Train one variant; (updates until the plateau was left for good, last dev loss, last dev CER)."""
    per_epoch = math.ceil(options.utterances / (16 if "batching.utterances=16" in settings else 8))
    epochs = max(1, round(options.updates / per_epoch))
    # The schedule is that of the whole training, so that the first epochs see the learning rates they would see.
    config = load_config(options.config, [*settings, f"seed={seed}", "training.log_steps=10"])
    folder = options.work / "run"
    shutil.rmtree(folder, ignore_errors=True)
    train_experiment(config, options.data, folder, device="cpu", threads=options.threads, stop_after=epochs)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    blank = [record["step"] for record in records if record["kind"] == "train" and record["blank_rate"] >= BLANK]
    last = max(record["step"] for record in records)
    dev = [record for record in records if record["kind"] == "dev"][-1]
    left = f"still blank after {last}" if blank and blank[-1] > last - 20 else str(blank[-1] if blank else 0)
    return left, dev["loss"], dev["cer"]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--updates", type=int, default=444)
    parser.add_argument("--utterances", type=int, default=883, help="in the training set")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("exp/plateau"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
