"""Time, memory and held-out perplexity of n-gram training and scoring: ours beside KenLM's lmplz and its library.

    python tools/bench/lm.py [--text FILE] [--orders 3,4,5] [--lmplz PATH] [--quick] [--json FILE]

Every 200th sentence is held out. Each training runs in a process of its own, one after the other, with one thread
(lmplz: two gigabytes for sorting, what it needs threads for is its own); time is wall time from start to a written
model, memory the process's peak resident set. `lmplz` is found on PATH or given; the `kenlm` module (PyPI: ufal-kenlm)
is used where it is installed. Rows: {"case", "system", "metric", "value", "unit"}; ours is `ours`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from asr.lm.files import load_lm
from asr.lm.perplexity import score_sentences, total
from asr.lm.text import read_lines

HELD_OUT = 200  # one sentence of so many
Row = dict[str, Any]


def main() -> None:
    """Measure and print one row a figure."""
    parser = argparse.ArgumentParser(description="N-gram models: time, memory and perplexity beside KenLM.")
    corpora = Path(os.environ.get("ASR_CORPORA", "corpora"))
    parser.add_argument("--text", type=Path, default=corpora / "text" / "novels.txt.xz")
    parser.add_argument("--orders", default="3,4,5")
    parser.add_argument("--lmplz", default=shutil.which("lmplz"), help="path of KenLM's lmplz")
    parser.add_argument("--quick", action="store_true", help="one sentence in 20, order 3 only")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        train, held = split(options.text, Path(folder), 20 if options.quick else 1)
        for order in [3] if options.quick else map(int, options.orders.split(",")):
            for row in measure(order, train, held, Path(folder), options.lmplz):
                rows.append(row)
                print(
                    f"{row['case']:24} {row['system']:16} {row['metric']:22} {row['value']:14.6g} {row['unit']}",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def split(text: Path, folder: Path, every: int) -> tuple[Path, Path]:
    """Training and held-out sentences as plain files."""
    train, held = folder / "train.txt", folder / "held.txt"
    with train.open("w", encoding="utf-8") as kept, held.open("w", encoding="utf-8") as out:
        for number, line in enumerate(read_lines(text), start=1):
            if number % HELD_OUT == 0:
                out.write(line + "\n")
            elif number % every == 0:
                kept.write(line + "\n")
    return train, held


def measure(order: int, train: Path, held: Path, folder: Path, lmplz: str | None) -> list[Row]:
    """Rows of one order, unpruned and with the n-grams over two words that were seen once dropped."""
    rows: list[Row] = []
    for name, cutoffs in (("all", [0] * order), ("cut-offs 0,0,1", [0, 0, *[1] * (order - 2)])):
        case = f"{order}-gram, {name}"
        model, arpa = folder / "model", folder / "lmplz.arpa"
        command = [sys.executable, "-m", "asr", "lm", "train", str(train), "--order", str(order), "--out", str(model)]
        rows += figures(case, "ours", *run([*command, "--cutoffs", ",".join(map(str, cutoffs))]))
        rows += figures_of_model(case, "ours", model, held)
        if lmplz:
            prune = ["--prune", *map(str, cutoffs)]
            command = [
                lmplz,
                "-o",
                str(order),
                "-S",
                "2G",
                "-T",
                str(folder),
                *prune,
                "--text",
                str(train),
                "--arpa",
                str(arpa),
            ]
            rows += figures(case, "lmplz", *run(command))
            if name != "all":
                rows += figures_of_model(case, "lmplz", arpa, held)
                rows += scoring_speed(case, model, arpa, held)
    return rows


def run(command: Sequence[str]) -> tuple[float, float]:
    """Seconds and peak megabytes of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
    return seconds, usage.ru_maxrss / 1024


def figures(case: str, system: str, seconds: float, megabytes: float) -> list[Row]:
    """Time and memory rows."""
    return [
        {"case": case, "system": system, "metric": "time", "value": seconds, "unit": "s"},
        {"case": case, "system": system, "metric": "peak_mb", "value": megabytes, "unit": "MB"},
    ]


def figures_of_model(case: str, system: str, path: Path, held: Path) -> list[Row]:
    """Loading time, number of n-grams and held-out perplexity."""
    began = time.perf_counter()
    model = load_lm(path)
    loading = (time.perf_counter() - began) * 1000
    result = total(score_sentences(model, map(str.split, read_lines(held))))
    values = [
        ("load", loading, "ms"),
        ("n-grams", sum(model.arc_counts), ""),
        ("perplexity", result.perplexity, ""),
        ("perplexity, known words", result.perplexity_of_known, ""),
    ]
    return [
        {"case": case, "system": system, "metric": name, "value": value, "unit": unit} for name, value, unit in values
    ]


def scoring_speed(case: str, model: Path, arpa: Path, held: Path) -> list[Row]:
    """Microseconds a word when sentences are scored from Python, side by side, median of five rounds."""
    sentences = [line.split() for line in read_lines(held)]
    words = sum(len(sentence) + 1 for sentence in sentences)
    ours = load_lm(model)
    systems: dict[str, Callable[[], object]] = {"ours": lambda: [ours.score(sentence) for sentence in sentences]}
    if importlib.util.find_spec("kenlm"):
        import kenlm

        theirs = kenlm.Model(str(arpa))
        joined = [" ".join(sentence) for sentence in sentences]
        systems["ufal-kenlm"] = lambda: [theirs.score(sentence) for sentence in joined]
    times: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(5):
        for name, system in systems.items():
            began = time.perf_counter()
            system()
            times[name].append((time.perf_counter() - began) / words * 1e6)
    return [
        {"case": case, "system": name, "metric": "score", "value": statistics.median(taken), "unit": "us/word"}
        for name, taken in times.items()
    ]


if __name__ == "__main__":
    main()
