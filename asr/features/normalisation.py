"""Cepstral mean and variance normalisation (CMVN): per utterance, per speaker or over the whole training set.

Over the speech of an utterance, which silence at its edges does not move, it is in `speech_normalisation`.

Training and transcribing normalise through the same `Normaliser`. Sums are float64, whatever the features are.

Shapes: B utterances, T frames, F features.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from asr.config.sections import FeatureConfig
from asr.errors import FeatureError
from asr.features.speech_normalisation import normalise_by_speech
from asr.files import atomic_write

if TYPE_CHECKING:
    import torch

GLOBAL, SPEAKERS = "global.npz", "speakers.npz"  # beside a feature store; the first also in a model directory
# Deviations below this are taken for this: log-mel features of digital silence do not vary at all, and what rounding
# leaves of them must not be blown up. Speech varies by 1 to 5.
SMALLEST_DEVIATION = 1e-3


@dataclass(frozen=True)
class CmvnStatistics:
    """What mean and variance need, and what can be added up over utterances.

    Attributes:
        count: number of frames.
        sum: (F,) float64.
        squares: (F,) float64, sum of squares.
    """

    count: int
    sum: np.ndarray
    squares: np.ndarray

    @classmethod
    def empty(cls, features: int) -> CmvnStatistics:
        """Statistics of no frames."""
        return cls(0, np.zeros(features), np.zeros(features))

    @classmethod
    def of(cls, matrix: np.ndarray) -> CmvnStatistics:
        """Statistics of one utterance's features (T, F)."""
        wide = matrix.astype(np.float64)
        return cls(len(wide), wide.sum(0), np.square(wide).sum(0))

    def __add__(self, other: CmvnStatistics) -> CmvnStatistics:
        return CmvnStatistics(self.count + other.count, self.sum + other.sum, self.squares + other.squares)

    @property
    def mean(self) -> np.ndarray:
        """(F,) float64; zero where there are no frames."""
        return self.sum / max(self.count, 1)

    @property
    def deviation(self) -> np.ndarray:
        """(F,) float64 standard deviation, never below SMALLEST_DEVIATION."""
        variance = self.squares / max(self.count, 1) - np.square(self.mean)
        return np.sqrt(np.maximum(variance, SMALLEST_DEVIATION**2))

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        """Normalised copy (T, F) float32 of features (T, F)."""
        scale = (1.0 / self.deviation).astype(np.float32)
        normalised: np.ndarray = (matrix.astype(np.float32) - self.mean.astype(np.float32)) * scale
        return normalised

    def save(self, path: str | Path) -> None:
        """Write as `.npz`."""
        save_statistics({"": self}, path)

    @classmethod
    def load(cls, path: str | Path) -> CmvnStatistics:
        """Read what `save` wrote.

        Raises:
            FeatureError: missing or broken file.
        """
        statistics = load_statistics(path)
        if list(statistics) != [""]:
            raise FeatureError(path, "holds statistics of speakers, not of a whole set", "name the global file")
        return statistics[""]


def normalise(matrix: np.ndarray, statistics: CmvnStatistics | None = None) -> np.ndarray:
    """Normalise one utterance.

    Args:
        matrix: (T, F) raw features.
        statistics: of the speaker or the training set; None takes the utterance's own.

    Returns:
        (T, F) float32.
    """
    return (statistics or CmvnStatistics.of(matrix)).apply(matrix)


def normalise_batch(
    features: torch.Tensor, frames: torch.Tensor, statistics: Sequence[CmvnStatistics | None] | None = None
) -> torch.Tensor:
    """Normalise a padded batch; an utterance comes out the same in any batch (bit-equal to `normalise` on CPU).

    Args:
        features: (B, T, F) raw.
        frames: (B,) int64.
        statistics: one an utterance; None (the list or an item) takes the utterance's own.

    Returns:
        (B, T, F) float32, zero beyond an utterance's frames.
    """
    import torch

    given = statistics or [None] * len(features)
    if features.device.type == "cpu":
        normalised = torch.zeros_like(features, dtype=torch.float32)
        for row, count in enumerate(frames.tolist()):
            normalised[row, :count] = torch.from_numpy(normalise(features[row, :count].numpy(), given[row]))
        return normalised
    return _normalise_masked(features, frames, given)


def _normalise_masked(
    features: torch.Tensor, frames: torch.Tensor, given: Sequence[CmvnStatistics | None]
) -> torch.Tensor:
    """The same as one computation over the batch, for devices where a launch costs more than the arithmetic."""
    import torch

    frames = frames.to(features.device)
    mask = (torch.arange(features.shape[1], device=features.device) < frames.unsqueeze(1)).unsqueeze(2)
    wide = features.double().masked_fill(~mask, 0.0)
    count = frames.clamp(min=1).view(-1, 1, 1)
    mean = wide.sum(1, keepdim=True) / count
    variance = wide.square().sum(1, keepdim=True) / count - mean.square()
    deviation = variance.clamp(min=SMALLEST_DEVIATION**2).sqrt()
    for row, known in enumerate(given):
        if known is not None:
            mean[row, 0] = torch.as_tensor(known.mean)
            deviation[row, 0] = torch.as_tensor(known.deviation)
    return ((wide - mean) / deviation).masked_fill(~mask, 0.0).float()


def _normalise_speech(features: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """`normalise_by_speech` of each utterance of a padded batch, on the host: the loud frames differ in number."""
    import torch

    host = features.float().cpu().numpy()
    normalised = np.zeros_like(host)
    for row, count in enumerate(frames.tolist()):
        normalised[row, :count] = normalise_by_speech(host[row, :count])
    return torch.from_numpy(normalised).to(features.device)


class Normaliser:
    """What a configuration's `features.normalisation` does, in training and in transcribing alike.

    Args:
        kind: "none", "utterance", "speech", "speaker" or "global".
        overall: of the training set; "global" needs it.
        speakers: by speaker; an utterance of a speaker who is not among them is normalised by itself.

    Raises:
        FeatureError: "global" without statistics.
    """

    def __init__(
        self,
        kind: Literal["none", "utterance", "speech", "speaker", "global"],
        overall: CmvnStatistics | None = None,
        speakers: Mapping[str, CmvnStatistics] | None = None,
    ) -> None:
        if kind == "global" and overall is None:
            raise FeatureError("features.normalisation", "global needs the training set's statistics", f"give {GLOBAL}")
        self.kind = kind
        self.overall = overall
        self.speakers = speakers or {}

    @classmethod
    def of_directory(cls, directory: str | Path, config: FeatureConfig) -> Normaliser:
        """With the statistics beside a feature store, or, for "global", in a model directory."""
        directory = Path(directory)
        overall = CmvnStatistics.load(directory / GLOBAL) if config.normalisation == "global" else None
        by_speaker = config.normalisation == "speaker" and (directory / SPEAKERS).exists()
        speakers = load_statistics(directory / SPEAKERS) if by_speaker else None
        return cls(config.normalisation, overall, speakers)

    def __call__(self, features: torch.Tensor, speaker: str = "") -> torch.Tensor:
        """Normalise one utterance's features (T, F); returns float32."""
        import torch

        frames = torch.tensor([features.shape[0]])
        return self.batch(features.unsqueeze(0), frames, [speaker])[0]

    def matrix(self, features: np.ndarray, speaker: str = "") -> np.ndarray:
        """Normalise one utterance's features (T, F) without torch; float32, equal to what `batch` gives on the CPU."""
        if self.kind == "none" or not len(features):
            return features.astype(np.float32)
        if self.kind == "speech":
            return normalise_by_speech(features.astype(np.float32))
        if self.kind == "global":
            return normalise(features, self.overall)
        return normalise(features, self.speakers.get(speaker) if self.kind == "speaker" else None)

    def batch(
        self, features: torch.Tensor, frames: torch.Tensor, speakers: Sequence[str] | None = None
    ) -> torch.Tensor:
        """Normalise a padded batch (B, T, F) with frames (B,); returns float32, zero beyond an utterance's frames."""
        if self.kind == "none":
            return features.float()
        if self.kind == "speech":
            return _normalise_speech(features, frames)
        if self.kind == "global":
            return normalise_batch(features, frames, [self.overall] * len(features))
        named = speakers if self.kind == "speaker" and speakers else [""] * len(features)
        return normalise_batch(features, frames, [self.speakers.get(name) for name in named])


def save_statistics(statistics: Mapping[str, CmvnStatistics], path: str | Path) -> None:
    """Write statistics by name (speakers) as `.npz`; the bytes depend on the content alone."""
    names = sorted(statistics)
    chosen = [statistics[name] for name in names]
    with atomic_write(path, "wb") as stream:
        np.savez(
            stream,
            names=np.array(names, dtype=np.str_),
            count=np.array([each.count for each in chosen], dtype=np.int64),
            sum=np.array([each.sum for each in chosen], dtype=np.float64),
            squares=np.array([each.squares for each in chosen], dtype=np.float64),
        )


def load_statistics(path: str | Path) -> dict[str, CmvnStatistics]:
    """Read statistics by name.

    Raises:
        FeatureError: missing or broken file.
    """
    remedy = "compute the features again with: asr features --force"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names, count, total, squares = (arrays[key] for key in ("names", "count", "sum", "squares"))
            rows = zip(names.tolist(), count.tolist(), total, squares, strict=True)
            return {name: CmvnStatistics(n, a, b) for name, n, a, b in rows}
    except FileNotFoundError:
        raise FeatureError(path, "there are no normalisation statistics", remedy) from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FeatureError(path, f"is not a file of normalisation statistics ({error})", remedy) from None
