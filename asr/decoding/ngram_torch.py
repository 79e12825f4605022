"""A back-off n-gram model as tensors: every prefix of every utterance of a batch asks it at once, on any device.

Legend: S states (contexts), A arcs (n-grams), V units. Column u < V of the model stands for unit u, column V for the
end of the utterance.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.lm.ngram import END_ID, NGramModel

MOST_CELLS = 1 << 23  # of a table of all states and units; 8 bytes a cell


class TensorNGram:
    """The automaton of `NGramModel` for one set of units.

    A model of few states, as over characters, becomes a table with a cell for each state and unit. In a larger one the
    arcs are found by binary search, and a missing one by going back to shorter contexts, at most `order` times.

    Args:
        lm: the language model.
        token_words: (V,) word of the language model for each unit, 0 for an unknown one.
        device: where the tensors lie.
        most_cells: largest table; 0 always searches.
    """

    def __init__(
        self, lm: NGramModel, token_words: NDArray[np.integer], device: torch.device, most_cells: int = MOST_CELLS
    ) -> None:
        def tensor(array: NDArray[np.generic], dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(np.array(array)).to(device, dtype)

        arrays = lm.arrays
        slots = arrays.slots[np.argsort(arrays.slots["key"])]  # empty ones have keys that nothing has
        self.order = lm.order
        self.start_state = lm.start_state
        self.vocabulary_size = arrays.vocabulary_size
        self.words = tensor(np.append(token_words, END_ID), torch.int64)
        self._keys = tensor(slots["key"], torch.int64)
        self._log_probs = tensor(np.append(arrays.unigrams["log_prob"], slots["log_prob"]), torch.float32)
        self._next_states = tensor(np.append(arrays.unigrams["next_state"], slots["next_state"]), torch.int64)
        self._backoffs = tensor(arrays.contexts["backoff"], torch.float32)
        self._backoff_states = tensor(arrays.contexts["backoff_state"], torch.int64)
        self._table: tuple[Tensor, Tensor] | None = None
        states = len(arrays.contexts)
        if states * len(self.words) <= most_cells:
            every = torch.arange(states, device=device)[:, None]
            log_probs, following = self._search(every, self.words[None, :])
            self._table = log_probs, following.int()

    def step(self, states: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Natural log P(column | state) and the next state; `states` and `columns`, int64, are broadcast."""
        if self._table is None:
            return self._search(states, self.words[columns])
        log_probs, following = self._table
        return log_probs[states, columns], following[states, columns].long()

    def _search(self, states: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        states, words = torch.broadcast_tensors(states, words)
        arcs = torch.full_like(states, -1)
        total = torch.zeros(states.shape, device=states.device)
        for _ in range(self.order):
            key = states * self.vocabulary_size + words
            place = torch.searchsorted(self._keys, key).clamp_(max=len(self._keys) - 1)
            found = torch.where(self._keys[place] == key, self.vocabulary_size + place, -1)
            arcs = torch.where(arcs >= 0, arcs, torch.where(states == 0, words, found))
            missing = arcs < 0
            total = torch.where(missing, total + self._backoffs[states], total)
            states = torch.where(missing, self._backoff_states[states], states)
        return total + self._log_probs[arcs], self._next_states[arcs]
