"""Audio files with changed bytes: each is read, or refused with an AudioError; none hangs or takes memory without end.

    python tools/fuzz_audio.py --count 20000

Small recordings of every container that libsndfile writes, also joined ones and ones with tags, are cut, lengthened,
and have bytes and 32-bit fields of their headers changed. A file that takes longer than `--seconds`, or a process that
grows by more than `--megabytes`, is a fault like any exception but AudioError; the file is kept in `--keep`.
"""

from __future__ import annotations

import argparse
import io
import logging
import resource
import signal
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import soundfile

from asr.audio.stream import open_stream
from asr.errors import AudioError

RATE = 8000
KINDS: dict[str, dict[str, str]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "wav24": {"format": "WAVEX", "subtype": "PCM_24"},
    "adpcm": {"format": "WAV", "subtype": "IMA_ADPCM"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    "aiff": {"format": "AIFF", "subtype": "PCM_16"},
    "au": {"format": "AU", "subtype": "PCM_16"},
    "caf": {"format": "CAF", "subtype": "PCM_16"},
    "w64": {"format": "W64", "subtype": "PCM_16"},
    "rf64": {"format": "RF64", "subtype": "PCM_16"},
    "sph": {"format": "NIST", "subtype": "PCM_16"},
}
FIELDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFF000)  # that sizes are overwritten with
HEADER = 200  # bytes from the beginning in which most changes are made
LONGEST = 3600.0  # seconds read of a file, far more than any of these holds


class TooSlow(Exception):
    """A file took longer than it may."""


def whole_files(seed: int) -> dict[str, bytes]:
    """A whole file of every kind, joined ones and ones with tags among them."""
    samples = 0.1 * np.random.default_rng(seed).standard_normal((RATE // 2, 2))
    files = {}
    for name, kind in KINDS.items():
        stream = io.BytesIO()
        soundfile.write(stream, samples, RATE, **kind)
        files[name] = stream.getvalue()
    for name in ("wav", "flac", "ogg", "mp3"):
        files[f"joined {name}"] = files[name] + files[name]
    tag = b"ID3\x03\0\0\0\0\x02\x00" + bytes(256)
    return {**files, "tagged mp3": tag + files["mp3"] + b"TAG" + bytes(125), "tagged flac": tag + files["flac"]}


def mutants(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Changed files: what each is made of, and its bytes; the same for the same seed."""
    files = list(whole_files(seed).items())
    draw = np.random.default_rng([seed, 1])
    for number in range(count):
        name, data = files[number % len(files)]
        yield name, mutated(bytearray(data), draw)


def mutated(data: bytearray, draw: np.random.Generator) -> bytes:
    """One to four changes: a cut, more bytes, a 32-bit field, a few random bytes, a piece moved."""
    for _ in range(int(draw.integers(1, 5))):
        place = int(draw.integers(0, min(HEADER, len(data)) if draw.random() < 0.7 else len(data)))
        change = draw.integers(0, 6)
        if change == 0:
            del data[max(4, place) :]
        elif change == 1:
            data += draw.bytes(int(draw.integers(1, 2000)))
        elif change == 2:
            data[place : place + 4] = struct.pack(draw.choice(["<I", ">I"]), FIELDS[draw.integers(len(FIELDS))])
        elif change == 3:
            data[place : place + 1] = draw.bytes(1)
        elif change == 4:
            data[place : place + 4] = draw.bytes(4)
        else:
            piece = data[place : place + int(draw.integers(1, 300))]
            other = int(draw.integers(0, len(data)))
            data[other:other] = piece
        if len(data) < 5:
            break
    return bytes(data)


def outcome(path: Path) -> str:
    """Read a file as blocks: "read", "empty" or "refused".

    Raises:
        Exception: whatever comes that is no AudioError, and an AssertionError for samples that must not be.
    """
    total = 0
    try:
        with open_stream(path, sample_rate=RATE, max_seconds=LONGEST) as stream:
            for block in stream:
                if not np.isfinite(block).all() or np.abs(block).max() > 1 or block.ndim != 1:
                    raise AssertionError("samples outside -1..1")
                total += len(block)
    except AudioError:
        return "refused"
    return "read" if total else "empty"


def fuzz(seed: int, count: int, seconds: float, keep: Path) -> tuple[Counter[str], list[str]]:
    """Read so many changed files; returns how often what came of them, and the faults, whose files are kept."""
    counts: Counter[str] = Counter()
    faults: list[str] = []

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "audio"
            for number, (name, data) in enumerate(mutants(seed, count)):
                path.write_bytes(data)
                signal.setitimer(signal.ITIMER_REAL, seconds)
                try:
                    counts[outcome(path)] += 1
                except Exception as error:
                    counts["fault"] += 1
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{seed}-{number}").write_bytes(data)
                    faults.append(f"{seed}-{number} ({name}): {type(error).__name__}: {error}")
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    return counts, faults


def main() -> int:
    """Fuzz, and exit with 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0, help="a file may take")
    parser.add_argument("--megabytes", type=int, default=200, help="the process may grow by")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # a warning a file
    fuzz(options.seed, 100, options.seconds, options.keep)  # what is loaded at first use
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts, faults = fuzz(options.seed, options.count, options.seconds, options.keep)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) // (
        1024 if sys.platform != "darwin" else 1 << 20
    )
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{counts.total()} files: {dict(sorted(counts.items()))}; memory grew by {grown} MB")
    return 1 if faults or grown > options.megabytes else 0


if __name__ == "__main__":
    sys.exit(main())
