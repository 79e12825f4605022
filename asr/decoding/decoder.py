"""What every decoder offers, so that scoring, transcribing and tuning need not know which one they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asr.decoding.results.hypothesis import Hypothesis

if TYPE_CHECKING:
    from asr.decoding.results.readings import Reading  # brings numba, which greedy decoding does without

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


class Search(Protocol):
    """A prefix beam search as `BeamDecoder` runs it: compiled (`BeamSearch`) or not (`PlainSearch`).

    T: frames, V: units. What `save` gives is the search's own affair.
    """

    def best(self, log_probs: FloatArray) -> Reading:
        """The best reading of a whole utterance (T, V)."""
        ...

    def begin(self) -> None:
        """Forget what this thread searched before, and start an utterance."""
        ...

    def run(self, log_probs: FloatArray, frames_before: int = 0) -> None:
        """Go on through a block (T, V)."""
        ...

    def save(self) -> Any:
        """Put the search aside."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Go on with a search that was put aside."""
        ...

    def readings(self, log_probs: FloatArray, texts: int, rivals: int = 0) -> list[Reading]:
        """The best readings if the utterance (T, V) ends here, best first; at least one."""
        ...

    def stable_tokens(self, snapshot: Any) -> list[int]:
        """Units that every reading begins with, whatever comes."""
        ...
