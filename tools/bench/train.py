"""Speed of training: audio-hours an hour, memory, and the share of what the machine's matrix products can reach.

    python tools/bench/train.py [--quick] [--threads N] [--device cuda] [--json FILE] [--profile]

For BiLSTMs of 3x256, 4x320 and 5x512 cells a direction behind the convolutional front end (80 bins, 100 frames a
second, 25 after it), on a batch of 16 x 10 s and on one of mixed lengths, it times the forward pass (evaluation) and a
whole training step: front end, stack, output, CTC, backward pass, clip, AdamW. The systems run in turns in one process;
the figures are medians over the rounds, of processor time on one thread (other work on the machine disturbs it less)
and of wall time otherwise (`--clock` chooses). Dropout is on in all of them.

* `ours`: `asr.training.step.update.Updater`, all that `asr train` does for an update.
* `packed`: the same model over packed sequences, in a plain loop; `torch`: over the padded batch, where the backward
  direction reads padding, as plain PyTorch and torchaudio programs do; and two `nn.LSTM` a layer over reversed copies
  (on a GPU also in two streams). Before timing, the gradients of all but the padded form are compared with ours.
* `speechbrain`: its layers, its CTC loss and its trainer; as in its recipe without lengths, and with lengths given.

Freed memory is kept for the next step, as `asr train` does it; that is a setting of the process, so all systems gain by
it. `--default-heap` leaves it, which is what the other systems' users have.

`share_of_matmul_peak` is the operations of the LSTM's matrix products on real frames (input and recurrent, forward and
twice as many backward; nothing else counts) over the time of the whole step, divided by the fastest product
measured in the same run; `share_of_torch_mm` divides by the fastest `torch.mm`; `share_of_matmul_peak_whole` counts the
front end and the output layer too. `--precision bfloat16`, or on a GPU `float16`, runs under autocast with float32 CTC,
and then the peak is that of products in this type, also for the rows of `--beside` with another one.

SpeechBrain goes, beside the project, into an environment of its own, from which this file is then run:

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install . speechbrain

Rows: {"case", "system", "metric", "value", "unit"}; systems are named as on PyPI, and ours is `ours`.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import gc
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from train_peak import lstm_operations, matmul_peak, other_operations
from train_systems import BINS, UNITS, System, build, systems

from asr.batches.examples import Batch
from asr.model.acoustic import AcousticModel
from asr.training.cost.allocator import keep_freed_memory

Row = dict[str, Any]
FRAMES_A_SECOND, LABELS_A_SECOND = 100, 12
FULL = {"16 x 10 s": [10.0] * 16, "4 to 16 s": [round(4.0 + 12.0 * place / 15, 2) for place in range(16)]}
QUICK = [5.0] * 8


def main() -> None:
    """Measure, print a table and write the rows."""
    options = parse()
    torch.set_num_threads(options.threads)
    if not options.default_heap:
        keep_freed_memory()
    device = torch.device(options.device)
    clock = clock_of(options, device)
    rows: list[Row] = []
    peaks = matmul_peak(device, PRECISIONS[options.precision], clock)
    for name, speed in peaks.items():
        print(f"matrix product by {name}: {speed / 1e9:.0f} GFLOP/s")
        rows.append(row("matrix product", name, "speed", speed / 1e9, "GFLOP/s"))
    for size in options.sizes.split(","):
        layers, hidden = map(int, size.split("x"))
        for manner, seconds in {"8 x 5 s": QUICK}.items() if options.quick else FULL.items():
            batch = make_batch(seconds)
            rows += measure(f"{size}, {manner}", build(layers, hidden, device), batch, device, options, peaks, clock)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Speed of training beside packed sequences, PyTorch and SpeechBrain.")
    parser.add_argument("--sizes", help="layers x cells a direction, with commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=sorted(PRECISIONS), default="float32")
    parser.add_argument("--beside", choices=sorted(PRECISIONS), help="measure ours and speechbrain in this one too")
    parser.add_argument("--work", choices=("forward", "step"), help="measure this alone")
    parser.add_argument("--clock", choices=("processor", "wall"), help="processor is for one thread of a CPU")
    parser.add_argument("--only", help="systems to measure, with commas between their names' first words")
    parser.add_argument("--quick", action="store_true", help="a smaller batch, three rounds, two sizes")
    parser.add_argument("--default-heap", action="store_true", help="leave the C library's memory as programs find it")
    parser.add_argument("--profile", action="store_true", help="also say where our step spends its time")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    options.sizes = options.sizes or ("3x256,4x320" if options.quick else "3x256,4x320,5x512")
    if options.quick:
        options.rounds = 3
    return options


def clock_of(options: argparse.Namespace, device: torch.device) -> Callable[[], float]:
    """The clock; on a GPU it waits until all work is done."""
    if device.type == "cuda":

        def synchronised() -> float:
            torch.cuda.synchronize(device)
            return time.perf_counter()

        return synchronised
    kind = options.clock or ("processor" if options.threads == 1 else "wall")
    return time.process_time if kind == "processor" else time.perf_counter


def make_batch(seconds: list[float]) -> Batch:
    """Features and targets drawn at random: training speed does not depend on their values."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([round(each * FRAMES_A_SECOND) for each in seconds])
    features = torch.randn(len(seconds), int(lengths.max()), BINS, generator=generator)
    targets = [torch.randint(1, UNITS, (round(s * LABELS_A_SECOND),), generator=generator).tolist() for s in seconds]
    return Batch([f"u{place}" for place in range(len(seconds))], features, lengths, targets, sum(seconds))


def measure(
    case: str,
    model: AcousticModel,
    batch: Batch,
    device: torch.device,
    options: argparse.Namespace,
    peaks: dict[str, float],
    clock: Callable[[], float],
) -> list[Row]:
    """Rows of every system on one model and batch."""
    for name, difference in gradient_differences(model, batch, device, options.precision).items():
        print(f"{case}: gradient of {name} differs from ours by {difference:.1e} of its norm")
    found = systems(model, batch, device, options.precision)
    if options.beside:
        other = systems(model, batch, device, options.beside, only=("ours", "speechbrain"))
        found |= {f"{name}, {options.beside}": other[name] for name in ("ours", "speechbrain") if name in other}
    if options.only:
        found = {name: each for name, each in found.items() if name.split(",")[0] in options.only.split(",")}
    frames = int(torch.div(batch.lengths + 3, 4, rounding_mode="floor").sum())
    needed = lstm_operations(model, frames), lstm_operations(model, frames) + other_operations(model, frames, BINS)
    rows: list[Row] = []
    for work, passes in (("forward", 1), ("step", 3)):
        if options.work not in (None, work):
            continue
        spent = in_turns({name: getattr(each, work) for name, each in found.items()}, options.rounds, clock)
        for name, seconds in spent.items():
            figures = [("audio_hours_per_hour", batch.seconds / seconds, "h/h"), ("seconds", seconds, "s")]
            figures += [
                ("share_of_matmul_peak", passes * needed[0] / seconds / max(peaks.values()), ""),
                ("share_of_matmul_peak_whole", passes * needed[1] / seconds / max(peaks.values()), ""),
                ("share_of_torch_mm", passes * needed[0] / seconds / peaks["torch.mm"], ""),
            ]
            if work == "step":
                figures.append(("peak_mb", peak_mb(found[name].step, device), "MB"))
            rows += [row(f"{case}, {work}", name, *figure) for figure in figures]
            show(f"{case}, {work}", name, dict(figure[:2] for figure in figures), seconds / spent.get("ours", seconds))
    if options.profile:
        print(profile(found["ours"], device))
    return rows


def row(case: str, system: str, metric: str, value: float, unit: str) -> Row:
    """One figure."""
    return {"case": case, "system": system, "metric": metric, "value": value, "unit": unit}


def show(case: str, system: str, figures: dict[str, float], ratio: float) -> None:
    """One line of the table."""
    memory = f"{figures['peak_mb']:6.0f} MB" if "peak_mb" in figures else ""
    print(
        f"{case:28} {system:30} {figures['audio_hours_per_hour']:8.0f} h/h {1000 * figures['seconds']:8.1f} ms  "
        f"{100 * figures['share_of_matmul_peak']:3.0f} % of peak ({100 * figures['share_of_matmul_peak_whole']:3.0f} % "
        f"whole, {100 * figures['share_of_torch_mm']:3.0f} % of torch.mm)  x{ratio:.2f} {memory}",
        flush=True,
    )


def in_turns(works: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median seconds of each, run one after the other in every round; the first round only warms up."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            gc.collect()
            begun = clock()
            work()
            spent[name].append(clock() - begun)
    return {name: statistics.median(times[1:]) for name, times in spent.items()}


def gradient_differences(model: AcousticModel, batch: Batch, device: torch.device, precision: str) -> dict[str, float]:
    """Norm of the difference of the gradients that the exact systems give the front end, relative; dropout off."""
    still = copy.deepcopy(model)
    for part in still.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    wanted = ("ours", "packed", "torch, separate directions")
    found = {name: each for name, each in systems(still, batch, device, precision, only=wanted).items()}
    for each in found.values():
        each.step()
    gradients = {name: front_end_gradient(each.model) for name, each in found.items()}
    ours = gradients.pop("ours")
    return {name: float((other - ours).norm() / ours.norm()) for name, other in gradients.items()}


def front_end_gradient(model: torch.nn.Module) -> Tensor:
    """What arrives below the whole stack, as one unit vector: plain loops weigh utterances as ours does only so."""
    parts = [weight.grad.flatten() for name, weight in model.named_parameters() if "front_end" in name]
    return torch.cat(parts) / torch.cat(parts).norm()


def peak_mb(work: Callable[[], Any], device: torch.device) -> float:
    """Memory at its peak: on a GPU all that is allocated; on a CPU what a fork takes above its start (Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) / 2**20
    if torch.get_num_threads() > 1 or not Path("/proc/self/clear_refs").exists():
        return float("nan")  # a fork would wait for threads that it does not have
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)  # what earlier steps have freed would be used again without being counted
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # 5 resets the high-water mark
        start = resident("VmRSS")
        work()
        os.write(writer, str(resident("VmHWM") - start).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        kib = stream.read()
    os.waitpid(child, 0)
    return int(kib) / 1024 if kib else float("nan")


def resident(field: str) -> int:
    """VmRSS (now) or VmHWM (peak) of this process, in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    return 0


def profile(system: System, device: torch.device) -> str:
    """Where a step of ours spends its time."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities, profile_memory=device.type == "cuda") as recorded:
        system.step()
    kind = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    return recorded.key_averages().table(sort_by=kind, row_limit=25, max_name_column_width=50)


if __name__ == "__main__":
    main()
