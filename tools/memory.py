"""Peak memory of training against hours of training data: from feature store, tar shards and audio, and of its plan.

    python tools/memory.py --hours 1 10 100 1000 --json memory.json

For each number of hours a synthetic corpus of 10-second utterances is written (few mel bins, so that a thousand hours
are 3 GB), and a process of its own loads it as `asr train` does, plans an epoch and takes some updates with a tiny
model. Its peak resident memory is what the table shows; the mapped pages of a store count too. Of audio, utterances
are spans of one recording under names of their own; "plan" and "plan-audio" are `asr check plan` of store and audio.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from asr.config.experiment import ExperimentConfig
    from asr.corpus.utterance import Utterance

SECONDS, BINS = 10, 3
SOURCES = {"store": "store", "shards": "shards", "audio": "audio", "plan": "store", "plan-audio": "audio"}
PLANS = ("plan", "plan-audio")
TEXT = "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG AND RUNS AWAY FROM THE HUNTERS"


class Enough(Exception):
    """The updates that were asked for are done."""


def main() -> None:
    """Write, train, print the table."""
    options = _parse()
    if options.child:
        print(json.dumps(measure(Path(options.child), options.systems[0], options.updates)))
        return
    rows = []
    _warm_up(options)
    print(f"{'system':10} {'hours':>6} {'utterances':>10} {'peak MB':>8}")
    for hours in options.hours:
        for system in options.systems:
            with tempfile.TemporaryDirectory(dir=options.work) as folder:
                count = round(hours * 3600 / SECONDS)
                write(Path(folder), count, system)
                peak = _measure(folder, system, options.updates)
            print(f"{system:10} {hours:6g} {count:10d} {peak:8.0f}", flush=True)
            what = "planning" if system in PLANS else "training"
            row = {"case": f"{what} {hours:g} h from {SOURCES[system]}", "system": "ours", "metric": "peak_mb"}
            rows.append({**row, "value": peak, "unit": "MB"})
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _warm_up(options: argparse.Namespace) -> None:
    """One small training that is not counted: the first after a change compiles, which takes memory once."""
    for system in options.systems:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            write(Path(folder), 100, system)
            _measure(folder, system, options.updates)


def configuration(system: str) -> dict[str, object]:
    """A tiny model; everything that costs memory by the utterance is as in real training."""
    return {
        "features": {"mel_bins": BINS, "source": "audio" if SOURCES[system] == "audio" else "store"},
        "augmentation": {"frequency_mask_bins": 1, "speeds": [1.0], "first_epoch": 0},
        "model": {"front_end": "stacking", "input_size": 8, "layers": 1, "hidden": 8, "time_reduction": 4},
        "batching": {"seconds": 160.0, "utterances": 16, "shortest_first_epochs": 0},
        "training": {"epochs": 3},
    }


def write(folder: Path, count: int, system: str) -> None:
    """A data folder with a training set of so many utterances and a small dev set."""
    from asr.config.experiment import ExperimentConfig
    from asr.shards.writing import write_shards
    from asr.units import build_units

    config = ExperimentConfig.model_validate(configuration(system))
    write_set = _write_audio_set if SOURCES[system] == "audio" else _write_set
    write_set(folder, "train", count, config)
    write_set(folder, "dev", 4, config)
    build_units([TEXT], config.units).save(folder / "units.txt")
    if system == "shards":
        write_shards(folder / "train.jsonl", folder / "shards" / "train", store=folder / "features" / "train")
        (folder / "train.jsonl").unlink()
        shutil.rmtree(folder / "features" / "train")


def measure(folder: Path, system: str, updates: int) -> float:
    """Train for some updates of the first epoch, or plan; returns the peak resident memory of this process in MB."""
    import torch

    from asr.config.experiment import ExperimentConfig
    from asr.training.checks.plan import plan_training

    torch.set_num_threads(1)
    config = ExperimentConfig.model_validate(configuration(system))
    if system in PLANS:
        plan = plan_training(config, folder, folder / "exp", device="cpu", threads=1)
        if plan.measured is None:
            raise SystemExit("the plan measured nothing")
    else:
        _train(config, folder, updates)
    return _peak_mb()


def _train(config: ExperimentConfig, folder: Path, updates: int) -> None:
    from asr.training.experiment import train_experiment
    from asr.training.trainer import Trainer

    original, done = Trainer._update, []

    def counted(self: Trainer, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        done.append(1)
        if len(done) == updates:
            raise Enough

    Trainer._update = counted  # type: ignore[method-assign]
    with contextlib.suppress(Enough):
        train_experiment(config, folder, folder / "exp", device="cpu", threads=1)


def _write_set(folder: Path, name: str, count: int, config: ExperimentConfig) -> None:
    """A manifest and its features: pieces of one long matrix, each of its own, so that few sound alike."""
    from asr.corpus.manifest import write_manifest
    from asr.features.store import FeatureStoreWriter

    generator = np.random.default_rng(len(name))
    block = generator.normal(size=(100_000, BINS)) + 3 * np.sin(np.arange(100_000) / 20)[:, None]
    block = block.astype(np.float16)

    def made() -> Iterator[Utterance]:
        with FeatureStoreWriter(folder / "features" / name, BINS, "float16", config.features) as writer:
            for utterance in _utterances(name, count, generator):
                frames = round(utterance.duration * 100)
                begin = int(generator.integers(len(block) - frames))
                writer.append(utterance.id, block[begin : begin + frames])
                yield utterance

    write_manifest(folder / f"{name}.jsonl", made())


def _write_audio_set(folder: Path, name: str, count: int, config: ExperimentConfig) -> None:
    """A manifest of recordings with names of their own, which all lead to one file."""
    import soundfile

    from asr.corpus.manifest import write_manifest

    generator = np.random.default_rng(len(name))
    recording, rate = folder / f"{name}.wav", config.features.sample_rate
    soundfile.write(recording, 0.1 * generator.standard_normal(2 * SECONDS * rate), rate)

    def made() -> Iterator[Utterance]:
        for utterance in _utterances(name, count, generator):
            path = folder / "audio" / utterance.speaker / f"{utterance.id}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(recording)
            start = float(generator.uniform(0, 2 * SECONDS - utterance.duration))
            yield replace(utterance, audio=str(path), start=start)

    write_manifest(folder / f"{name}.jsonl", made())


def _utterances(name: str, count: int, generator: np.random.Generator) -> Iterator[Utterance]:
    from asr.corpus.utterance import Utterance

    for number in range(count):
        speaker = f"{name}-{number // 1000:05d}"
        duration = int(generator.integers(SECONDS * 50, SECONDS * 150)) / 100
        text = " ".join(generator.permutation(TEXT.split()))
        yield Utterance(f"{speaker}-{number % 1000:04d}", f"{number}.wav", 0.0, duration, text=text, speaker=speaker)


def _measure(folder: str, system: str, updates: int) -> float:
    command = [sys.executable, __file__, "--child", folder, "--systems", system, "--updates", str(updates)]
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
    parser.add_argument("--systems", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--work", help="folder for the synthetic corpora; the system's temporary one otherwise")
    parser.add_argument("--quick", action="store_const", const=[1.0, 10.0, 50.0], dest="hours")
    parser.add_argument("--json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
