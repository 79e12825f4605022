"""A trained model ready to transcribe: audio -> features -> log-probabilities -> hypothesis -> transcript.

Shapes: B utterances, N samples, T feature frames, T' output frames, F features, V units.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from asr.audio.reading import read_audio, resample
from asr.batches.plan import Item, plan_in_order
from asr.config.sections import BatchingConfig
from asr.decoding.decoder import Decoder
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.paths.greedy import GreedyDecoder
from asr.decoding.results.hypothesis import Hypothesis
from asr.errors import AudioError, UsageError
from asr.features.extractor import FeatureExtractor
from asr.model.directory import TrainedModel, load_trained
from asr.transcribing.transcript import Transcript, transcript_of

if TYPE_CHECKING:
    from asr.decoding.from_files import DecoderRecipe

R = TypeVar("R")
LOGGER = logging.getLogger("asr")
SHOWN = 5  # phrases named in the report
BATCHING = BatchingConfig(seconds=160.0, utterances=16)


class Recognizer:
    """Transcribes with one model.

    The log-probabilities of an utterance are the same within 1e-5 whatever it is batched with; on the CPU the LSTM
    stack computes in float64 for that, at about two and a half times the processor time of float32.

    Args:
        trained: the model.
        decoder: turns log-probabilities into text; greedy when None.
        phrases: that the decoder boosts, to report which of them were heard.
        recipe: builds the same decoder in other processes; without one only this process decodes.
    """

    def __init__(
        self,
        trained: TrainedModel,
        decoder: Decoder | None = None,
        phrases: Phrases | None = None,
        recipe: DecoderRecipe | None = None,
    ) -> None:
        self.trained = trained
        self.phrases = phrases
        self.decoder: Decoder = decoder or GreedyDecoder(trained.units, trained.seconds_per_frame)
        self.recipe = recipe
        self.device = next(trained.model.parameters()).device
        if self.device.type == "cpu":
            trained.model.make_batch_invariant()
        self.extractor = FeatureExtractor(trained.config.features).to(self.device)

    @classmethod
    def load(cls, directory: str | Path, device: str | None = None) -> Recognizer:
        """Load a model directory; see `asr.load_model`."""
        return cls(load_trained(directory, device))

    @property
    def sample_rate(self) -> int:
        """Rate of the samples that the model reads, Hz."""
        return self.trained.config.features.sample_rate

    def transcribe(
        self, audio: str | Path | np.ndarray, *, sample_rate: int | None = None, channel: int | None = None
    ) -> Transcript:
        """Transcribe one recording.

        Args:
            audio: a file, or mono samples (N,), floats in -1..1 or 16-bit integers.
            sample_rate: of the samples; needed for an array whose rate is not the model's.
            channel: of a file, counted from 0; None mixes down.

        Raises:
            AudioError: the file or array is not usable audio.
        """
        return self.transcribe_batch([self.samples(audio, sample_rate=sample_rate, channel=channel)])[0]

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
        """Transcribe several recordings (N,) at the model's rate, in their order."""
        return [
            self._transcript(readings[0], len(wave) / self.sample_rate)
            for wave, readings in zip(waves, self._in_batches(waves, self._decode), strict=True)
        ]

    def _transcript(self, hypothesis: Hypothesis, duration: float) -> Transcript:
        transcript = transcript_of(hypothesis, duration)
        if self.phrases is None:
            return transcript
        return replace(transcript, hotwords=self.phrases.report([transcript.text]))

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
        return self._in_batches(waves, _on_host)

    def _in_batches(
        self, waves: Sequence[np.ndarray], work: Callable[[torch.Tensor, torch.Tensor], list[R]]
    ) -> list[R]:
        """Run the model over recordings and `work` over its log-probabilities (B, T', V) and their lengths (B,)."""
        seconds = [len(wave) / self.sample_rate for wave in waves]
        batching = BATCHING.model_copy(update={"seconds": max([BATCHING.seconds, *seconds])})
        plan = plan_in_order([Item(str(row), length) for row, length in enumerate(seconds)], batching)
        results: dict[int, R] = {}
        for batch in plan:
            rows = [int(name) for name in batch]
            results.update(zip(rows, work(*self._forward([waves[row] for row in rows])), strict=True))
        return [results[row] for row in range(len(waves))]

    @torch.inference_mode()
    def _forward(self, waves: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = torch.tensor([len(wave) for wave in waves])
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(wave) for wave in waves], batch_first=True)
        features, frames = self.extractor(padded.to(self.device), lengths.to(self.device))
        return self._outputs(features, frames)

    @torch.inference_mode()
    def log_probs_of_features(
        self, features: torch.Tensor, frames: torch.Tensor, speakers: Sequence[str] | None = None
    ) -> list[np.ndarray]:
        """Log-probabilities (T', V) of raw features (B, T, F) with frames (B,), one array an utterance."""
        return _on_host(*self._outputs(features, frames, speakers))

    def _outputs(
        self, features: torch.Tensor, frames: torch.Tensor, speakers: Sequence[str] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        normalised = self.trained.normaliser.batch(features, frames, speakers)
        outputs: tuple[torch.Tensor, torch.Tensor] = self.trained.model(
            normalised.to(self.device), frames.to(self.device)
        )
        return outputs

    def _decode(self, log_probs: torch.Tensor, lengths: torch.Tensor) -> list[list[Hypothesis]]:
        return [self.decoder.decode(rows) for rows in _on_host(log_probs, lengths)]


def _on_host(log_probs: torch.Tensor, lengths: torch.Tensor) -> list[np.ndarray]:
    """A batch (B, T', V) as one array (T', V) an utterance."""
    host = log_probs.cpu().numpy()
    return [host[row, :length] for row, length in enumerate(lengths.tolist())]
