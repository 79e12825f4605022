"""Is everything there that transcribing needs, and does it work? Each check is a line; what fails says what to do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asr.errors import AsrError

if TYPE_CHECKING:
    from asr.units import Units

NEEDED = ("numpy", "numba", "soundfile", "soxr", "rapidfuzz", "sentencepiece", "PyYAML", "pydantic", "typer", "rich")
FOR_TRAINING = ("torch", "torchaudio")
OPTIONAL = ("onnxruntime", "matplotlib", "librosa", "jinja2", "tensorboard")
FORMATS = ("WAV", "FLAC", "OGG", "MP3")
RATE = 16000


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        state: "ok"; "note", something is lacking that not everybody needs; "bad", transcribing will not work.
        found: what was found.
        remedy: what to do; "" where nothing needs to be done.
    """

    name: str
    state: str
    found: str
    remedy: str = ""

    def line(self) -> str:
        """The finding as a line."""
        return f"{self.state:4}  {self.name:16}  {self.found}" + (f"; {self.remedy}" if self.remedy else "")


def examine() -> Iterator[Check]:
    """All checks, each as soon as it is done; a check that breaks is a finding and stops no other."""
    for name, check in (
        ("program", _program), ("packages", _packages), ("torch", _torch), ("torchaudio", _torchaudio),
        ("onnxruntime", _onnxruntime), ("audio", _audio), ("ffmpeg", _ffmpeg), ("compiled code", _kernels),
        ("models", _models), ("self-test", _self_test),
    ):  # fmt: skip
        yield from _guarded(name, check)


def _guarded(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from check()
    except Exception as error:  # whatever it is: to find it is what this is for
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        yield Check(name, "bad", reason, "install the packages again: pip install --force-reinstall asr")


def _program() -> Iterator[Check]:
    import asr

    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield Check("asr", "ok", f"{asr.__version__} in {Path(asr.__file__).parent}")
    yield Check("python", "ok", f"{platform.python_version()} ({sys.executable}), {system}")


def _packages() -> Iterator[Check]:
    missing = [name for name in NEEDED if _version(name) is None]
    versions = ", ".join(f"{name} {_version(name)}" for name in NEEDED if name not in missing)
    yield Check("packages", "ok", versions)
    if missing:
        yield Check("packages", "bad", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    lacking = [name for name in OPTIONAL if _version(name) is None]
    if lacking:
        yield Check("packages", "note", f"not installed: {', '.join(lacking)}", "only some verbs need them")


def _torch() -> Iterator[Check]:
    if _version("torch") is None:
        yield Check("torch", "note", "is not installed", "training needs it: pip install torch")
        return
    try:
        import torch
    except Exception as error:  # a broken installation raises what it likes
        yield Check("torch", "bad", f"does not load ({_short(error)})", "pip install --force-reinstall torch")
        return
    devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found = f"{torch.__version__}, {torch.get_num_threads()} threads, GPUs: {', '.join(devices) or 'none'}"
    yield Check("torch", "ok", found)


def _torchaudio() -> Iterator[Check]:
    version = _version("torchaudio")
    if version is None:
        yield Check("torchaudio", "note", "is not installed", "only tests compare with it")
        return
    try:
        import torchaudio  # noqa: F401  (whether it loads is the question)
    except Exception as error:
        remedy = "install the release that belongs to your torch: pip install --upgrade torchaudio"
        yield Check("torchaudio", "note", f"{version} does not load with this torch ({_short(error)})", remedy)
        return
    yield Check("torchaudio", "ok", version)


def _onnxruntime() -> Iterator[Check]:
    version = _version("onnxruntime") or _version("onnxruntime-gpu")
    if version is None:
        yield Check("onnxruntime", "note", "is not installed", "transcribing without torch needs it")
        return
    import onnxruntime

    yield Check("onnxruntime", "ok", f"{version}, {', '.join(onnxruntime.get_available_providers())}")


def _audio() -> Iterator[Check]:
    import soundfile

    known = soundfile.available_formats()
    lacking = [name for name in FORMATS if name not in known]
    yield Check("libsndfile", "ok", f"{soundfile.__libsndfile_version__}, {len(known)} formats")
    if lacking:
        yield Check("libsndfile", "note", f"does not read {', '.join(lacking)}", "pip install --upgrade soundfile")


def _ffmpeg() -> Iterator[Check]:
    path = shutil.which("ffmpeg")
    if path is None:
        yield Check("ffmpeg", "note", "is not installed", "m4a, mp4, webm and amr need it")
    else:
        yield Check("ffmpeg", "ok", path)


def _kernels() -> Iterator[Check]:
    from asr.kernels.cache import folders
    from asr.kernels.compile import COMPILES

    if not COMPILES:
        yield Check("compiled code", "note", "NUMBA_DISABLE_JIT is set", "unset it: the plain search is slow")
        return
    kept = [place for place in folders() if _can_be_written(place)]
    if kept:
        yield Check("compiled code", "ok", f"kept in {kept[0]}")
    else:
        remedy = "set NUMBA_CACHE_DIR to a folder that can be written"
        named = " or ".join(map(str, folders()))
        yield Check("compiled code", "note", f"cannot be kept in {named}: compiled anew in every process", remedy)


def _can_be_written(place: Path) -> bool:
    nearest = next(folder for folder in (place, *place.parents) if folder.exists())
    return os.access(nearest, os.W_OK)


def _models() -> Iterator[Check]:
    from asr.transcribing.models import DEFAULT, installed, places

    there = installed()
    named = ", ".join(f"{model.name} ({model.directory})" for model in there)
    if not there:
        where = ", ".join(map(str, places()[:2]))
        yield Check("models", "note", f"none by name in {where}", "give --model DIR, or fetch one: asr models SOURCE")
    else:
        yield Check("models", "ok", named)
        if DEFAULT not in [model.name for model in there]:
            yield Check("models", "note", f"none is called {DEFAULT!r}", "--model is needed")


def _self_test() -> Iterator[Check]:
    """A second of sound through every stage but a trained network: read, measure, decode, place, write, score."""
    from asr.audio.reading import read_audio, write_audio
    from asr.decoding.paths.alignment import align_text
    from asr.decoding.paths.greedy import GreedyDecoder
    from asr.transcribing.transcript import transcript_of
    from asr.units import BLANK_SYMBOL, Units

    time = np.arange(RATE) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_audio(Path(folder) / "tone.flac", tone, RATE)
            back = read_audio(Path(folder) / "tone.flac", sample_rate=RATE)
            half = read_audio(Path(folder) / "tone.flac", sample_rate=RATE // 2)
        units = Units("characters", [BLANK_SYMBOL, " ", "o", "k"])
        heard = GreedyDecoder(units, 0.1).decode(spoken(units, "-oo-k-- ok"))[0]
        placed = align_text(spoken(units, "-oo-k-- ok"), "ok ok", units, 0.1).words
        subtitles = transcript_of(heard, 1.0).to_srt()
    except AsrError as error:
        yield Check("self-test", "bad", str(error), "install the packages again: pip install --force-reinstall asr")
        return
    stages = {
        "reading": np.abs(back - tone).max() < 1e-4,
        "resampling": abs(len(half) - RATE // 2) <= 1 and abs(float(np.abs(half).max()) - 0.3) < 0.02,
        "decoding": heard.text == "ok ok",
        "aligning": [(round(word.start, 3), round(word.end, 3)) for word in placed] == [(0.1, 0.5), (0.8, 1.0)],
        "writing": subtitles == "1\n00:00:00,100 --> 00:00:01,000\nok ok\n\n",
    }
    wrong = [name for name, right in stages.items() if not right]
    if wrong:
        remedy = "install the packages again, and report this"
        yield Check("self-test", "bad", f"wrong results: {', '.join(wrong)}", remedy)
    else:
        yield Check("self-test", "ok", f"{', '.join(stages)}: right")
    yield from _network()


def _network() -> Iterator[Check]:
    """A tiny network with random weights: the same log-probabilities alone and in a batch."""
    if _version("torch") is None:
        return
    import torch

    from asr.config.sections import ModelConfig
    from asr.model.acoustic import AcousticModel

    torch.manual_seed(0)
    model = AcousticModel(ModelConfig(channels=2, input_size=8, layers=1, hidden=8, time_reduction=2), 20, 4).eval()
    features = torch.randn(2, 60, 20)
    with torch.no_grad():
        together, lengths = model(features, torch.tensor([60, 40]))
        alone, _ = model(features[1:, :40], torch.tensor([40]))
    difference = float((together[1, : int(lengths[1])] - alone[0, : int(lengths[1])]).abs().max())
    good = difference < 1e-4
    remedy = "" if good else "install torch again"
    yield Check("network", "ok" if good else "bad", f"alone and in a batch differ by {difference:.1e}", remedy)


def spoken(units: Units, symbols: str) -> np.ndarray:
    """Log-probabilities (T, V) float32 that say these characters, "-" the blank, a frame each."""
    ids = [0 if symbol == "-" else units.ids[symbol] for symbol in symbols]
    probabilities = np.full((len(ids), len(units)), 0.1 / (len(units) - 1))
    probabilities[np.arange(len(ids)), ids] = 0.9
    return np.log(probabilities).astype(np.float32)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
