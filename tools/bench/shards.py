"""Tar shards from 10^4 to 10^6 tiny utterances: memory and speed of writing, indexing, verifying and reading an epoch.

    python tools/bench/shards.py [--utterances 10000 100000 1000000] [--quick] [--json FILE] [--work FOLDER]

Utterances are 2 to 10 frames of 40 float16, so that what is measured is what each utterance costs, not its data. Every
phase runs in a process of its own: its peak resident memory, and utterances by second of processor time. `webdataset`
(from the extra `dev`) reads the same shards, decoding the same members, shuffled in a buffer of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BINS = 40
TEXTS = ("ONE TWO", "THREE", "FOUR FIVE SIX", "SEVEN EIGHT")
LINE = "{:>10} {:10} {:10} {:>9} {:>20}"


def main() -> None:
    """Run every phase at every size, print a table."""
    options = _parse()
    if options.child:
        phase, folder, count = options.child
        print(json.dumps(run(PHASES[phase], Path(folder), int(count))))
        return
    rows: list[dict[str, Any]] = []
    print(LINE.format("utterances", "phase", "system", "peak MB", "utterances/CPU second"))
    for count in [10_000, 50_000] if options.quick else options.utterances:
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            for phase in PHASES:
                system = "webdataset" if phase == "webdataset" else "ours"
                figures = _measure(phase, folder, count)
                print(LINE.format(count, phase, system, f"{figures[0]:.0f}", f"{figures[1]:.0f}"), flush=True)
                case = f"{count} utterances, {'read' if phase == 'webdataset' else phase}"
                for metric, value, unit in zip(
                    ("peak_mb", "utterances_per_second"), figures, ("MB", "1/s"), strict=True
                ):
                    rows.append({"case": case, "system": system, "metric": metric, "value": value, "unit": unit})
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def run(phase: Callable[[Path, int], int], folder: Path, count: int) -> tuple[float, float]:
    """Peak resident memory in MB and utterances by second of processor time of one phase."""
    before = time.process_time()
    done = phase(folder, count)
    seconds = time.process_time() - before
    if done != count:
        raise SystemExit(f"{done} utterances where {count} are expected")
    return peak_mb(), count / seconds


def write(folder: Path, count: int) -> int:
    """Samples into tars of a thousand, with their index."""
    from asr.config.sections import FeatureConfig
    from asr.shards.indexing import IndexBuilder
    from asr.shards.tar import ShardWriter

    samples = _samples(count)
    with IndexBuilder(folder, FeatureConfig(mel_bins=BINS)) as builder:
        for shard in range(-(-count // 1000)):
            name = f"shard-{shard:06d}.tar"
            with (folder / name).open("wb") as stream:
                writer = ShardWriter(stream)
                for key, files in (next(samples) for _ in range(min(1000, count - 1000 * shard))):
                    builder.add(writer.append(key, files), name)
                sha256 = writer.close()
            builder.end_shard(name, writer.size, sha256)
        return builder.finish().utterances


def index(folder: Path, count: int) -> int:
    """The index made anew from the tars."""
    from asr.config.sections import FeatureConfig
    from asr.shards.indexing import index_shards

    return index_shards(folder, FeatureConfig(mel_bins=BINS)).utterances


def verify(folder: Path, count: int) -> int:
    """Every byte read and compared."""
    from asr.shards.checking import check_shards

    return count - len(list(check_shards(folder)))


def plan(folder: Path, count: int) -> int:
    """An epoch's plan: one pass over the index."""
    return sum(map(int, _examples(folder).plan(0).batches.plan.totals.sizes))  # type: ignore[attr-defined]


def read(folder: Path, count: int) -> int:
    """Every batch of an epoch, decoded, normalised and padded, in this process."""
    examples = _examples(folder)
    return sum(len(batch.ids) for batch in examples.batches(examples.plan(0).batches, 0))


def webdataset(folder: Path, count: int) -> int:
    """The same by WebDataset: decoded, shuffled in a buffer of 4,000, without batches by length or padding."""
    import webdataset as wds

    urls = sorted(str(path) for path in folder.glob("*.tar"))
    return sum(1 for _ in wds.WebDataset(urls, shardshuffle=100, seed=1).shuffle(4000).decode())


PHASES: dict[str, Callable[[Path, int], int]] = {
    "write": write, "index": index, "verify": verify, "plan": plan, "read": read, "webdataset": webdataset,
}  # fmt: skip


def peak_mb() -> float:
    """Peak resident memory of this process; unlike ru_maxrss it does not begin with the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmHWM in /proc/self/status: this tool needs Linux")


def _examples(folder: Path) -> Any:
    from asr.batches.streamed import open_stream
    from asr.config.experiment import ExperimentConfig
    from asr.config.sections import UnitsConfig
    from asr.units import build_units

    config = ExperimentConfig.model_validate(
        {
            "features": {"mel_bins": BINS},
            "augmentation": {"speeds": [1.0]},
            "model": {"time_reduction": 1},
            "units": {"kind": "words"},
            "batching": {"utterances": 16},
        }
    )
    return open_stream(folder, build_units(TEXTS, UnitsConfig(kind="words")), config)


def _samples(count: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    import numpy as np

    from asr.shards.samples import pack_matrix

    generator = np.random.default_rng(1)
    noise = generator.normal(size=(1000, BINS)).astype(np.float16)
    for number in range(count):
        frames, start = int(generator.integers(4, 11)), int(generator.integers(900))
        fields = {
            "id": f"utt-{number}",
            "text": TEXTS[number % 4],
            "duration": frames / 100,
            "speaker": f"s{number % 97}",
        }
        yield f"utt-{number}", {"json": json.dumps(fields).encode(), "npy": pack_matrix(noise[start : start + frames])}


def _measure(phase: str, folder: str, count: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--child", phase, folder, str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peak, speed = json.loads(done.stdout.splitlines()[-1])
    return peak, speed


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--quick", action="store_true", help="10,000 and 50,000 utterances")
    parser.add_argument("--work", help="folder for the shards (3 GB for 10^6); the system's temporary one otherwise")
    parser.add_argument("--json")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
