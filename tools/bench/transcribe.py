"""Transcribing one recording: seconds to the text, processor time, peak memory and WER, ours beside peers.

    python tools/bench/transcribe.py AUDIO --model MODEL [--text FILE] [--peers PYTHON] [--rounds N] [--json FILE]

Every run is a process of its own that starts, loads its model, transcribes on one thread and ends, the systems in
turns; figures are medians over rounds. PYTHON is an interpreter with sherpa-onnx, onnx-asr, pocketsphinx or
faster-whisper; those that it lacks are left out, and the first two run our own export, which must lie in MODEL.
Rows: {"case", "system", "metric", "value", "unit"}; the systems are named as on PyPI, and ours begin with `ours`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OURS = """
import sys
from asr.transcribing.choosing import DecoderChoice, load_recognizer
audio, model, kind = sys.argv[1:]
recognizer = load_recognizer(
    model, DecoderChoice(beam=8 if kind == "beam" else 0), device="cpu", threads=1, int8=kind == "int8"
)
if kind == "torch":
    import torch
    from asr.model.torch_network import TorchNetwork
    torch.set_num_threads(1)
    recognizer.network = TorchNetwork(model, "cpu")
print(recognizer.transcribe(audio).text)
"""
SHERPA = """
import sys, soundfile, sherpa_onnx
audio, model, _ = sys.argv[1:]
made = sherpa_onnx.OfflineRecognizer.from_nemo_ctc(
    model=model + "/model.onnx", tokens=model + "/tokens.txt", num_threads=1
)
samples, rate = soundfile.read(audio, dtype="float32")
stream = made.create_stream()
stream.accept_waveform(rate, samples)
made.decode_stream(stream)
print(stream.result.text)
"""
ONNX_ASR = """
import sys, onnx_asr
audio, model, _ = sys.argv[1:]
print(onnx_asr.load_model("nemo-conformer-ctc", model).recognize(audio))
"""
POCKETSPHINX = """
import sys, soundfile, pocketsphinx
samples, rate = soundfile.read(sys.argv[1], dtype="int16")
decoder = pocketsphinx.Decoder(samprate=rate)
decoder.start_utt()
decoder.process_raw(samples.tobytes(), full_utt=True)
decoder.end_utt()
print(decoder.hyp().hypstr if decoder.hyp() else "")
"""
WHISPER = """
import sys, faster_whisper
made = faster_whisper.WhisperModel("base.en", device="cpu", compute_type="int8", cpu_threads=1)
print(" ".join(segment.text for segment in made.transcribe(sys.argv[1], beam_size=1)[0]))
"""
PEERS = {
    "sherpa-onnx": ("sherpa_onnx", SHERPA),
    "onnx-asr": ("onnx_asr", ONNX_ASR),
    "pocketsphinx": ("pocketsphinx", POCKETSPHINX),
    "faster-whisper": ("faster_whisper", WHISPER),
}
OUR_KINDS = {"ours float32": "float32", "ours int8": "int8", "ours torch": "torch", "ours float32, beam 8": "beam"}


def main() -> None:
    """Measure and print one row a figure."""
    parser = argparse.ArgumentParser(description="Transcribing one recording: time, memory and WER beside peers.")
    parser.add_argument("audio", type=Path, help="16-bit mono recording at the model's rate")
    parser.add_argument("--model", type=Path, required=True, help="model folder with its exported graphs")
    parser.add_argument("--text", type=Path, help="what was said, for the WER")
    parser.add_argument("--peers", help="Python interpreter with the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    commands = {name: [sys.executable, "-c", OURS, kind] for name, kind in OUR_KINDS.items()}
    for name, (package, code) in PEERS.items() if options.peers else ():
        if subprocess.run([options.peers, "-c", f"import {package}"], capture_output=True, check=False).returncode == 0:
            commands[name] = [options.peers, "-c", code, ""]
    rows = measure(commands, options.audio, options.model, options.text, options.rounds)
    for row in rows:
        print(f"{row['case']:24} {row['system']:24} {row['metric']:18} {row['value']:12.6g} {row['unit']}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measure(
    commands: dict[str, list[str]], audio: Path, model: Path, text: Path | None, rounds: int
) -> list[dict[str, Any]]:
    """Rows of all systems that work; one that fails is named on stderr."""
    figures: dict[str, list[tuple[float, float, float]]] = {}
    said: dict[str, str] = {}
    for _ in range(rounds):
        for name, (python, flag, code, kind) in commands.items():
            seconds, processor, megabytes, output = run([python, flag, code, str(audio), str(model), kind])
            if output is None:
                print(f"{name} failed", file=sys.stderr)
                continue
            figures.setdefault(name, []).append((seconds, processor, megabytes))
            said[name] = output
    rows = []
    for name, values in figures.items():
        for index, (metric, unit) in enumerate((("time", "s"), ("processor time", "s"), ("peak memory", "MB"))):
            value = statistics.median(value[index] for value in values)
            rows.append({"case": audio.name, "system": name, "metric": metric, "value": value, "unit": unit})
        if text is not None:
            from asr.scoring.rates.wer import score

            rate = score(text.read_text(encoding="utf-8").strip().lower(), said[name].lower()).wer
            rows.append({"case": audio.name, "system": name, "metric": "WER", "value": rate, "unit": ""})
    return rows


def run(command: list[str]) -> tuple[float, float, float, str | None]:
    """Wall and processor seconds, peak MB and output of a process; no output where it failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    began = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output if not process.returncode else None


if __name__ == "__main__":
    main()
