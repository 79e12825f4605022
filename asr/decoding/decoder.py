"""What every decoder offers, so that scoring, transcribing and tuning need not know which one they hold."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr.decoding.results.hypothesis import Hypothesis

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
