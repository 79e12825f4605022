"""Training input from the memory-mapped feature store.

Shapes: B utterances, T frames (longest of the batch), F features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from asr.corpus.utterance import Utterance
from asr.errors import FeatureError
from asr.features.computing import speed_id
from asr.features.normalisation import Normaliser
from asr.features.store import FeatureStore


class StoredSource:
    """Normalised features of stored utterances.

    Args:
        utterances: the set.
        store: their features, at every speed that training asks for.
        normaliser: applied to every utterance; a speaker at another speed is another speaker.

    Raises:
        FeatureError: an utterance is not in the store.
    """

    late = False

    def __init__(self, utterances: Sequence[Utterance], store: FeatureStore, normaliser: Normaliser) -> None:
        self.store, self.normaliser = store, normaliser
        self.speakers = {utterance.id: utterance.speaker for utterance in utterances}
        missing = [name for name in self.speakers if name not in store]
        if missing:
            raise FeatureError(missing[0], f"and {len(missing) - 1} more are not in the store", "run 'asr features'")

    def frames(self, name: str, speed: float) -> int:
        """Frames of an utterance at a speed.

        Raises:
            FeatureError: that speed was not stored.
        """
        stored = speed_id(name, speed)
        if stored not in self.store:
            raise FeatureError(stored, "is not in the store", f"run 'asr features --speeds' with {speed:g}")
        return self.store.frames(stored)

    def load(self, names: Sequence[str], speeds: Sequence[float], epoch: int | None) -> tuple[Tensor, Tensor]:
        """Normalised features (B, T, F) and frames (B,); the same in every epoch."""
        matrices = [self._load(name, speed) for name, speed in zip(names, speeds, strict=True)]
        lengths = torch.tensor([len(matrix) for matrix in matrices], dtype=torch.long)
        return torch.nn.utils.rnn.pad_sequence(matrices, batch_first=True), lengths

    def features(self, names: Sequence[str], loaded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What was loaded are the features."""
        return loaded, lengths

    def _load(self, name: str, speed: float) -> Tensor:
        matrix = torch.from_numpy(np.array(self.store[speed_id(name, speed)], dtype=np.float32))
        return self.normaliser(matrix, speed_id(self.speakers[name], speed))
