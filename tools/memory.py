"""Peak memory of training against hours of training data, from the feature store and from tar shards.

    python tools/memory.py --hours 1 10 100 1000 --json memory.json

For each number of hours a synthetic corpus of 10-second utterances is written (few mel bins, so that a thousand hours
are 3 GB), and a process of its own loads it as `asr train` does, plans an epoch and takes some updates with a tiny
model. Its peak resident memory is what the table shows; the mapped pages of a store count too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SECONDS, BINS = 10, 3
TEXT = "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG AND RUNS AWAY FROM THE HUNTERS"


class Enough(Exception):
    """The updates that were asked for are done."""


def main() -> None:
    """Write, train, print the table."""
    options = _parse()
    if options.child:
        print(json.dumps(train(Path(options.child), options.updates)))
        return
    rows = []
    _warm_up(options)
    print(f"{'system':8} {'hours':>6} {'utterances':>10} {'peak MB':>8}")
    for hours in options.hours:
        for system in options.systems:
            with tempfile.TemporaryDirectory(dir=options.work) as folder:
                count = round(hours * 3600 / SECONDS)
                write(Path(folder), count, system)
                peak = _measure(folder, options.updates)
            print(f"{system:8} {hours:6g} {count:10d} {peak:8.0f}", flush=True)
            row = {"case": f"training {hours:g} h from {system}", "system": "ours", "metric": "peak_mb"}
            rows.append({**row, "value": peak, "unit": "MB"})
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _warm_up(options: argparse.Namespace) -> None:
    """One small training that is not counted: the first after a change compiles, which takes memory once."""
    for system in options.systems:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            write(Path(folder), 100, system)
            _measure(folder, options.updates)


def configuration() -> dict[str, object]:
    """A tiny model; everything that costs memory by the utterance is as in real training."""
    return {
        "features": {"mel_bins": BINS},
        "augmentation": {"frequency_mask_bins": 1, "speeds": [1.0], "first_epoch": 0},
        "model": {"front_end": "stacking", "input_size": 8, "layers": 1, "hidden": 8, "time_reduction": 4},
        "batching": {"seconds": 160.0, "utterances": 16, "shortest_first_epochs": 0},
    }


def write(folder: Path, count: int, system: str) -> None:
    """A data folder with a training set of so many utterances and a small dev set."""
    from asr.config import ExperimentConfig
    from asr.features.sharding import write_shards
    from asr.units import build_units

    config = ExperimentConfig.model_validate(configuration())
    _write_set(folder, "train", count, config)
    _write_set(folder, "dev", 4, config)
    build_units([TEXT], config.units).save(folder / "units.txt")
    if system == "shards":
        write_shards(folder / "train.jsonl", folder / "shards" / "train", store=folder / "features" / "train")
        (folder / "train.jsonl").unlink()
        shutil.rmtree(folder / "features" / "train")


def train(folder: Path, updates: int) -> float:
    """Take some updates of the first epoch; returns the peak resident memory of this process in MB."""
    import torch

    from asr.config import ExperimentConfig
    from asr.training import experiment
    from asr.training.trainer import Trainer

    torch.set_num_threads(1)
    original, done = Trainer._update, []

    def counted(self: Trainer, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        done.append(1)
        if len(done) == updates:
            raise Enough

    Trainer._update = counted  # type: ignore[method-assign]
    config = ExperimentConfig.model_validate(configuration())
    with contextlib.suppress(Enough):
        experiment.train_experiment(config, folder, folder / "exp", device="cpu", threads=1)
    return _peak_mb()


def _write_set(folder: Path, name: str, count: int, config: object) -> None:
    from asr.corpus.manifest import write_manifest
    from asr.corpus.utterance import Utterance
    from asr.features.store import FeatureStoreWriter

    generator = np.random.default_rng(1)
    block = generator.normal(size=(2 * SECONDS * 100, BINS)).astype(np.float16)

    def made() -> object:
        with FeatureStoreWriter(folder / "features" / name, BINS, "float16", config.features) as writer:  # type: ignore[attr-defined]
            for number in range(count):
                frames = int(generator.integers(SECONDS * 50, SECONDS * 150))
                identifier = f"{name}-{number // 1000:05d}-{number % 1000:04d}"
                writer.append(identifier, block[:frames])
                text = " ".join(generator.permutation(TEXT.split()))
                yield Utterance(
                    identifier, "none.wav", 0.0, frames / 100, text=text, speaker=f"{name}-{number // 1000:05d}"
                )

    write_manifest(folder / f"{name}.jsonl", made())  # type: ignore[arg-type]


def _measure(folder: str, updates: int) -> float:
    command = [sys.executable, __file__, "--child", folder, "--updates", str(updates)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _peak_mb() -> float:
    """Peak resident memory of this process; unlike ru_maxrss it does not begin with the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmHWM in /proc/self/status: this tool needs Linux")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--systems", nargs="+", default=["store", "shards"], choices=["store", "shards"])
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--work", help="folder for the synthetic corpora; the system's temporary one otherwise")
    parser.add_argument("--quick", action="store_const", const=[1.0, 10.0, 50.0], dest="hours")
    parser.add_argument("--json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
