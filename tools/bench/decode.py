"""Beam search: time, word errors and search quality of ours beside peers, on the same log-probabilities.

    python tools/bench/decode.py LOGPROBS.npz --ref REF.trn --lm LM [--temperatures 1,2] [--beams 32,100] [--json FILE]

One process, one thread; for every utterance all systems decode in turns, and the figure is the median milliseconds of
processor time an utterance, which other work on the machine disturbs less than wall time. `--lm` is an ARPA file, which
the peers read too. Search quality is the share of utterances in which a system's text has the highest exact score that
any of them found: the CTC probability summed over all paths, times the language model's with the same weights. Peers
that are not installed are left out; to have them all, beside the project:

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install . flashlight-text fast-ctc-decode ctc-beam-decoder ufal-kenlm pygtrie tqdm hyperpyyaml
    /tmp/peers/bin/pip install --no-deps pyctcdecode speechbrain huggingface_hub

Rows: {"case", "system", "metric", "value", "unit"}; systems are named as on PyPI, and ours is `ours`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from decode_peers import System, Task, systems
from rapidfuzz.distance import Levenshtein

from asr.decoding.alignment import score_tokens
from asr.decoding.lm_files import load_lm
from asr.decoding.log_probs import read_log_probs, read_meta
from asr.scoring.readers import read_transcripts
from asr.units import Units

Row = dict[str, Any]
Utterance = tuple[str, np.ndarray]
SAME = 1e-3  # scores closer than this are the same


def main() -> None:
    """Measure and print one row a figure."""
    options = parse()
    meta = read_meta(options.log_probs)
    units = Units.load(options.units or meta.units)
    references = read_transcripts(options.ref, "ref").texts
    utterances = list(read_log_probs(options.log_probs))[: options.utterances]
    lm = load_lm(options.lm)
    rows: list[Row] = []
    for temperature in map(float, options.temperatures.split(",")):
        softened = [(name, soften(log_probs, temperature)) for name, log_probs in utterances]
        for kind in options.kinds.split(","):
            for beam in map(int, options.beams.split(",")):
                case = f"{options.log_probs.stem}, T={temperature:g}, {kind}, beam {beam}"
                task = Task(
                    units, kind, beam, options.token_threshold, options.beam_threshold, options.alpha, options.beta,
                    lm, str(options.lm),
                )  # fmt: skip
                rows += measure(case, task, softened, references, options.skip.split(","))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Beam search: time, errors and search quality beside peers.")
    parser.add_argument("log_probs", type=Path)
    parser.add_argument("--ref", type=Path, required=True)
    parser.add_argument("--lm", type=Path, required=True, help="ARPA file")
    parser.add_argument("--units", type=Path, help="units.txt; else the one that the cache names")
    parser.add_argument("--temperatures", default="1,2", help="1 leaves the posteriors as they are; 2 softens them")
    parser.add_argument("--beams", default="32,100")
    parser.add_argument("--kinds", default="none,word LM,lexicon")
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--beta", type=float, default=1.5)
    parser.add_argument("--token-threshold", type=float, default=-5.0)
    parser.add_argument("--beam-threshold", type=float, default=10.0)
    parser.add_argument("--utterances", type=int, help="only the first ones")
    parser.add_argument("--skip", default="", help="systems to leave out, with commas")
    parser.add_argument("--json", type=Path, help="write the rows here")
    return parser.parse_args()


def soften(log_probs: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the log-probabilities by a temperature and normalise again, as of a less trained model."""
    scaled = log_probs.astype(np.float64) / temperature
    return (scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)).astype(np.float32)


def measure(
    case: str, task: Task, utterances: list[Utterance], references: dict[str, str], skip: list[str]
) -> list[Row]:
    """Rows of one case."""
    found = {name: system for name, system in systems(task).items() if name not in skip}
    times: dict[str, list[float]] = {name: [] for name in found}
    texts: dict[str, list[str]] = {name: [] for name in found}
    for system in found.values():
        system(utterances[0][1])  # compiling, loading and first allocations are not decoding
    for _, log_probs in utterances:
        for name, system in found.items():
            milliseconds, text = timed(system, log_probs)
            times[name].append(milliseconds)
            texts[name].append(text)
    scores = {
        name: [exact_score(task, x, text) for (_, x), text in zip(utterances, texts[name], strict=True)]
        for name in found
    }
    best = [max(column) for column in zip(*scores.values(), strict=True)]
    words = sum(len(references[name].split()) for name, _ in utterances)
    rows = []
    for name in found:
        errors = sum(
            Levenshtein.distance(references[key].split(), text.split())
            for (key, _), text in zip(utterances, texts[name], strict=True)
        )
        hits = sum(score >= top - SAME for score, top in zip(scores[name], best, strict=True))
        figures = (
            ("time", statistics.median(times[name]), "ms/utterance"),
            ("WER", 100.0 * errors / words, "%"),
            ("best score found", 100.0 * hits / len(utterances), "% of utterances"),
        )
        rows += [{"case": case, "system": name, "metric": m, "value": v, "unit": u} for m, v, u in figures]
        shown = "  ".join(f"{value:9.4g} {unit}" for _, value, unit in figures)
        print(
            f"{case:44} {name:18} {shown}  x{statistics.median(times[name]) / statistics.median(times['ours']):.1f}",
            flush=True,
        )
    return rows


def timed(system: System, log_probs: np.ndarray) -> tuple[float, str]:
    """Milliseconds of processor time, and the text; quick systems run three times and the middle one counts."""
    spent: list[float] = []
    while len(spent) < (1 if spent and spent[0] > 50.0 else 3):
        started = time.thread_time()
        text = system(log_probs)
        spent.append(1000.0 * (time.thread_time() - started))
    return statistics.median(spent), text


def exact_score(task: Task, log_probs: np.ndarray, text: str) -> float:
    """Natural-log score of a text by the definition that all systems search with; -inf where they may not say it."""
    words = text.split()
    known = task.lm.ids
    if task.kind == "lexicon" and any(word not in known for word in words):
        return -math.inf
    score = score_tokens(log_probs, task.units.encode(text))
    if task.kind == "none":
        return score
    unknown = sum(word not in known for word in words)
    return score + task.alpha * task.lm.score(words) + task.beta * len(words) - task.weights.unknown_penalty * unknown


if __name__ == "__main__":
    main()
