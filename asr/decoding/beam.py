"""Prefix beam search with language model, lexicon and phrases: the decoder that programs use. T: frames, V: units."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.tables import Weights, build_knowledge
from asr.decoding.paths.alignment import place_tokens
from asr.decoding.results.confidence import ConfidenceModel, word_features
from asr.decoding.results.hypothesis import Hypothesis, Word
from asr.decoding.results.readings import Reading, Span, distinct
from asr.decoding.results.times import split_words
from asr.decoding.search.session import BeamSearch
from asr.decoding.search.state import Settings
from asr.errors import DecodingError
from asr.lm.ngram import NGramModel
from asr.lm.text import lm_symbols
from asr.pronunciation.lexicon import Lexicon
from asr.units import Units

READINGS_FOR_CONFIDENCE = 16
SMALLEST_DISCOUNT = 1e-40  # of no importance beside any score that a beam may hold, yet not 0


@dataclass(frozen=True)
class BeamOptions:
    """How wide the search is and what it returns.

    Attributes:
        beam: number of prefixes kept after each frame.
        token_threshold: natural-log probability under which a unit is not tried in a frame.
        beam_threshold: natural-log score below the best at which a prefix is dropped.
        nbest: number of hypotheses, all with different texts.
        words: whether hypotheses carry words with times and confidence; without them decoding is quicker.
    """

    beam: int = 32
    token_threshold: float = -8.0
    beam_threshold: float = 15.0
    nbest: int = 1
    words: bool = True

    def __post_init__(self) -> None:
        for name, good, remedy in (
            ("beam", 1 <= self.beam <= 100_000, "give a number of prefixes from 1 to 100000"),
            ("token_threshold", self.token_threshold <= 0.0, "give a log-probability, for example -8"),
            ("beam_threshold", self.beam_threshold > 0.0, "give a log-score above 0, for example 15"),
            ("nbest", self.nbest >= 1, "give a number of at least 1"),
        ):
            if not good:
                raise DecodingError(name, f"{getattr(self, name)} is out of range", remedy)

    def settings(self) -> Settings:
        """The pruning settings of the search, the same whatever is returned of what it finds."""
        ratio = math.exp(-self.beam_threshold)
        return Settings(int(self.beam), float(self.token_threshold), ratio, max(ratio, SMALLEST_DISCOUNT))


@dataclass(frozen=True)
class BeamState:
    """An utterance decoded so far: a value, so that many can be in flight and any can be gone back to.

    Attributes:
        snapshot: the search.
        blocks: the log-probabilities so far, for times and confidence.
    """

    snapshot: Any
    blocks: tuple[NDArray[np.floating], ...] = ()

    @property
    def frames(self) -> int:
        """Number of frames so far."""
        return sum(len(block) for block in self.blocks)


class BeamDecoder:
    """CTC prefix beam search (Graves & Jaitly 2014; Hannun et al. 2014) with shallow fusion.

    A decoder may be used by several threads, and be sent to other processes.

    Args:
        units: the acoustic model's units.
        seconds_per_frame: of its output.
        options: pruning and what is returned.
        weights: of language model, words and unknown words.
        lm: a language model over words (`lm.unit == "words"`) or over units.
        lexicon: confines the search to its words.
        phrases: phrases to boost.
        confidence: fitted calibration; without it confidences are uncalibrated.

    Raises:
        DecodingError: the language model, lexicon or phrases do not fit the units.
    """

    def __init__(
        self,
        units: Units,
        seconds_per_frame: float,
        *,
        options: BeamOptions | None = None,
        weights: Weights | None = None,
        lm: NGramModel | None = None,
        lexicon: Lexicon | None = None,
        phrases: Phrases | None = None,
        confidence: ConfidenceModel | None = None,
    ) -> None:
        self.units = units
        self.seconds_per_frame = seconds_per_frame
        self.options = options or BeamOptions()
        self.lm = lm
        self.phrases = phrases
        self.weights = weights or Weights()
        self.confidence = confidence or ConfidenceModel()
        self._known = build_knowledge(units, self.weights, lm, lexicon, phrases)
        self._search = BeamSearch(units, self.options.settings(), self._known)

    def changed(self, *, options: BeamOptions | None = None, weights: Weights | None = None) -> BeamDecoder:
        """A decoder with other options or weights that shares this one's language model, lexicon and phrases."""
        other = copy.copy(self)
        other.options, other.weights = options or self.options, weights or self.weights
        if weights is not None:
            other._known = self._known.weighed(weights)
        other._search = BeamSearch(self.units, other.options.settings(), other._known)
        return other

    def decode(self, log_probs: NDArray[np.floating]) -> list[Hypothesis]:
        """Decode a whole utterance.

        Args:
            log_probs: (T, V) natural-log probabilities.

        Returns:
            `options.nbest` hypotheses or fewer, best first, at least one.

        Raises:
            DecodingError: wrong shape, NaN, rows that are not normalised, or no possible reading.
        """
        self._search.begin()
        self._search.run(log_probs)
        return self._hypotheses(log_probs)

    def start(self) -> BeamState:
        """The state before the first frame."""
        self._search.begin()
        return BeamState(self._search.save())

    def advance(self, state: BeamState, log_probs: NDArray[np.floating]) -> BeamState:
        """The state after a further block (T, V); `state` itself stays valid.

        Raises:
            DecodingError: as `decode`.
        """
        self._search.restore(state.snapshot)
        self._search.run(log_probs, state.frames)
        return BeamState(self._search.save(), (*state.blocks, log_probs))

    def stable_prefix(self, state: BeamState) -> str:
        """The words that no further audio will change."""
        if self._known.words:
            return ""  # of pronunciations: only at the end is it known which words they are
        tokens = self._search.stable_tokens(state.snapshot)
        words = split_words(tokens, self.units)
        open_word = bool(words) and words[-1][2] == len(tokens)  # the last word may still go on
        return " ".join(word for word, _, _ in words[: -1 if open_word else None])

    def finish(self, state: BeamState) -> list[Hypothesis]:
        """The hypotheses if the utterance ends here; the same as `decode` of all blocks in one."""
        self._search.restore(state.snapshot)
        return self._hypotheses(np.concatenate([np.empty((0, len(self.units)), np.float32), *state.blocks]))

    def _hypotheses(self, log_probs: NDArray[np.floating]) -> list[Hypothesis]:
        rivals = READINGS_FOR_CONFIDENCE if self.options.words else 0
        readings = self._search.readings(log_probs, self.options.nbest, rivals)
        return [self._hypothesis(reading, readings, log_probs) for reading in distinct(readings, self.options.nbest)]

    def _hypothesis(self, reading: Reading, rivals: list[Reading], log_probs: NDArray[np.floating]) -> Hypothesis:
        words = self._words(reading, rivals, log_probs) if self.options.words and reading.text else []
        acoustic_score = reading.score - reading.log_gain
        return Hypothesis(reading.text, reading.score, words, reading.tokens, acoustic_score, self._lm_score(reading))

    def _lm_score(self, reading: Reading) -> float:
        """Natural-log probability, unweighted, that the language model gives a reading; 0 without one."""
        if self.lm is None:
            return 0.0
        if self._known.fusion.word_model is not None:
            return self.lm.score(reading.text.split())
        symbols = lm_symbols(self.units)
        return self.lm.score([symbols[token] for token in reading.tokens])

    def confidence_features(self, log_probs: NDArray[np.floating]) -> tuple[list[str], NDArray[np.float64]]:
        """The words of the best hypothesis and what their confidence is made of, (n, 3): to fit a calibration on."""
        self._search.begin()
        self._search.run(log_probs)
        rivals = self._search.readings(log_probs, 1, READINGS_FOR_CONFIDENCE)
        words = [word for word, _, _ in self._word_spans(rivals[0])]
        return words, self._located(rivals[0], rivals, log_probs)[2] if words else np.empty((0, 3))

    def _located(
        self, reading: Reading, rivals: list[Reading], log_probs: NDArray[np.floating]
    ) -> tuple[list[Span], NDArray[np.int64], NDArray[np.float64]]:
        spans = self._word_spans(reading)
        frames, peaks, _ = place_tokens(log_probs, reading.tokens)
        return spans, frames, word_features(spans, rivals, peaks)

    def _words(self, reading: Reading, rivals: list[Reading], log_probs: NDArray[np.floating]) -> list[Word]:
        spans, frames, features = self._located(reading, rivals, log_probs)
        confidences = self.confidence.confidence(features).tolist()
        seconds = (frames * self.seconds_per_frame).tolist()
        return [
            Word(text, seconds[first][0], seconds[end - 1][1], confidence)
            for (text, first, end), confidence in zip(spans, confidences, strict=True)
        ]

    def _word_spans(self, reading: Reading) -> list[Span]:
        if reading.lexicon_words is not None:
            return reading.lexicon_words
        return split_words(reading.tokens, self.units)
