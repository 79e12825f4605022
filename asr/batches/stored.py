"""Training input from the memory-mapped feature store.

Shapes: B utterances, T frames (longest of the batch), F features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

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
        utterances: the set; gone through once.
        store: their features, at every speed that training asks for.
        normaliser: applied to every utterance; a speaker at another speed is another speaker.

    Raises:
        FeatureError: an utterance is not in the store.
    """

    late = False

    def __init__(self, utterances: Iterable[Utterance], store: FeatureStore, normaliser: Normaliser) -> None:
        self.store, self.normaliser = store, normaliser
        by_speaker = normaliser.kind == "speaker"
        self._speakers: dict[str, int] = {"": 0}  # by the number in the store of an utterance, in `_speaking`
        self._speaking = np.zeros(len(store) if by_speaker else 0, np.uint32)
        missing: list[str] = []
        for utterance in utterances:
            number = store.index.number(utterance.id)
            if number is None:
                missing.append(utterance.id)
            elif by_speaker:
                self._speaking[number] = self._speakers.setdefault(utterance.speaker, len(self._speakers))
        self._names = list(self._speakers)
        if missing:
            raise FeatureError(missing[0], f"and {len(missing) - 1} more are not in the store", "run 'asr features'")

    def frames(self, name: str, speed: float) -> int:
        """Frames of an utterance at a speed.

        Raises:
            FeatureError: that speed was not stored.
        """
        stored = speed_id(name, speed)
        try:
            return self.store.frames(stored)
        except FeatureError:
            remedy = f"run 'asr features --speeds' with {speed:g}"
            raise FeatureError(stored, "is not in the store", remedy) from None

    def load(self, names: Sequence[str], speeds: Sequence[float], epoch: int | None) -> tuple[Tensor, Tensor]:
        """Normalised features (B, T, F) and frames (B,); the same in every epoch."""
        matrices = [self._load(name, speed) for name, speed in zip(names, speeds, strict=True)]
        lengths = torch.tensor([len(matrix) for matrix in matrices], dtype=torch.long)
        return torch.nn.utils.rnn.pad_sequence(matrices, batch_first=True), lengths

    def features(self, names: Sequence[str], loaded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What was loaded are the features."""
        return loaded, lengths

    def identity(self) -> str:
        """Changes with any feature of the store, of these utterances or not."""
        return hashlib.sha256(np.ascontiguousarray(self.store.index.checksums, dtype="<u4").tobytes()).hexdigest()

    def _load(self, name: str, speed: float) -> Tensor:
        matrix = torch.from_numpy(np.array(self.store[speed_id(name, speed)], dtype=np.float32))
        return self.normaliser(matrix, speed_id(self._speaker(name), speed))

    def _speaker(self, name: str) -> str:
        """Who speaks, where normalisation asks for it."""
        return self._names[self._speaking[self.store.number(name)]] if len(self._speaking) else ""
