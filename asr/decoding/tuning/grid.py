"""Choosing decoder weights on a development set, from log-probabilities that were computed once.

First every pair of alpha and beta is tried at the given pruning, and a pair is chosen in the middle of those that the
set cannot tell from the one of fewest errors (`weight_choice`). Then every pair of thresholds is tried with it: the
fewest errors win, and of equals the tightest pruning, which is the fastest.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from asr.decoding.beam import BeamDecoder
from asr.decoding.from_files import DecoderRecipe, shared
from asr.decoding.knowledge.tables import Weights
from asr.decoding.parallel import repeating
from asr.decoding.paths.log_probs import check_log_probs, read_log_probs
from asr.decoding.results.confidence import ConfidenceModel, fit_confidence, right_words
from asr.decoding.tuning.choice import Choice, choose_setting
from asr.errors import DecodingError
from asr.progress import track

log = logging.getLogger("asr")
ALPHAS = tuple(round(0.1 * step, 1) for step in range(0, 16, 2))
BETAS = tuple(round(0.5 * step, 1) for step in range(-2, 7))
THRESHOLDS = ((-5.0, 8.0), (-5.0, 12.0), (-8.0, 15.0), (-10.0, 20.0))  # (token_threshold, beam_threshold)


@dataclass(frozen=True)
class Trial:
    """One setting and what it gave on the development set; `by_utterance` are the errors of each utterance, (U,)."""

    alpha: float
    beta: float
    token_threshold: float
    beam_threshold: float
    errors: int
    words: int
    milliseconds: float
    by_utterance: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32), compare=False, repr=False)

    @property
    def wer(self) -> float:
        """Word error rate as a fraction."""
        return self.errors / self.words


@dataclass(frozen=True)
class Tuning:
    """What was tried and what was chosen.

    Attributes:
        trials: all, those of the first round first.
        chosen: weights and thresholds.
        confidence: the calibration fitted with them.
        choice: how the weights were chosen among the trials of the first round.
        unknown_penalty: of all trials.
    """

    trials: list[Trial]
    chosen: Trial
    confidence: ConfidenceModel
    choice: Choice
    unknown_penalty: float = Weights.unknown_penalty

    @property
    def first_round(self) -> list[Trial]:
        """The trials of all weights at one pruning."""
        return self.trials[: len(self.choice.excess)]

    def reason(self) -> str:
        """How the weights were chosen, in one sentence."""
        fewest = self.trials[self.choice.fewest]
        alike, tried = int(self.choice.alike.sum()), len(self.choice.alike)
        return (
            f"in the middle of {alike} of {tried} pairs of weights within one standard error of the fewest errors"
            f" ({fewest.errors} / {fewest.words} at alpha {fewest.alpha:g}, beta {fewest.beta:g})"
        )


def tune(
    recipe: DecoderRecipe,
    log_probs: str | Path,
    references: Mapping[str, str],
    *,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
    thresholds: Sequence[tuple[float, float]] = THRESHOLDS,
    processes: int = 1,
) -> Tuning:
    """Try the grid and choose.

    Args:
        recipe: the decoder; its thresholds are those of the first round.
        log_probs: cached log-probabilities of the development set.
        references: utterance id -> text, for every cached utterance.
        alphas: language-model weights.
        betas: word bonuses.
        thresholds: (token_threshold, beam_threshold) pairs of the second round.
        processes: settings tried at once, with one memory-mapped copy of the language model.

    Raises:
        DecodingError: an utterance has no reference, the references are empty, or the decoder cannot be built.
    """
    with shared(recipe) as mapped:
        return _tune(mapped, log_probs, references, alphas, betas, thresholds, processes)


def _tune(
    recipe: DecoderRecipe, log_probs: str | Path, references: Mapping[str, str], alphas: Sequence[float],
    betas: Sequence[float], thresholds: Sequence[tuple[float, float]], processes: int,
) -> Tuning:  # fmt: skip
    first = recipe.options.token_threshold, recipe.options.beam_threshold
    bench = _Bench(recipe, log_probs, references)  # mistakes are reported before any process is started
    grid = [(alpha, beta, *first) for alpha in alphas for beta in betas]
    trials = _try_all(bench, (recipe, log_probs, references), grid, processes)
    choice = choose_weights(trials)
    best = trials[choice.index]
    log.info("weights: alpha %g, beta %g (WER %.2f%%)", best.alpha, best.beta, 100 * best.wer)
    _warn_at_edges(best, alphas, betas)
    # Times are shown, so the second round is not parallel: processes would slow each other down.
    pruned = [bench.run((best.alpha, best.beta, *pair)) for pair in thresholds]
    chosen = min([best, *pruned], key=lambda trial: (trial.errors, trial.beam_threshold, -trial.token_threshold))
    return Tuning([*trials, *pruned], chosen, bench.calibrate(chosen), choice, recipe.weights.unknown_penalty)


def choose_weights(trials: Sequence[Trial]) -> Choice:
    """Choose among trials that differ in alpha and beta, see `weight_choice`."""
    return choose_setting([t.by_utterance for t in trials], [(t.alpha, t.beta) for t in trials])


class _Bench:
    """The development set and the decoder, in one process."""

    def __init__(self, recipe: DecoderRecipe, log_probs: str | Path, references: Mapping[str, str]) -> None:
        self.decoder: BeamDecoder = recipe()
        self.utterances = list(read_log_probs(log_probs))
        missing = [name for name, _ in self.utterances if name not in references]
        if missing or not self.utterances:
            reason = f"has {len(missing)} utterances without a reference ({missing[:3]})" if missing else "is empty"
            raise DecodingError(log_probs, reason, "give the references of the same set")
        for name, array in self.utterances:
            check_log_probs(array, len(self.decoder.units), name)
        self.references = {name: references[name].split() for name, _ in self.utterances}
        self.words = sum(map(len, self.references.values()))
        if not self.words:
            raise DecodingError("references", "have no words", "give the transcripts of the development set")

    def run(self, setting: tuple[float, float, float, float]) -> Trial:
        """Decode the set with (alpha, beta, token_threshold, beam_threshold)."""
        decoder = self._decoder(*setting, words=False)
        errors, started = np.zeros(len(self.utterances), np.int32), time.perf_counter()
        for index, (name, log_probs) in enumerate(self.utterances):
            errors[index] = Levenshtein.distance(self.references[name], decoder.decode(log_probs)[0].text.split())
        milliseconds = 1000.0 * (time.perf_counter() - started) / len(self.utterances)
        return Trial(*setting, int(errors.sum()), self.words, round(milliseconds, 4), errors)

    def calibrate(self, trial: Trial) -> ConfidenceModel:
        """Fit the confidence of words to whether they are right."""
        decoder = self._decoder(trial.alpha, trial.beta, trial.token_threshold, trial.beam_threshold, words=True)
        features: list[NDArray[np.float64]] = [np.empty((0, 3))]
        correct: list[bool] = []
        for name, log_probs in self.utterances:
            words, found = decoder.confidence_features(log_probs)
            features.append(found)
            correct += right_words(words, self.references[name]).tolist()
        if not correct:
            log.warning("no words were recognised: the confidence calibration stays at its defaults")
            return ConfidenceModel()
        return fit_confidence(np.concatenate(features), np.array(correct))

    def _decoder(
        self, alpha: float, beta: float, token_threshold: float, beam_threshold: float, words: bool
    ) -> BeamDecoder:
        options = replace(
            self.decoder.options, token_threshold=token_threshold, beam_threshold=beam_threshold, nbest=1, words=words
        )
        penalty = self.decoder.weights.unknown_penalty
        return self.decoder.changed(options=options, weights=Weights(alpha, beta, penalty))


_bench: _Bench | None = None  # of a worker process


def _start_worker(recipe: DecoderRecipe, log_probs: str | Path, references: Mapping[str, str]) -> None:
    global _bench
    with repeating():
        _bench = _Bench(recipe, log_probs, references)


def _run(setting: tuple[float, float, float, float]) -> Trial:
    assert _bench is not None
    return _bench.run(setting)


def _try_all(
    bench: _Bench, made_of: tuple[DecoderRecipe, str | Path, Mapping[str, str]],
    settings: Sequence[tuple[float, float, float, float]], processes: int,
) -> list[Trial]:  # fmt: skip
    if processes <= 1:
        return [bench.run(setting) for setting in track(settings, "tuning")]
    first = bench.run(settings[0])  # here, so that compiled code is on disk before the processes look for it
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=made_of) as pool:
        return [first, *track(pool.map(_run, settings[1:]), "tuning", total=len(settings) - 1)]


def _warn_at_edges(best: Trial, alphas: Sequence[float], betas: Sequence[float]) -> None:
    for name, value, tried in (("alpha", best.alpha, alphas), ("beta", best.beta, betas)):
        if len(tried) > 1 and value in (min(tried), max(tried)) and not (name == "alpha" and value == 0.0):
            log.warning("the chosen %s, %g, is at the edge of those tried: try beyond it", name, value)
