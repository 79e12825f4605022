"""What every decoder offers, so that scoring, transcribing and tuning need not know which one they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from asr.decoding.hypothesis import Hypothesis

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = NDArray[np.floating]


class Decoder(Protocol):
    """Turns the log-probabilities of one utterance into its readings."""

    def decode(self, log_probs: FloatArray) -> list[Hypothesis]:
        """Readings of one utterance, best first.

        Args:
            log_probs: (T, V) natural-log probabilities; every row sums to 1 in the linear domain.

        Raises:
            DecodingError: wrong shape, NaN, or rows that are not normalised.
        """
        ...


@runtime_checkable
class BatchDecoder(Decoder, Protocol):
    """A decoder that takes a whole batch where the model left it, on the CPU or a GPU."""

    def decode_batch(self, log_probs: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
        """Readings of each utterance, best first.

        Args:
            log_probs: (B, T, V) natural-log probabilities on any device; rows beyond a length may hold anything.
            lengths: (B,) frames.

        Raises:
            DecodingError: as `decode`.
        """
        ...
