"""A trained model ready to transcribe: audio -> features -> log-probabilities -> hypothesis -> transcript.

Shapes: N samples, T feature frames, T' output frames, F features, V units.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from asr.audio.reading import read_audio, resample
from asr.audio.stream import open_stream
from asr.batches.plan import Item, plan_in_order
from asr.config.sections import BatchingConfig
from asr.decoding.paths.greedy import GreedyDecoder
from asr.errors import AudioError, UsageError
from asr.features.filterbank import Filterbank
from asr.model.files import UNITS, ModelFiles, read_model_files
from asr.model.onnx_network import OnnxNetwork
from asr.transcribing.streams.long_recording import LongRecording
from asr.transcribing.streams.windows import Windowing
from asr.transcribing.transcript import Cutting, Transcript, transcript_of

if TYPE_CHECKING:
    from asr.decoding.decoder import Decoder
    from asr.decoding.from_files import DecoderRecipe
    from asr.decoding.knowledge.phrases import Phrases
    from asr.decoding.results.hypothesis import Hypothesis
    from asr.transcribing.streams.streaming import StreamOptions, TranscriptStream

LOGGER = logging.getLogger("asr")
SHOWN = 5  # phrases named in the report
BATCHING = BatchingConfig(seconds=160.0, utterances=16)


Network = Callable[[Sequence[np.ndarray]], list[np.ndarray]]  # normalised features (T, F) to log-probabilities (T', V)


class Recognizer:
    """Transcribes with one model.

    On the CPU the network runs in ONNX Runtime and nothing here imports torch. The log-probabilities of an utterance
    are the same within 1e-4 whatever it is batched with and with any number of threads.

    Args:
        trained: the model.
        decoder: turns log-probabilities into text; when None greedy, of phones a beam search with the model's lexicon.
        phrases: that the decoder boosts, to report which of them were heard.
        recipe: builds the same decoder in other processes; without one only this process decodes.
        network: computes the log-probabilities; ONNX Runtime when None.
    """

    def __init__(
        self,
        trained: ModelFiles,
        decoder: Decoder | None = None,
        phrases: Phrases | None = None,
        recipe: DecoderRecipe | None = None,
        network: Network | None = None,
    ) -> None:
        self.trained = trained
        self.phrases = phrases
        self.decoder: Decoder = decoder or _plain_decoder(trained)
        self.recipe = recipe
        self.network: Network = network or OnnxNetwork(trained)
        self.filterbank = Filterbank(trained.config.features)

    @classmethod
    def load(
        cls, directory: str | Path, device: str | None = None, *, threads: int = 0, int8: bool = False
    ) -> Recognizer:
        """Load a model directory; see `asr.load_model`."""
        files = read_model_files(directory)
        return cls(files, network=load_network(files, device, threads=threads, int8=int8))

    @property
    def sample_rate(self) -> int:
        """Rate of the samples that the model reads, Hz."""
        return self.trained.config.features.sample_rate

    def transcribe(
        self,
        audio: str | Path | np.ndarray | BinaryIO,
        *,
        sample_rate: int | None = None,
        channel: int | None = None,
        vad: bool = True,
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Transcribe one recording of any length.

        Args:
            audio: a file, a binary file object, or mono samples (N,), floats in -1..1 or 16-bit integers.
            sample_rate: of the samples; needed for an array whose rate is not the model's.
            channel: of a file, counted from 0; None mixes down.
            vad: leave out long silences of recordings longer than half a minute; they stand in `skipped`.
            progress: told the seconds of the recording that were read so far.

        Raises:
            AudioError: the file or array is not usable audio.
        """
        transcript = self.segments(
            audio, sample_rate=sample_rate, channel=channel, vad=vad, progress=progress
        ).transcript()
        return replace(transcript, hotwords=self._fired(transcript.text))

    def segments(
        self,
        audio: str | Path | np.ndarray | BinaryIO,
        *,
        sample_rate: int | None = None,
        channel: int | None = None,
        vad: bool = True,
        progress: Callable[[float], None] | None = None,
        cutting: Cutting | None = None,
    ) -> LongRecording:
        """Segments of one recording, one after the other, in memory that does not grow with it; see `transcribe`."""
        blocks: Iterable[np.ndarray]
        if isinstance(audio, np.ndarray) or not (isinstance(audio, (str, os.PathLike)) or hasattr(audio, "read")):
            blocks = [self.samples(np.asarray(audio), sample_rate=sample_rate)]
        else:
            mixed: Any = "mix" if channel is None else channel
            blocks = open_stream(audio, sample_rate=self.sample_rate, channel=mixed)
        return LongRecording(self, blocks, cutting or Cutting(), vad, progress=progress)

    def stream(self, options: StreamOptions | None = None) -> TranscriptStream:
        """A live transcript: `push` blocks of any size at the model's rate, then `finish`."""
        from asr.transcribing.streams.streaming import TranscriptStream

        return TranscriptStream(self, options)

    def report_phrases(self, texts: Sequence[str]) -> None:
        """Log which boosted phrases occur in transcripts, and how many never fired; silence would hide them."""
        if self.phrases is None:
            return
        fired = self.phrases.report(texts)
        heard = ", ".join(f"{phrase} ({count})" for phrase, count in fired.items() if count)
        LOGGER.info("hotwords in the transcripts: %s", heard or "none")
        silent = [phrase for phrase, count in fired.items() if not count]
        named = f" ({', '.join(silent[:SHOWN])}{', ...' if len(silent) > SHOWN else ''})" if silent else ""
        LOGGER.info("hotwords that did not occur: %d of %d%s", len(silent), len(fired), named)

    def transcribe_batch(self, waves: Sequence[np.ndarray]) -> list[Transcript]:
        """Transcribe several recordings (N,) at the model's rate, in their order; long ones in windows."""
        longest = Windowing().length * self.sample_rate
        short = iter(self.log_probs([wave for wave in waves if len(wave) <= longest]))
        return [
            self._transcript(self.decoder.decode(next(short))[0], len(wave) / self.sample_rate)
            if len(wave) <= longest
            else self.transcribe_blocks([wave])
            for wave in waves
        ]

    def transcribe_blocks(
        self, blocks: Iterable[np.ndarray], *, vad: bool = True, progress: Callable[[float], None] | None = None
    ) -> Transcript:
        """Transcribe one recording that comes in blocks (N,) at the model's rate; see `transcribe`."""
        transcript = LongRecording(self, blocks, vad=vad, progress=progress).transcript()
        return replace(transcript, hotwords=self._fired(transcript.text))

    def _transcript(self, hypothesis: Hypothesis, duration: float) -> Transcript:
        transcript = transcript_of(hypothesis, duration)
        return replace(transcript, hotwords=self._fired(transcript.text))

    def _fired(self, text: str) -> dict[str, int] | None:
        return None if self.phrases is None else self.phrases.report([text])

    def samples(
        self, audio: str | Path | np.ndarray, *, sample_rate: int | None = None, channel: int | None = None
    ) -> np.ndarray:
        """Mono float32 samples (N,) in -1..1 at the model's rate."""
        if isinstance(audio, (str, os.PathLike)):
            return read_audio(audio, sample_rate=self.sample_rate, channel=channel)
        samples = np.asarray(audio)
        if samples.ndim != 1:
            raise AudioError("array", f"has shape {samples.shape}", "pass mono samples of shape (N,)")
        if samples.dtype == np.int16:
            samples = samples.astype(np.float32) / 32768
        if not np.issubdtype(samples.dtype, np.floating):
            raise AudioError("array", f"holds {samples.dtype}", "pass floats in -1..1 or 16-bit integers")
        if not np.isfinite(samples).all():
            raise AudioError("array", "has samples that are not finite", "remove NaN and infinity")
        if sample_rate is not None and sample_rate <= 0:
            raise UsageError("sample_rate", f"{sample_rate} is not a rate", "give it in Hz")
        return resample(samples.astype(np.float32), sample_rate or self.sample_rate, self.sample_rate)

    def log_probs(self, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Log-probabilities (T', V) float32 of recordings (N,) at the model's rate, in their order."""
        return self.log_probs_of_features([self.filterbank(wave) for wave in waves])

    def log_probs_of_features(
        self, matrices: Sequence[np.ndarray], speakers: Sequence[str] | None = None
    ) -> list[np.ndarray]:
        """Log-probabilities (T', V) of utterances' raw features (T, F), in their order."""
        names = speakers or [""] * len(matrices)
        normalised = [self.trained.normaliser.matrix(one, name) for one, name in zip(matrices, names, strict=True)]
        return self.log_probs_of_normalised(normalised)

    def log_probs_of_normalised(self, matrices: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Log-probabilities (T', V) of utterances' normalised features (T, F), in batches of like length."""
        shift = self.trained.config.features.frame_shift_ms / 1000
        seconds = [len(matrix) * shift for matrix in matrices]
        batching = BATCHING.model_copy(update={"seconds": max([BATCHING.seconds, *seconds])})
        plan = plan_in_order([Item(str(row), length) for row, length in enumerate(seconds)], batching)
        results: dict[int, np.ndarray] = {}
        for batch in plan:
            rows = [int(name) for name in batch]
            results.update(zip(rows, self.network([matrices[row] for row in rows]), strict=True))
        return [results[row] for row in range(len(matrices))]


def load_network(files: ModelFiles, device: str | None = None, *, threads: int = 0, int8: bool = False) -> Network:
    """The network of a model: in ONNX Runtime on the CPU, in torch on a GPU.

    Args:
        files: the model directory.
        device: "cpu", "cuda" or "cuda:N"; None takes a GPU where there is one that torch can use.
        threads: CPU threads; 0 takes all cores.
        int8: take the quantised graph.

    Raises:
        UsageError: an unknown device, or a quantised graph on a GPU.
        ModelError: the directory lacks what is asked for.
    """
    if device in (None, "auto"):
        device = "cuda" if not int8 and gpu_is_there() else "cpu"
    if device == "cpu":
        return OnnxNetwork(files, int8=int8, threads=threads)
    try:
        from asr.model.torch_network import TorchNetwork
    except ImportError:
        raise UsageError("--device", f"{device} needs torch, which is not installed", "use --device cpu") from None
    if int8:
        raise UsageError("--int8", f"has no effect on {device}", "add --device cpu")
    return TorchNetwork(files.directory, device)


def gpu_is_there() -> bool:
    """Whether torch is installed and NVIDIA's driver counts a GPU; asked without importing torch."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    counted = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return counted and count.value > 0 and find_spec("torch") is not None


def _plain_decoder(trained: ModelFiles) -> Decoder:
    """Greedy; phones are no text, and become words by the model's lexicon."""
    if trained.units.kind != "phones":
        return GreedyDecoder(trained.units, trained.seconds_per_frame)
    from asr.decoding.from_files import DecoderRecipe

    return DecoderRecipe(trained.directory / UNITS, trained.seconds_per_frame)()
