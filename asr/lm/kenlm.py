"""Scoring with KenLM's own library, for models that are too large for the built-in automaton (optional extra)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import DecodingError, MissingExtraError


class KenlmModel:
    """A KenLM binary or ARPA file, queried through the `kenlm` module of `ufal-kenlm`.

    Raises:
        MissingExtraError: the package is not installed.
        DecodingError: the file cannot be read as a model.
    """

    def __init__(self, path: str | Path) -> None:
        library = _library()
        if not Path(path).is_file():
            raise DecodingError(path, "does not exist", "give a KenLM binary or an ARPA file")
        try:
            self._model = library.Model(str(path))
        except (OSError, RuntimeError) as error:
            reason = f"KenLM cannot read it ({' '.join(str(error).split())})"
            raise DecodingError(path, reason, "build it with KenLM's build_binary") from None

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return int(self._model.order)

    def word_scores(self, sentence: Sequence[str], bos: bool = True, eos: bool = True) -> np.ndarray:
        """Natural log-probability of each word, and of the end of the sentence if `eos`: (n,) or (n + 1,)."""
        scores = [score[0] for score in self._model.full_scores(" ".join(sentence), bos=bos, eos=eos)]
        return np.asarray(scores) * math.log(10.0)

    def unknown(self, sentence: Sequence[str]) -> np.ndarray:
        """Whether each word is outside the vocabulary: (n,) bool."""
        return np.asarray([word not in self._model for word in sentence], bool)

    def score(self, sentence: Sequence[str], bos: bool = True, eos: bool = True) -> float:
        """Natural log-probability of a sentence."""
        return float(self.word_scores(sentence, bos, eos).sum())


def _library() -> Any:
    try:
        import kenlm
    except ImportError:
        raise MissingExtraError("ufal-kenlm", "kenlm") from None
    return kenlm
