"""Cost of CTC-CRF beside CTC: of a whole training step, and of the criterion alone.

    python tools/bench/criterion.py [--quick] [--text MANIFEST.jsonl] [--threads N] [--device cuda] [--json FILE]

A model of 3x256 cells a direction (80 bins, 100 frames a second, 25 after the front end) takes steps on one batch of
8 x 12.5 s, with CTC and with CTC-CRF in turns; the figures are medians over the rounds, of processor time on one thread
and of wall time otherwise. The criterion alone is its forward and backward pass on the log-probabilities of that batch.

Without `--text` the texts are drawn from a made-up language of 40 units in which a pair of units is followed by a few
others: some 250,000 units, whose trigram has about as many histories as that of five hours of English phones. A
manifest gives real texts, spelled in words (phones separated by spaces, say) as `units.kind: words` does.

`arcs, each history with every unit` is what the graph would have without arcs that back off.

Rows: {"case", "system", "metric", "value", "unit"}; ours is `ours`, `torch` the same by PyTorch's operations.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from train import Row, clock_of, in_turns, make_batch, row
from train_systems import BINS

from asr.batches.examples import Batch
from asr.config.sections import ModelConfig, TrainingConfig, UnitsConfig
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.lm.text import lm_symbols, read_lines
from asr.model.acoustic import AcousticModel
from asr.model.crf import ctc_crf_loss
from asr.model.crf_torch import log_partitions_by_torch
from asr.model.ctc import ctc_loss
from asr.model.denominator import Denominator
from asr.training.cost.allocator import keep_freed_memory
from asr.training.processes.share import Share
from asr.training.step.update import Updater
from asr.units import Units, build_units

UNITS, SENTENCES, FOLLOWERS = 40, 2600, 0.12
ORDERS = (2, 3, 4)


def main() -> None:
    """Measure, print a table and write the rows."""
    options = parse()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    device = torch.device(options.device)
    clock = clock_of(options, device)
    texts = list(read_lines(options.text)) if options.text else made_up_texts()
    units = build_units(texts, UnitsConfig(kind="words"))
    rows: list[Row] = []
    seconds = [5.0] * 8 if options.quick else [12.5] * 8
    batch = make_batch(seconds)
    batch.targets[:] = targets_of(texts, units, seconds)
    for order in (3,) if options.quick else ORDERS:
        case = f"{order}-gram of {len(units) - 2} units"
        denominator, own = sizes(case, texts, units, order)
        rows += own
        case = f"{case}, 3x256, 8 x {seconds[0]:g} s"
        rows += times(f"{case}, step", steps(batch, units, denominator, device), options.rounds, clock)
        rows += times(f"{case}, criterion", criteria(batch, units, denominator, device), options.rounds, clock)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Cost of CTC-CRF beside CTC.")
    parser.add_argument("--text", type=Path, help="manifest or text to take the n-gram of")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=("processor", "wall"), help="processor is for one thread of a CPU")
    parser.add_argument("--quick", action="store_true", help="a shorter batch, three rounds, the trigram alone")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 3
    return options


def made_up_texts() -> list[str]:
    """Sentences of 30 to 170 units from a source of second order, always the same."""
    generator = np.random.default_rng(0)
    following = generator.dirichlet(np.full(UNITS, FOLLOWERS), size=(UNITS, UNITS)).cumsum(axis=-1)
    texts = []
    for _ in range(SENTENCES):
        pair, sentence = generator.integers(UNITS, size=2).tolist(), []
        for draw in generator.random(generator.integers(30, 170)).tolist():
            unit = min(UNITS - 1, int(np.searchsorted(following[tuple(pair)], draw)))
            sentence.append(f"p{unit}")
            pair = [pair[1], unit]
        texts.append(" ".join(sentence))
    return texts


def targets_of(texts: Sequence[str], units: Units, seconds: Sequence[float]) -> list[list[int]]:
    """Targets of about 8 labels a second, cut from the texts one after the other."""
    labels = [label for text in texts[:200] for label in units.encode(text)]
    counts = np.array([round(8 * each) for each in seconds])
    ends = np.cumsum(counts)
    return [labels[end - count : end] for end, count in zip(ends, counts, strict=True)]


def sizes(case: str, texts: Sequence[str], units: Units, order: int) -> tuple[Denominator, list[Row]]:
    """The denominator, and how large it is and how long it takes to make."""
    begun = time.perf_counter()
    symbols = lm_symbols(units)
    sentences = ([symbols[label] for label in units.encode(text)] for text in texts)
    denominator = Denominator(build_model(train_ngrams(sentences, order, unit="units")), units)
    figures = {
        "histories": denominator.histories,
        "states": 2 * denominator.histories - 1,
        "arcs": denominator.arcs,
        "arcs, each history with every unit": denominator.histories * (len(units) - 1),
    }
    print(f"{case}: {denominator.describe()}; {figures['arcs, each history with every unit']} without back-off")
    rows = [row(case, "ours", metric, value, "") for metric, value in figures.items()]
    return denominator, [*rows, row(case, "ours", "seconds to make", time.perf_counter() - begun, "s")]


def steps(
    batch: Batch, units: Units, denominator: Denominator, device: torch.device
) -> dict[str, Callable[[], object]]:
    """A whole training step with either criterion."""
    torch.manual_seed(1)
    model = AcousticModel(ModelConfig(layers=3, hidden=256), BINS, len(units))

    def step(criterion: str) -> Callable[[], object]:
        settings = TrainingConfig.model_validate({"criterion": criterion})
        needed = denominator if criterion == "ctc-crf" else None
        updater = Updater(copy.deepcopy(model).to(device), settings, device, denominator=needed)
        return lambda: updater.update(Share([batch], [1], len(batch.ids), 1), 1e-4)

    return {"ours, ctc": step("ctc"), "ours, ctc-crf": step("ctc-crf")}


def criteria(
    batch: Batch, units: Units, denominator: Denominator, device: torch.device
) -> dict[str, Callable[[], object]]:
    """Either criterion and its gradient, and the denominator's in PyTorch's operations."""
    frames = int(batch.lengths.max()) // 4
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(len(batch.ids), frames, len(units), generator=generator)
    log_probs = logits.log_softmax(-1).to(device).requires_grad_()
    lengths = torch.full((len(batch.ids),), frames, device=device)
    return {
        "ours, ctc": lambda: ctc_loss(log_probs, lengths, batch.targets).sum().backward(),
        "ours, ctc-crf": lambda: ctc_crf_loss(log_probs, lengths, batch.targets, denominator).sum().backward(),
        "torch, denominator alone": lambda: log_partitions_by_torch(
            log_probs.detach(), lengths, denominator.tensors(device), True
        ),
    }


def times(case: str, works: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> list[Row]:
    """Median seconds of each, as rows and as lines."""
    spent = in_turns(works, rounds, clock)
    rows = []
    for system, seconds in spent.items():
        beside = seconds / spent["ours, ctc"]
        print(f"{case:48} {system:26} {1000 * seconds:9.1f} ms  {beside:6.2f} x ctc", flush=True)
        rows += [row(case, system, "seconds", seconds, "s"), row(case, system, "beside_ctc", beside, "x")]
    return rows


if __name__ == "__main__":
    main()
