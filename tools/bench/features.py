"""Time and memory of log-mel filterbanks: ours beside torchaudio, librosa and, where installed, kaldi-native-fbank.

    python tools/bench/features.py [--audio FOLDER] [--quick] [--json FILE]

All systems compute 80 filters at 25/10 ms and 16 kHz from the same waves in memory, on one thread, in one process, in
turns; the figure is the median over rounds. Memory is what a fork of the process takes at its peak above its start.
Rows: {"case", "system", "metric", "value", "unit"}; the systems are named as on PyPI, and ours is `ours`.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from asr.config.sections import FeatureConfig
from asr.features.extractor import FeatureExtractor

RATE = 16000
CONFIG = FeatureConfig(sample_rate=RATE)
BATCH = 32
Waves = list[np.ndarray]
System = Callable[[Waves], Any]


def main() -> None:
    """Measure and print one row a figure."""
    parser = argparse.ArgumentParser(description="Log-mel filterbanks: time and memory beside peers.")
    parser.add_argument("--audio", type=Path, help="folder of recordings; without it, synthetic ones")
    parser.add_argument("--quick", action="store_true", help="less audio, fewer rounds")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    waves = recordings(options.audio, 32 if options.quick else 256)
    minutes = 1 if options.quick else 10
    long = np.resize(np.concatenate(waves), minutes * 60 * RATE)
    rows = measure(f"{len(waves)} utterances", waves, 3 if options.quick else 9)
    rows += measure(f"one recording of {minutes} min", [long], 3 if options.quick else 9)
    for row in rows:
        print(f"{row['case']:34} {row['system']:20} {row['metric']:18} {row['value']:12.6g} {row['unit']}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def recordings(folder: Path | None, count: int) -> Waves:
    """Waves of at most `count` files, or as many made-up ones of 1 to 6 s."""
    if folder is not None:
        from asr.audio.reading import read_audio

        files = sorted(path for path in folder.rglob("*") if path.suffix in {".wav", ".flac", ".opus"})
        return [read_audio(path, sample_rate=RATE) for path in files[:: max(1, len(files) // count)][:count]]
    random = np.random.default_rng(0)
    lengths = random.integers(RATE, 6 * RATE, count)
    return [(0.05 * random.standard_normal(length)).astype(np.float32) for length in lengths]


def measure(case: str, waves: Waves, rounds: int) -> list[dict[str, Any]]:
    """Rows of every system on one case."""
    seconds = sum(map(len, waves)) / RATE
    systems = {"ours": ours, "ours, one at a time": ours_alone, "torchaudio": by_torchaudio, "librosa": by_librosa}
    if importlib.util.find_spec("kaldi_native_fbank"):
        systems["kaldi-native-fbank"] = by_kaldi_native_fbank
    if len(waves) == 1:
        del systems["ours, one at a time"]
    times: dict[str, list[float]] = {name: [] for name in systems}
    for system in systems.values():
        system(waves[:1])
    for _ in range(rounds):
        for name, system in systems.items():
            begun = time.perf_counter()
            system(waves)
            times[name].append(time.perf_counter() - begun)
    rows = []
    for name, system in systems.items():
        figures = [("real_time_factor", statistics.median(times[name]) / seconds, "s/s")]
        figures.append(("peak_mb", peak_mb(system, waves), "MB"))
        system_name, _, manner = name.partition(", ")
        where = f"{case}, {manner}" if manner else case
        rows += [
            {"case": where, "system": system_name, "metric": metric, "value": value, "unit": unit}
            for metric, value, unit in figures
        ]
    return rows


def peak_mb(system: System, waves: Waves) -> float:
    """Resident memory at its peak, above the start, of one run in a fork (Linux; NaN elsewhere)."""
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    gc.collect()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # 5 resets the high-water mark
        start = resident("VmRSS")
        system(waves)
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


EXTRACTOR = FeatureExtractor(CONFIG)


def ours(waves: Waves) -> None:
    """Batches of 32 in the order given, padded."""
    for at in range(0, len(waves), BATCH):
        tensors = [torch.from_numpy(wave) for wave in waves[at : at + BATCH]]
        lengths = torch.tensor([len(wave) for wave in tensors])
        EXTRACTOR(torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True), lengths)


def ours_alone(waves: Waves) -> None:
    """One utterance a call."""
    for wave in waves:
        EXTRACTOR.single(torch.from_numpy(wave))


def by_torchaudio(waves: Waves) -> None:
    """torchaudio.compliance.kaldi, which takes one utterance a call."""
    from torchaudio.compliance import kaldi

    for wave in waves:
        kaldi.fbank(torch.from_numpy(wave)[None] * 32768, num_mel_bins=80, sample_frequency=RATE)


def by_librosa(waves: Waves) -> None:
    """A mel spectrogram of the same sizes; no offset removal and no pre-emphasis, and Slaney's filters."""
    import librosa

    for wave in waves:
        mel = librosa.feature.melspectrogram(
            y=wave, sr=RATE, n_fft=512, win_length=400, hop_length=160, n_mels=80, center=False
        )
        np.log(np.maximum(mel, 1e-10))


def by_kaldi_native_fbank(waves: Waves) -> None:
    """Kaldi's own C++ code in a wheel."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = RATE
    options.mel_opts.num_bins = 80
    for wave in waves:
        fbank = knf.OnlineFbank(options)
        fbank.accept_waveform(RATE, (wave * 32768).tolist())
        fbank.input_finished()
        np.stack([fbank.get_frame(t) for t in range(fbank.num_frames_ready)])


if __name__ == "__main__":
    main()
