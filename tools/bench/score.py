"""Time and memory of word error counts: ours beside jiwer and, where installed, NIST's sclite; same counts demanded.

    python tools/bench/score.py [--sizes 1000,100000,1000000] [--rounds 5] [--quick] [--json FILE]

Sentences of 1 to 24 words of a Zipf-distributed vocabulary of 20,000 words, a tenth of them changed, from a fixed seed.
`ours` and `jiwer` get two lists of strings in memory and keep every alignment; each run is a fork of this process, in
turns; time is the median over rounds (the processor's beside the wall's, for a machine that others use too), memory the
peak of resident memory above the start of the fork (Linux; for whole commands the largest process, from nothing). The
cases "from files" are whole commands that read two trn files: `asr score` with its bootstrap, and sclite, which counts
at its own costs. Rows: {"case", "system", "metric", "value", "unit"};
the systems are named as on PyPI or Debian, and ours is `ours`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from asr.scoring.rates.alignment import align

Row = dict[str, Any]
Texts = list[str]
Counts = list[int]
WORDS = 20_000
CHANGED = 0.1
Run = tuple[float, float, float, Counts]
"""Wall seconds, processor seconds, peak megabytes, counts."""
MOST_FOR_SCLITE = 30_000
"""sclite takes 1.2 GB for so many."""


def main() -> None:
    """Measure and print one row a figure."""
    parser = argparse.ArgumentParser(description="Word error counts: time and memory beside peers.")
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="1,000 and 30,000 utterances, three rounds")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    sizes = [1000, 30_000] if options.quick else [int(size) for size in options.sizes.split(",")]
    rows: list[Row] = []
    for size in sizes:
        refs, hyps = sentences(size)
        for row in measure(refs, hyps, 3 if options.quick else options.rounds):
            rows.append(row)
            where = f"{row['case']:44} {row['system']:8} {row['metric']:18}"
            print(f"{where} {row['value']:12.6g} {row['unit']}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def sentences(count: int) -> tuple[Texts, Texts]:
    """`count` references and hypotheses."""
    draw = np.random.default_rng(0)
    chances = 1 / np.arange(1, WORDS + 1)
    chances /= chances.sum()
    lengths = draw.integers(1, 25, count)
    said = draw.choice(WORDS, lengths.sum(), p=chances)
    fate = draw.random(lengths.sum())
    other = draw.choice(WORDS, lengths.sum(), p=chances)
    names = [f"word{n}" for n in range(WORDS)]
    refs, hyps = [], []
    for end, length in zip(np.cumsum(lengths).tolist(), lengths.tolist(), strict=True):
        span = range(end - length, end)
        refs.append(" ".join(names[said[at]] for at in span))
        heard: list[str] = []
        for at in span:
            if fate[at] > CHANGED / 3:
                heard.append(names[other[at]] if fate[at] < 2 * CHANGED / 3 else names[said[at]])
            if fate[at] > 1 - CHANGED / 3:
                heard.append(names[other[at]])
        hyps.append(" ".join(heard))
    return refs, hyps


def measure(refs: Texts, hyps: Texts, rounds: int) -> list[Row]:
    """Rows of every system for one set."""
    case = f"{len(refs)} utterances"
    systems: dict[tuple[str, str], Callable[[], Counts]] = {
        (case, "ours"): lambda: ours(refs, hyps, "unit"),
        (case, "jiwer"): lambda: by_jiwer(refs, hyps),
        (f"{case}, costs of sclite", "ours"): lambda: ours(refs, hyps, "sclite"),
    }
    rows = in_turns(systems, len(refs), rounds)
    with tempfile.TemporaryDirectory() as folder:
        ref, hyp = write_trn(Path(folder) / "ref.trn", refs), write_trn(Path(folder) / "hyp.trn", hyps)
        command = [sys.executable, "-m", "asr", "score", "-r", ref, "-h", hyp]
        commands = {"ours": command}
        sclite = shutil.which("sclite", path=f"{os.environ['PATH']}:/usr/lib/sctk/bin")
        if sclite and len(refs) <= MOST_FOR_SCLITE:
            commands["sctk"] = [sclite, "-r", ref, "trn", "-h", hyp, "trn", "-i", "spu_id", "-o", "rsum", "stdout"]
        finished = {(f"{case}, from files", name): partial(by_command, words) for name, words in commands.items()}
        return rows + in_turns(finished, len(refs), 3)


def in_turns(systems: dict[tuple[str, str], Callable[[], Counts]], count: int, rounds: int) -> list[Row]:
    """Rows of several systems, run one after the other in each round.

    Raises:
        SystemExit: two systems of equal costs count differently.
    """
    runs: dict[tuple[str, str], list[Run]] = {key: [] for key in systems}
    for _ in range(rounds):
        for key, system in systems.items():
            runs[key].append(in_fork(system))
    counted = {key: runs[key][0][3] for key in systems if runs[key][0][3] and "sclite" not in key[0]}
    if len({tuple(counts) for counts in counted.values()}) > 1:
        raise SystemExit(f"the counts differ: {counted}")
    rows = []
    for (case, system), found in runs.items():
        seconds = statistics.median(run[0] for run in found)
        figures = [("seconds", seconds, "s"), ("ms_per_utterance", 1000 * seconds / count, "ms")]
        figures.append(("cpu_seconds", statistics.median(run[1] for run in found), "s"))
        figures.append(("peak_mb", statistics.median(run[2] for run in found), "MB"))
        rows += [
            {"case": case, "system": system, "metric": metric, "value": value, "unit": unit}
            for metric, value, unit in figures
        ]
    return rows


def in_fork(system: Callable[[], Counts]) -> Run:
    """One run in a fork of this process; memory is counted above the start."""
    gc.collect()
    gc.freeze()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # 5 resets the high-water mark
        start, begun, used = resident("VmRSS"), time.perf_counter(), time.process_time()
        counts = system()
        seconds = time.perf_counter() - begun
        workers = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = time.process_time() - used + workers.ru_utime + workers.ru_stime
        peak = max(workers.ru_maxrss, resident("VmHWM") - start)
        os.write(writer, json.dumps([seconds, used, peak / 1024, counts]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    if not said:
        raise SystemExit("a run died; see its message above")
    seconds, used, peak, counts = json.loads(said)
    return seconds, used, peak, counts


def resident(field: str) -> int:
    """VmRSS (now) or VmHWM (peak) of this process, in KiB; 0 where the system does not say."""
    if Path("/proc/self/status").exists():
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field):
                return int(line.split()[1])
    return 0


def ours(refs: Texts, hyps: Texts, costs: str) -> Counts:
    """Hits, substitutions, deletions, insertions; the alignments are in memory when they are counted."""
    return [int(count) for count in align(refs, hyps, costs=costs).counts().sum(axis=0)]


def by_jiwer(refs: Texts, hyps: Texts) -> Counts:
    """The same from jiwer's API, which keeps its alignments too."""
    import jiwer

    out = jiwer.process_words(refs, hyps)
    return [out.hits, out.substitutions, out.deletions, out.insertions]


def by_command(command: list[str | Path]) -> Counts:
    """A whole command; its counts are not compared."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return []


def write_trn(path: Path, texts: Texts) -> Path:
    """Texts with ids of fifty speakers."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{text} (s{n % 50}_{n:07d})\n" for n, text in enumerate(texts))
    return path


if __name__ == "__main__":
    main()
