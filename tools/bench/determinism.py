"""What deterministic mode costs an update on this machine's CPU or GPU: the same update with and without, alternating.

    python tools/bench/determinism.py --data data/an4 --config conf/an4.yaml [--device cuda] [--quick] [--json FILE]

Modes: off; on, as `asr train --deterministic` sets it; on with PyTorch's default of filling memory that is not written
yet. On the CPU the figure is processor time of one thread, on a GPU wall time around a synchronised update. It says
also whether two gradients of the same batch had the same bits in each mode.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch

from asr.batches.sets import load_sets
from asr.config.experiment import load_config
from asr.model.directory import build_model
from asr.training.determinism import FIXED_WORKSPACE, WORKSPACE, deterministic_algorithms
from asr.training.processes.share import Share
from asr.training.step.update import Updater
from asr.units import Units

MODES = ("off", "on", "on, memory filled")


def main() -> None:
    """Measure, print a table, write rows."""
    options = _parse()
    torch.set_num_threads(1)
    os.environ.setdefault(WORKSPACE, FIXED_WORKSPACE)  # cuBLAS reads it once, so it holds for all modes here
    device = torch.device(options.device)
    updater, share = prepare(options.data, options.config, device)
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    repeats = {mode: True for mode in MODES}
    for _ in range(10 if options.quick else options.rounds):
        for mode in MODES:
            seconds, gradient = measure(updater, share, mode)
            times[mode].append(seconds)
            repeats[mode] = repeats[mode] and torch.equal(gradient, measure(updater, share, mode)[1])
    rows = []
    print(f"{'mode':<20}{'s an update':>12}{'ratio':>8}  same bits twice")
    for mode in MODES:
        median = statistics.median(times[mode][1:])
        ratio = statistics.median(one / off for one, off in zip(times[mode][1:], times["off"][1:], strict=True))
        print(f"{mode:<20}{median:>12.4f}{ratio:>8.3f}  {'yes' if repeats[mode] else 'NO'}")
        case = f"{options.config.stem}, {device}, deterministic {mode}"
        rows.append({"case": case, "system": "ours", "metric": "s_per_update", "value": median, "unit": "s"})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def prepare(data: Path, config_file: Path, device: torch.device) -> tuple[Updater, Share]:
    """A fresh model and a batch of middling length of its first epoch."""
    config = load_config(config_file)
    units = Units.load(data / "units.txt")
    train, _, _ = load_sets(config, data, units, device)
    torch.manual_seed(config.seed)
    updater = Updater(build_model(config, units).to(device), config.training, device)
    plan = train.plan(0)
    batch = next(iter(train.batches([plan.batches[len(plan.batches) // 2]], 0)))
    return updater, Share([batch], [1], len(batch.ids), 1)


def measure(updater: Updater, share: Share, mode: str) -> tuple[float, torch.Tensor]:
    """Seconds of one update at a learning rate of 0, and its gradient, flat."""
    clock = time.perf_counter if updater.device.type == "cuda" else time.process_time
    with deterministic_algorithms(mode != "off"):
        if mode.endswith("filled"):
            torch.utils.deterministic.fill_uninitialized_memory = True
        before = clock()
        updater.update(share, 0.0)
        if updater.device.type == "cuda":
            torch.cuda.synchronize(updater.device)
        seconds = clock() - before
    return seconds, torch.cat([p.grad.reshape(-1).cpu() for p in updater.model.parameters() if p.grad is not None])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
