"""A trained network at work in torch: on a GPU, and as the reference that an exported graph is compared with.

Shapes: T frames, F features, T' output frames, V units.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from asr.model.directory import load_trained


class TorchNetwork:
    """Normalised features to log-probabilities on any device.

    Args:
        directory: model directory.
        device: see `choose_device`.
        exact: compute the LSTM stack in float64, so that the batch size cannot be seen in the result.
    """

    def __init__(self, directory: str | Path, device: str | None = None, *, exact: bool = False) -> None:
        self._model = load_trained(directory, device).model
        if exact:
            self._model.make_batch_invariant()
        self._device = next(self._model.parameters()).device

    @torch.inference_mode()
    def __call__(self, matrices: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Log-probabilities (T', V) float32 of each utterance's normalised features (T, F)."""
        rows = [torch.from_numpy(np.ascontiguousarray(matrix)) for matrix in matrices]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self._device)
        log_probs, lengths = self._model(padded, torch.tensor([len(row) for row in rows], device=self._device))
        host = log_probs.cpu().numpy()
        return [host[row, :length] for row, length in enumerate(lengths.tolist())]
