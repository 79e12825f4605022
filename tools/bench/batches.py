"""Many utterances at once: the search in one process and in several.

    python tools/bench/batches.py                                  # made-up posteriors, characters
    python tools/bench/batches.py LOGPROBS.npz [--lm LM] --times 32
    python tools/bench/batches.py --quick --json rows.json         # within two minutes

One process searches the whole set and then so many processes do, in turns for several rounds; figures are medians over
the rounds. Processes are timed by the wall clock: the set with all that `asr decode --nj` does, and what the set costs
once more after itself (`further`), which a large set comes near to. The others start only where three seconds of work
are left, so let `--times` make the set last longer, on a quiet machine. Every way must find the same texts;
`same_texts` is the share that are.

Rows: {"case", "system", "metric", "value", "unit"}; systems are `ours`, `ours, 2 processes`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import synthetic_posteriors

from asr.decoding.beam import BeamOptions
from asr.decoding.from_files import DecoderRecipe, shared
from asr.decoding.knowledge.tables import Weights
from asr.decoding.parallel import Outcome, decode_all
from asr.decoding.paths.log_probs import read_log_probs, read_meta

Row = dict[str, Any]
Found = dict[str, str]
Utterances = list[tuple[str, np.ndarray]]


def main() -> None:
    """Measure and print one row a figure."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        if options.log_probs is None:
            synthetic_posteriors.make(Path(folder), "characters", options.utterances or 50, seed=1)
            options.log_probs, options.lm = Path(folder) / "log_probs.npz", options.lm or Path(folder) / "lm.arpa"
        meta = read_meta(options.log_probs)
        pruning = BeamOptions(options.beam, options.token_threshold, options.beam_threshold, words=options.words)
        recipe = DecoderRecipe(
            options.units or meta.units, meta.seconds_per_frame, pruning, Weights(options.alpha, options.beta)
        )
        utterances = list(read_log_probs(options.log_probs))[: options.utterances]
        rows: list[Row] = []
        with shared(replace(recipe, lm=options.lm)) as mapped:
            case = f"{options.name}, {'LM' if options.lm else 'no LM'}"
            rows += measure_processes(case, mapped, utterances * options.times, options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="The beam search over processes.")
    parser.add_argument("log_probs", type=Path, nargs="?", help="real log-probabilities instead of made-up ones")
    parser.add_argument("--lm", type=Path, help="folder or ARPA file, for the processes")
    parser.add_argument("--units", type=Path, help="units.txt; else the one that the cache names")
    parser.add_argument("--name", help="of the case; else that of the file")
    parser.add_argument("--processes", default="2", help="numbers with commas")
    parser.add_argument("--beam", type=int, default=32)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--beta", type=float, default=1.5)
    parser.add_argument("--token-threshold", type=float, default=-5.0)
    parser.add_argument("--beam-threshold", type=float, default=10.0)
    parser.add_argument("--words", action="store_true", help="with times and confidence of words")
    parser.add_argument("--utterances", type=int, help="only the first ones; default all, of made-up ones 50")
    parser.add_argument("--times", type=int, default=1, help="the set so often after itself, for the processes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer utterances and rounds")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    options.name = options.name or (options.log_probs.stem if options.log_probs else "synthetic characters")
    if options.quick:
        options.utterances, options.rounds = options.utterances or 8, 1
    return options


def measure_processes(
    case: str, recipe: DecoderRecipe, utterances: Utterances, options: argparse.Namespace
) -> list[Row]:
    """Rows of the compiled search in one process and in several."""
    counts = [1, *map(int, options.processes.split(","))]
    once: dict[int, list[float]] = {count: [] for count in counts}
    twice: dict[int, list[float]] = {count: [] for count in counts}
    texts: dict[int, Found] = {}
    ready = recipe()
    ready.decode(utterances[0][1])  # compiling is not decoding
    for _ in range(options.rounds):
        for count in counts:
            once[count].append(timed(decode_all(recipe, utterances, count, ready), time.perf_counter)[1])
            texts[count], seconds = timed(decode_all(recipe, utterances * 2, count, ready), time.perf_counter)
            twice[count].append(seconds)
    rows = []
    for count in counts:
        first, both = statistics.median(once[count]), statistics.median(twice[count])
        figures = [
            (metric, 1000.0 * seconds / len(utterances), "ms")
            for metric, seconds in (("wall_ms_per_utterance", first), ("further_wall_ms_per_utterance", both - first))
        ]
        system = f"ours, {count} processes" if count > 1 else "ours"
        rows += report(case, system, [*figures, same_texts(texts[count], texts[1])])
    return rows


def timed(made: Iterable[tuple[str, Outcome]], clock: Callable[[], float]) -> tuple[Found, float]:
    """The texts, and the seconds that it took to make them."""
    texts: Found = {}
    started = clock()
    for index, (_, outcome) in enumerate(made):
        if not isinstance(outcome, list):
            raise outcome
        texts[str(index)] = outcome[0].text
    return texts, clock() - started


def same_texts(found: Found, expected: Found) -> tuple[str, float, str]:
    """Share of the utterances whose texts are the same."""
    return "same_texts", 100.0 * sum(found[key] == expected[key] for key in expected) / len(expected), "%"


def report(case: str, system: str, figures: list[tuple[str, float, str]]) -> list[Row]:
    """Print a system's figures and make rows of them."""
    print(
        f"{case:36} {system:22} " + "  ".join(f"{name} {value:.4g} {unit}" for name, value, unit in figures), flush=True
    )
    return [{"case": case, "system": system, "metric": m, "value": v, "unit": u} for m, v, u in figures]


if __name__ == "__main__":
    main()
