"""How sure a word is: its share of the n-best list and the peaks of its units, calibrated on a development set.

The features of a word are two log-odds: x1 of its posterior, the share of the n-best list's probability mass whose
readings have the word at the same place, and x2 of the geometric mean of its units' highest probabilities, and x3 of
the lowest of them. Confidence is the logistic function of a weighted sum (Platt 1999), fitted to whether the words of a
development set were right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from asr.decoding.results.readings import Reading, Span, posteriors
from asr.errors import DecodingError
from asr.files import atomic_write

LIMIT = 12.0  # log-odds are clipped here: nothing is surer than 1 - 6e-6
SMALL_SHARE = 1e-6  # a rival below this changes no confidence
RIDGE = 1e-2  # keeps the weights finite when every word is right


@dataclass(frozen=True)
class ConfidenceModel:
    """Weights of the logistic function; the defaults, not fitted to anything, average posterior and peaks."""

    bias: float = 0.0
    posterior: float = 0.5
    mean_peak: float = 0.5
    lowest_peak: float = 0.0
    words: int = 0

    def confidence(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) features -> (n,) probabilities that the words are right."""
        weighted = self.bias + features @ np.array([self.posterior, self.mean_peak, self.lowest_peak])
        return 1.0 / (1.0 + np.exp(-weighted))

    def save(self, path: str | Path) -> None:
        """Write as JSON, to lie beside the model."""
        with atomic_write(path) as stream:
            json.dump(asdict(self), stream, indent=1)
            stream.write("\n")

    @staticmethod
    def load(path: str | Path) -> ConfidenceModel:
        """Read what `save` wrote.

        Raises:
            DecodingError: missing file, or not a calibration.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            model = ConfidenceModel(**values)
            if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in asdict(model).values()):
                raise ValueError("a weight is no finite number")
        except (OSError, ValueError, TypeError) as error:
            raise DecodingError(path, f"is not a confidence calibration ({error})", "fit it with 'asr tune'") from None
        return model


def word_features(words: Sequence[Span], rivals: Sequence[Reading], peaks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Features of each word of a reading.

    Args:
        words: n of them.
        rivals: the n-best list, the reading itself among them.
        peaks: (L,) highest log-probability of each unit of the reading.

    Returns:
        (n, 3).
    """
    spans = np.array([span for _, *span in words])
    borders = spans.ravel()  # reduceat from each word's first unit to its end, and from there to the next, left out
    own = np.append(peaks, 0.0)  # so that an end may be the end of all
    probabilities = np.empty((3, len(words)))
    probabilities[0] = word_posteriors([word for word, _, _ in words], rivals)
    probabilities[1] = np.exp(np.add.reduceat(own, borders)[::2] / (spans[:, 1] - spans[:, 0]))
    probabilities[2] = np.exp(np.minimum.reduceat(own, borders)[::2])
    return log_odds(probabilities).T


def word_posteriors(words: Sequence[str], rivals: Sequence[Reading]) -> NDArray[np.float64]:
    """Share of the n-best list's mass that has each word of a reading at the same place: (n,)."""
    text = " ".join(words)
    shares = np.zeros(len(words))
    for rival, share in zip(rivals, posteriors(rivals), strict=True):
        if rival.text == text:
            shares += share
        elif share > SMALL_SHARE:
            for block in Levenshtein.opcodes(words, rival.text.split()):
                if block.tag == "equal":
                    shares[block.src_start : block.src_end] += share
    return shares


def log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)), clipped to what a decoder can know."""
    bounded = np.clip(probabilities, 1e-12, 1.0 - 1e-12)
    return np.clip(np.log(bounded) - np.log1p(-bounded), -LIMIT, LIMIT)


def right_words(words: Sequence[str], reference: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each recognised word is right: (n,), by the alignment of fewest errors."""
    right = np.zeros(len(words), bool)
    for block in Levenshtein.opcodes(words, reference):
        if block.tag == "equal":
            right[block.src_start : block.src_end] = True
    return right


def fit_confidence(features: NDArray[np.float64], correct: NDArray[np.bool_]) -> ConfidenceModel:
    """Fit the calibration: ridge logistic regression by Newton's method.

    Args:
        features: (n, 3) of the words of a development set.
        correct: (n,) whether each was right.

    Raises:
        DecodingError: no words.
    """
    if not len(features):
        raise DecodingError("confidence", "has no words to be fitted on", "give a development set with words")
    inputs = np.concatenate([np.ones((len(features), 1)), features], axis=1)
    weights = np.zeros(4)
    for _ in range(50):
        probabilities = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30.0, 30.0)))
        gradient = inputs.T @ (probabilities - correct) + RIDGE * weights
        curvature = (inputs * (probabilities * (1.0 - probabilities))[:, None]).T @ inputs + RIDGE * np.eye(4)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    bias, posterior, mean_peak, lowest_peak = (float(weight) for weight in weights)
    return ConfidenceModel(bias, posterior, mean_peak, lowest_peak, len(features))
