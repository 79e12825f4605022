"""Training with several processes: throughput, the cost of communication, and an estimate for many GPUs.

    python tools/bench/scaling.py [--quick] [--sizes 3x256,...] [--arrangements 1x1,1x2,2x1,4x1] [--json FILE]
    python tools/bench/scaling.py --balance MANIFEST [--json FILE]

An arrangement is processes x threads of each. All of them compute the same updates (four batches of equal length, with
the front end, CTC, clip and AdamW of `asr train`), over Gloo, one arrangement after the other in every round; the
figures are medians over rounds and updates. `waiting_for_processes` is the share of an update between the end of a
process's own backward pass and the arrival of the summed gradients, mean over processes; `sum_ms` is the sum alone, all
processes starting together. `processor_seconds` adds up all processes and is disturbed least by other work.

After the measurement it prints what the measured bytes would cost on 8 and 64 GPUs, as `LINKS` assumes them to be.

`--balance` reads lengths from a manifest and says how much of their time processes would compute rather than wait for
the one with the longest share, if time went with the padded seconds of a batch, and if it went with its longest
utterance (as on a GPU, where the recurrence decides); `together` is with `batching.together` as the batches of an
update. The lengths are drawn again to 100,000 utterances.

Rows: {"case", "system", "metric", "value", "unit"}; ours is `ours`.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
BATCHES = 4
BINS, UNITS, FRAMES_A_SECOND, LABELS_A_SECOND = 80, 32, 100, 12
# Assumed, not measured: bytes a second that a ring's slowest link carries for all GPUs of a machine, and microseconds
# a sum takes however small it is.
LINKS = {
    "8 GPUs, NVLink": (8, 200e9, 30.0),
    "64 GPUs, 8 x 200 Gb/s InfiniBand a machine": (64, 160e9, 120.0),
    "64 GPUs, 100 Gb/s Ethernet a machine": (64, 10e9, 300.0),
}
GPU_UPDATE_MS = (50.0, 100.0, 200.0)


def main() -> None:
    """Measure, print and write the rows; as a worker, measure one process."""
    options = parse()
    if options.worker:
        work(json.loads(options.worker))
        return
    if options.balance:
        rows = balance_rows(options.balance)
    else:
        rows = [each for size in options.sizes.split(",") for each in measure(size, options)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Throughput and communication of training with several processes.")
    parser.add_argument("--sizes", default="3x256,4x320,5x512", help="layers x cells a direction, with commas")
    parser.add_argument("--arrangements", default="1x1,1x2,2x1,4x1", help="processes x threads, with commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=3, help="measured in a round")
    parser.add_argument("--utterances", type=int, default=8, help="of 10 s in a batch")
    parser.add_argument("--balance", type=Path, help="manifest whose lengths to deal")
    parser.add_argument("--quick", action="store_true", help="3x256 alone, half the batch, two rounds")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds, options.updates, options.utterances = "3x256", 2, 2, 4
    return options


def measure(size: str, options: argparse.Namespace) -> list[Row]:
    """Rows of one model size: every arrangement in turns, then the estimate."""
    found: dict[str, list[Row]] = {arrangement: [] for arrangement in options.arrangements.split(",")}
    for _ in range(options.rounds):
        for arrangement in found:
            processes, threads = map(int, arrangement.split("x"))
            found[arrangement] += launch(size, processes, threads, options)
    rows: list[Row] = []
    first = 0.0
    for arrangement, ranks in found.items():
        figures = summarise(ranks, int(arrangement.split("x")[0]))
        first = first or figures["audio_hours_per_hour"][0]
        figures["speedup"] = (figures["audio_hours_per_hour"][0] / first, "")
        rows += rows_of(f"{size}, {arrangement.replace('x', ' processes x ')} threads", figures)
    return rows + estimate(size, int(max(each["bytes"] for ranks in found.values() for each in ranks)))


def launch(size: str, processes: int, threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the processes of one arrangement measured, by rank."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        task = {"size": size, "updates": options.updates, "utterances": options.utterances, "folder": folder}
        command = [sys.executable, __file__, "--worker", json.dumps(task)]
        shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        started = []
        for rank in range(processes):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": str(threads)}
            started.append(subprocess.Popen(command, env={**os.environ, **shared, **own}))
        if any([process.wait() for process in started]):
            raise SystemExit("a process failed; its message is above")
        return [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(processes)]


def work(task: dict[str, Any]) -> None:
    """One process: its share of the updates, and the sum of the gradients alone."""
    import torch

    from asr.batches.plan import EpochPlan
    from asr.config.sections import ModelConfig, TrainingConfig
    from asr.model.acoustic import AcousticModel
    from asr.training.processes.share import Share, SharedEpoch
    from asr.training.processes.world import joined
    from asr.training.step.update import Updater

    layers, hidden = map(int, task["size"].split("x"))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with joined("cpu") as (world, device):
        torch.manual_seed(1)
        model = AcousticModel(ModelConfig(layers=layers, hidden=hidden), BINS, UNITS)
        updater = Updater(model, TrainingConfig(), device, world)
        batch = make_batch(task["utterances"])
        shared = SharedEpoch(EpochPlan([batch.ids] * BATCHES, 0.0, 0.0), BATCHES, world)
        own = shared.own(0)
        share = Share([batch] * len(own), own, BATCHES * len(batch.ids), BATCHES)
        updater.update(share, 1e-4)  # warms up
        measured: dict[str, Any] = {"seconds": [], "waiting": [], "processor": [], "sum": [], "bytes": 0}
        measured["audio"] = BATCHES * batch.seconds
        for _ in range(task["updates"]):
            world.gather(0)
            before, waited, processor = time.perf_counter(), world.traffic.seconds, time.process_time()
            updater.update(share, 1e-4)
            measured["processor"].append(time.process_time() - processor)
            measured["seconds"].append(time.perf_counter() - before)
            measured["waiting"].append((world.traffic.seconds - waited) / measured["seconds"][-1])
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        measured["bytes"] = sum(each.numel() * each.element_size() for each in gradients)
        for _ in range(10 if world.size > 1 else 0):
            world.gather(0)
            before = time.perf_counter()
            world.add(gradients)
            measured["sum"].append(time.perf_counter() - before)
        (Path(task["folder"]) / f"{world.rank}.json").write_text(json.dumps(measured))


def make_batch(utterances: int) -> Any:
    """Features and targets drawn at random, 10 s each: speed does not depend on their values."""
    import torch

    from asr.batches.examples import Batch

    generator = torch.Generator().manual_seed(1)
    features = torch.randn(utterances, 10 * FRAMES_A_SECOND, BINS, generator=generator)
    lengths = torch.full((utterances,), 10 * FRAMES_A_SECOND)
    targets = [torch.randint(1, UNITS, (10 * LABELS_A_SECOND,), generator=generator).tolist()] * utterances
    return Batch([f"u{place}" for place in range(utterances)], features, lengths, targets, 10.0 * utterances)


def summarise(ranks: list[dict[str, Any]], processes: int) -> dict[str, tuple[float, str]]:
    """Medians over the updates of all rounds; `ranks` has the processes of the first round, of the second, ..."""
    rounds = [ranks[begin : begin + processes] for begin in range(0, len(ranks), processes)]
    slowest = [max(each) for together in rounds for each in zip(*(rank["seconds"] for rank in together), strict=True)]
    processor = [sum(each) for together in rounds for each in zip(*(r["processor"] for r in together), strict=True)]
    figures = {
        "audio_hours_per_hour": (ranks[0]["audio"] / statistics.median(slowest), "h/h"),
        "update_ms": (1000 * statistics.median(slowest), "ms"),
        "processor_seconds": (statistics.median(processor), "s"),
        "waiting_for_processes": (statistics.median(share for rank in ranks for share in rank["waiting"]), ""),
        "megabytes_summed": (ranks[0]["bytes"] / 1e6 if processes > 1 else 0.0, "MB"),
    }
    if processes > 1:
        figures["sum_ms"] = (1000 * statistics.median(spent for rank in ranks for spent in rank["sum"]), "ms")
    return figures


def estimate(size: str, volume: int) -> list[Row]:
    """What a sum of `volume` bytes would cost on GPUs: 2 (N-1)/N of it over the slowest link, and the latency."""
    rows: list[Row] = []
    for name, (gpus, speed, latency) in LINKS.items():
        spent = 1000 * 2 * (gpus - 1) / gpus * volume / speed + latency / 1000
        figures = {"sum_ms": (spent, "ms")}
        figures |= {f"efficiency at {update:g} ms": (update / (update + spent), "") for update in GPU_UPDATE_MS}
        rows += rows_of(f"{size}, estimate, {name}", figures)
    return rows


def balance_rows(manifest: Path) -> list[Row]:
    """How well updates can be dealt, for 2, 8 and 64 processes with one, two or four batches each."""
    from asr.batches.plan import Item
    from asr.config.sections import BatchingConfig
    from asr.corpus.manifest import load_manifest

    lengths = np.array([utterance.duration for utterance in load_manifest(manifest)])
    generator = np.random.default_rng(1)
    drawn = generator.choice(lengths, 100_000) * generator.uniform(0.98, 1.02, 100_000)
    seconds = max(200.0, float(drawn.max()))
    items = [Item(f"{number:06d}", float(length)) for number, length in enumerate(drawn)]
    rows: list[Row] = []
    for utterances in (8, 64):
        for processes in (2, 8, 64):
            for batches in (1, 2, 4):
                for together in (1, processes * batches):
                    config = BatchingConfig(seconds=seconds, utterances=utterances, together=together)
                    case = f"{seconds:.0f} s or {utterances} utterances, {processes} processes x {batches} batches"
                    case += ", together" if together > 1 else ""
                    rows += rows_of(case, busy(items, config, processes, batches))
    return rows


def busy(items: list[Any], config: Any, processes: int, batches: int) -> dict[str, tuple[float, str]]:
    """Share of their time that processes compute, by padded seconds and by longest utterance, in a shuffled epoch."""
    from asr.batches.plan import deal, padded_seconds, plan_epoch

    plan = plan_epoch(items, config, seed=1, epoch=config.shortest_first_epochs)
    lengths = {item.id: item.seconds for item in items}
    padded, longest = padded_seconds(items, plan), [max(lengths[name] for name in batch) for batch in plan]
    size = processes * batches
    found = {}
    for name, costs in (("by padded seconds", padded), ("by longest utterance", longest)):
        waited = computed = 0.0
        for begin in range(0, len(plan) - size + 1, size):
            loads = np.zeros(processes)
            np.add.at(loads, deal(padded[begin : begin + size], processes), costs[begin : begin + size])
            computed, waited = computed + loads.sum(), waited + processes * loads.max()
        found[f"computing, {name}"] = (computed / waited, "")
    return found


def rows_of(case: str, figures: dict[str, tuple[float, str]]) -> list[Row]:
    """Rows of one case, printed as one line."""
    print(f"{case:52}", "  ".join(f"{name} {value:.4g} {unit}".strip() for name, (value, unit) in figures.items()))
    sys.stdout.flush()
    return [
        {"case": case, "system": "ours", "metric": name, "value": value, "unit": unit}
        for name, (value, unit) in figures.items()
    ]


if __name__ == "__main__":
    main()
