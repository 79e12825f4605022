"""Training input from audio: waves are read and changed where batches are loaded, features computed on the device.

Shapes: B utterances, N samples (longest of the batch), T frames (longest of the batch), F features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asr.config.sections import FeatureConfig
from asr.features.augmentation.perturbation import perturb_speed
from asr.features.augmentation.waves import WaveAugmenter
from asr.features.extractor import FeatureExtractor
from asr.features.filterbank import frame_count
from asr.features.normalisation import Normaliser
from asr.features.waves import Waves

LOOKED_AT, LOOKED_BYTES = 100, 1 << 16  # recordings, and bytes of each, by which a set's audio is known again


class AudioSource:
    """Normalised features of utterances whose audio is read on the fly.

    On a GPU the training process computes the features of a whole batch; on the CPU those that load do, in one thread,
    so that the bits depend neither on the number of threads nor on who computes.

    Args:
        waves: the set's audio.
        config: of the features.
        normaliser: applied to every utterance.
        augmenter: what training does to waves; None leaves them clean.
        device: where features are computed.
    """

    def __init__(
        self,
        waves: Waves,
        config: FeatureConfig,
        normaliser: Normaliser,
        augmenter: WaveAugmenter | None,
        device: torch.device,
    ) -> None:
        self.waves, self.config, self.normaliser, self.augmenter = waves, config, normaliser, augmenter
        self.device = device
        self.late = device.type != "cpu"
        self.extractor = FeatureExtractor(config).to(device)

    def frames(self, name: str, speed: float) -> int:
        """Frames of an utterance at a speed, from its duration.

        At another speed than the recorded one the resampler may end a sample earlier: the frame that would hang on it
        is not promised.
        """
        samples = self.waves.samples(name)
        return frame_count(samples if speed == 1.0 else int(samples / speed) - 1, self.config)

    def load(self, names: Sequence[str], speeds: Sequence[float], epoch: int | None) -> tuple[Tensor, Tensor]:
        """Waves (B, N) as an epoch hears them, and their samples (B,); an epoch of None hears them clean."""
        waves = [self._load(name, speed, epoch) for name, speed in zip(names, speeds, strict=True)]
        lengths = torch.tensor([len(wave) for wave in waves], dtype=torch.long)
        return torch.nn.utils.rnn.pad_sequence(waves, batch_first=True), lengths

    def features(self, names: Sequence[str], loaded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised features (B, T, F) on the device and frames (B,) of waves (B, N) with samples (B,)."""
        speakers = [self.waves.spans.speaker(name) for name in names]
        if self.late:
            features, frames = self.extractor(loaded.to(self.device, non_blocking=True), lengths)
            return self.normaliser.batch(features, frames, speakers), frames
        with one_thread():
            features, frames = self.extractor(loaded, lengths)
            return self.normaliser.batch(features, frames, speakers), frames

    def identity(self) -> str:
        """Changes with the beginning of one of a few recordings, spread over the set."""
        spans, digest = self.waves.spans, hashlib.sha256()
        for number in range(0, len(spans), max(1, len(spans) // LOOKED_AT)):
            audio = spans.audio(number)
            if "://" not in audio:
                with Path(audio).open("rb") as stream:
                    digest.update(stream.read(LOOKED_BYTES))
        return digest.hexdigest()

    def _load(self, name: str, speed: float, epoch: int | None) -> Tensor:
        wave = perturb_speed(self.waves[name], speed)
        if epoch is not None and self.augmenter is not None:
            wave = self.augmenter(wave, name, epoch)
        return torch.from_numpy(np.ascontiguousarray(wave))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread of this process, whatever it may use otherwise."""
    threads = torch.get_num_threads()
    if threads > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if threads > 1:
            torch.set_num_threads(threads)
