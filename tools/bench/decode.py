"""Beam search: time, word errors and search quality of ours beside peers, on the same log-probabilities.

    python tools/bench/decode.py                                  # made-up posteriors, characters and BPE
    python tools/bench/decode.py LOGPROBS.npz --ref REF.trn --lm LM.arpa
    python tools/bench/decode.py --quick --json rows.json         # within two minutes

One process, one thread. Every system decodes the whole set, quick ones several times, then the next one does, for
several rounds; the figure is the median over utterances of an utterance's median milliseconds of processor time, which
other work on the machine disturbs less than wall time. What a peer wants its input to be (probabilities, a tensor) is
made beforehand. Search quality is the share of utterances in which a system's text has the highest exact score that any
of them found: the CTC probability summed over all paths of all spellings of the text (cuts into BPE pieces, repeated
spaces), times the language model's with the same weights. `--lm` is an ARPA file, which the peers read too.

Rows: {"case", "system", "metric", "value", "unit"}; systems are named as on PyPI, ours is `ours`; `ours, word times` is
the default, with times and confidence of words.
Peers that are not installed are left out; to have them all, beside the project:

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install . flashlight-text fast-ctc-decode ctc-beam-decoder ufal-kenlm pygtrie tqdm hyperpyyaml
    /tmp/peers/bin/pip install --no-deps pyctcdecode speechbrain huggingface_hub
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import synthetic_posteriors
from decode_peers import System, Task, systems
from rapidfuzz.distance import Levenshtein

from asr.decoding.paths.log_probs import read_log_probs, read_meta
from asr.decoding.paths.text_score import score_text
from asr.lm.files import load_lm
from asr.lm.ngram import NGramModel
from asr.scoring.reading.readers import read_transcripts
from asr.units import Units

Row = dict[str, Any]
SAME = 1e-3  # scores closer than this are the same
SLOW = 30.0  # milliseconds an utterance: such systems decode the set once, the others ROUNDS times
ROUNDS = 5
LONG_ENOUGH = 0.05  # seconds of a round: what decodes the set in less does so several times


@dataclass(frozen=True)
class Corpus:
    """Utterances to decode: (id, (T, V) log-probabilities), their references, and a language model."""

    name: str
    utterances: list[tuple[str, np.ndarray]]
    references: dict[str, list[str]]
    units: Units
    lm: NGramModel
    arpa: str


def main() -> None:
    """Measure and print one row a figure."""
    options = parse()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for corpus in corpora(options, Path(folder)):
            for temperature in map(float, options.temperatures.split(",")):
                softened = [soften(log_probs, temperature) for _, log_probs in corpus.utterances]
                for kind in options.kinds.split(","):
                    for beam in map(int, options.beams.split(",")):
                        case = f"{corpus.name}, T={temperature:g}, {kind}, beam {beam}"
                        rows += measure(case, task_of(corpus, kind, beam, options), softened, corpus, options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Beam search: time, errors and search quality beside peers.")
    parser.add_argument("log_probs", type=Path, nargs="?", help="real log-probabilities instead of made-up ones")
    parser.add_argument("--ref", type=Path)
    parser.add_argument("--lm", type=Path, help="ARPA file")
    parser.add_argument("--units", type=Path, help="units.txt; else the one that the cache names")
    parser.add_argument("--name", help="of the case; else that of the file")
    parser.add_argument("--temperatures", default="1,2", help="1 leaves the posteriors as they are; 2 softens them")
    parser.add_argument("--beams", help="default 32,100; 32 when quick")
    parser.add_argument("--kinds", default="none,word LM,lexicon")
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--beta", type=float, default=1.5)
    parser.add_argument("--token-threshold", type=float, default=-5.0)
    parser.add_argument("--beam-threshold", type=float, default=10.0)
    parser.add_argument("--utterances", type=int, help="only the first ones; default all, of made-up ones 20, quick 4")
    parser.add_argument("--seed", type=int, default=1, help="of the made-up posteriors")
    parser.add_argument("--skip", default="", help="systems to leave out, with commas")
    parser.add_argument("--quick", action="store_true", help="fewer utterances and beams")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    if options.log_probs and not (options.ref and options.lm):
        parser.error("LOGPROBS needs --ref and --lm")
    options.beams = options.beams or ("32" if options.quick else "32,100")
    if options.quick:
        options.utterances = options.utterances or 4
    return options


def corpora(options: argparse.Namespace, folder: Path) -> list[Corpus]:
    """The given log-probabilities, or made-up ones of both kinds of units."""
    if options.log_probs:
        name = options.name or options.log_probs.stem
        return [read(name, options.log_probs, options.ref, options.lm, options.units, options.utterances)]
    found = []
    for kind in ("characters", "bpe"):
        made = folder / kind
        synthetic_posteriors.make(made, kind, options.utterances or 20, options.seed)
        found.append(read(f"synthetic {kind}", made / "log_probs.npz", made / "ref.trn", made / "lm.arpa"))
    return found


def read(
    name: str, log_probs: Path, references: Path, lm: Path, units: Path | None = None, first: int | None = None
) -> Corpus:
    """Read the first utterances of a set."""
    texts = read_transcripts(references, "ref").texts
    utterances = list(read_log_probs(log_probs))[:first]
    return Corpus(
        name, utterances, {key: texts[key].split() for key, _ in utterances},
        Units.load(units or read_meta(log_probs).units), load_lm(lm), str(lm),
    )  # fmt: skip


def task_of(corpus: Corpus, kind: str, beam: int, options: argparse.Namespace) -> Task:
    """What the systems are told."""
    return Task(
        corpus.units, kind, beam, options.token_threshold, options.beam_threshold, options.alpha, options.beta,
        corpus.lm, corpus.arpa,
    )  # fmt: skip


def soften(log_probs: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the log-probabilities by a temperature and normalise again, as of a less trained model."""
    scaled = log_probs.astype(np.float64) / temperature
    return (scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)).astype(np.float32)


def measure(
    case: str, task: Task, log_probs: list[np.ndarray], corpus: Corpus, options: argparse.Namespace
) -> list[Row]:
    """Rows of one case."""
    found = {name: system for name, system in systems(task).items() if name not in options.skip.split(",")}
    texts, times = decode_in_turns(found, log_probs)
    scores = {
        name: [exact_score(task, x, text) for x, text in zip(log_probs, texts[name], strict=True)] for name in found
    }
    best = [max(column) for column in zip(*scores.values(), strict=True)]
    references = [corpus.references[name] for name, _ in corpus.utterances]
    rows = []
    for name in found:
        pairs = zip(references, texts[name], strict=True)
        errors = sum(Levenshtein.distance(reference, text.split()) for reference, text in pairs)
        hits = sum(score >= top - SAME for score, top in zip(scores[name], best, strict=True))
        figures = (
            ("ms_per_utterance", times[name], "ms"),
            ("wer", 100.0 * errors / sum(map(len, references)), "%"),
            ("best_score_found", 100.0 * hits / len(best), "% of utterances"),
        )
        rows += [{"case": case, "system": name, "metric": m, "value": v, "unit": u} for m, v, u in figures]
        shown = "  ".join(f"{value:9.4g} {unit}" for _, value, unit in figures)
        print(f"{case:40} {name:18} {shown}  x{times[name] / times['ours']:.1f}", flush=True)
    return rows


def decode_in_turns(
    found: dict[str, System], log_probs: list[np.ndarray]
) -> tuple[dict[str, list[str]], dict[str, float]]:
    """The texts, and the median milliseconds of processor time an utterance."""
    inputs = {name: [system.prepared(x) for x in log_probs] for name, system in found.items()}
    texts: dict[str, list[str]] = {}
    spent: dict[str, list[list[float]]] = {name: [] for name in found}
    for name, system in found.items():
        system.decode(inputs[name][0])  # compiling, loading and first allocations are not decoding
    for turn in range(ROUNDS):
        for name, system in found.items():
            if turn and statistics.median(spent[name][0]) > SLOW:
                continue
            begun = time.monotonic()
            passes = []
            while not passes or time.monotonic() - begun < LONG_ENOUGH:
                texts[name], milliseconds = timed(system, inputs[name])
                passes.append(milliseconds)
            spent[name].append([statistics.median(readings) for readings in zip(*passes, strict=True)])
    times = {
        name: statistics.median(map(statistics.median, zip(*rounds, strict=True))) for name, rounds in spent.items()
    }
    return texts, times


def timed(system: System, inputs: list[Any]) -> tuple[list[str], list[float]]:
    """Texts and milliseconds of every utterance; what reading the clock takes is not counted."""
    texts, milliseconds = [], []
    reading = clock_reading()
    for utterance in inputs:
        started = time.thread_time()
        texts.append(system.decode(utterance))
        milliseconds.append(1000.0 * (time.thread_time() - started - reading))
    return texts, milliseconds


def clock_reading() -> float:
    """Seconds between two readings of the clock with nothing in between."""
    spans = []
    for _ in range(101):
        started = time.thread_time()
        spans.append(time.thread_time() - started)
    return statistics.median(spans)


def exact_score(task: Task, log_probs: np.ndarray, text: str) -> float:
    """Natural-log score of a text by the definition that all systems search with; -inf where they may not say it."""
    words = text.split()
    known = task.lm.ids
    if task.kind == "lexicon" and any(word not in known for word in words):
        return -math.inf
    score = score_text(log_probs, text, task.units)
    if task.kind == "none":
        return score
    unknown = sum(word not in known for word in words)
    return score + task.alpha * task.lm.score(words) + task.beta * len(words) - task.weights.unknown_penalty * unknown


if __name__ == "__main__":
    main()
