"""Forced alignment and scoring of a given text. T: frames, V: units, L: units of the text, S = 2 L + 1 states.

The states of a text are its units with a blank before, between and after them (Graves et al. 2006, section 4.1): state
2 i + 1 is unit i, the even states are blanks. The best path gives times, the sum over all paths the text's probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from asr.decoding.paths.log_probs import check_log_probs
from asr.decoding.paths.long_path import long_path
from asr.decoding.paths.spelling import spell
from asr.decoding.results.hypothesis import Word
from asr.decoding.results.times import UnitSpan, geometric_mean, timed_words, unit_spans
from asr.errors import DecodingError
from asr.kernels.compile import allocating
from asr.units import BLANK, Units, required_frames

IMPOSSIBLE = -np.inf
MOST_ROUNDS = 3  # through the words of a text whose pronunciation is chosen; the second rarely changes anything
MOST_STEPS = 64 * 2**20  # bytes of `viterbi`'s steps; above, the path is found in less memory and twice the time


@dataclass(frozen=True)
class Alignment:
    """A text in time.

    Attributes:
        words: with seconds; the confidence is the geometric mean of their units' highest probabilities.
        spans: the units with seconds.
        path_score: natural-log probability of the best path.
        text_score: natural-log probability of the text, the sum over all its paths; NaN where it was not asked for.
    """

    words: list[Word]
    spans: list[UnitSpan]
    path_score: float
    text_score: float


def align_text(
    log_probs: NDArray[np.floating],
    text: str,
    units: Units,
    seconds_per_frame: float,
    subject: str = "text",
    scored: bool = True,
) -> Alignment:
    """Find when each word of a known text was said.

    Args:
        log_probs: (T, V).
        text: words separated by white space.
        units: of the acoustic model.
        seconds_per_frame: of its output.
        subject: named in errors, for example the utterance id.
        scored: whether the text's probability is wanted, which takes longer than the best path.

    Raises:
        DecodingError: bad log-probabilities, or too few frames for the text.
        UnitsError: words cannot be spelled in the units; each is named.
    """
    check_log_probs(log_probs, len(units), subject)
    said: list[list[int]] = []
    if units.kind == "phones":
        said = choose_pronunciations(log_probs, text, units, subject)
    tokens = _joined(said) or spell(text, units, subject)
    frames, path_score = align_tokens(log_probs, tokens, subject)
    spans = unit_spans(log_probs, tokens, frames, seconds_per_frame)
    words = timed_words(spans, units)
    if said:
        ends = accumulate(map(len, said), initial=0)
        parts = [spans[first:end] for first, end in pairwise(ends)]
        names = text.split()
        words = [Word(w, p[0].start, p[-1].end, geometric_mean(p)) for w, p in zip(names, parts, strict=True)]
    text_score = score_tokens(log_probs, tokens) if scored else math.nan
    return Alignment(words, spans, path_score, text_score)


def _joined(words: Sequence[Sequence[int]]) -> list[int]:
    return [token for word in words for token in word]


def choose_pronunciations(
    log_probs: NDArray[np.floating], text: str, units: Units, subject: str = "text"
) -> list[list[int]]:
    """How each word of a known text was said: the pronunciation of the lexicon that fits its audio best.

    From the first pronunciation of each word on, each word in turn takes the one with which the best path of the whole
    text is likeliest, the others staying as they are, until none changes.

    Args:
        log_probs: (T, V).
        text: words separated by white space.
        units: phones with pronunciations.
        subject: named in errors.

    Returns:
        Unit ids of each word.

    Raises:
        DecodingError: too few frames for the text.
        UnitsError: a word has no pronunciation.
    """
    units.encode(text)  # names every word that has none
    variants = [
        [units.ids_of_phones(" ".join(phones)) for phones in units.pronunciations[word]] for word in text.split()
    ]
    chosen = [said[0] for said in variants]
    best = align_tokens(log_probs, _joined(chosen), subject)[1]
    prepared = _prepared(log_probs)
    several = [place for place, said in enumerate(variants) if len(said) > 1]
    for _ in range(MOST_ROUNDS):
        before = list(chosen)
        for place in several:
            for said in variants[place]:
                tried = [*chosen[:place], said, *chosen[place + 1 :]]
                score = best_path(prepared, np.array(_joined(tried), np.int32))[2]
                if score > best:
                    best, chosen = score, tried
        if chosen == before:
            break
    return chosen


def align_tokens(
    log_probs: NDArray[np.floating], tokens: Sequence[int], subject: str = "text"
) -> tuple[NDArray[np.int64], float]:
    """Best path of given units (Viterbi).

    Args:
        log_probs: (T, V).
        tokens: (L,) unit ids without blanks.

    Returns:
        (L, 2) first frame and frame after the last of each unit, and the path's natural-log probability.

    Raises:
        DecodingError: too few frames, or every path has probability 0.
    """
    frames, _, score = place_tokens(log_probs, tokens, subject)
    return frames, score


def place_tokens(
    log_probs: NDArray[np.floating], tokens: Sequence[int], subject: str = "text"
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    """As `align_tokens`, with the highest log-probability that each unit has within its frames.

    Returns:
        (L, 2) first frame and frame after the last of each unit, (L,) peaks, and the path's natural-log probability.

    Raises:
        DecodingError: as `align_tokens`.
    """
    if not len(log_probs) and not len(tokens):
        return np.zeros((0, 2), np.int64), np.zeros(0, np.float32), 0.0
    fits = 2 * len(log_probs) * (len(tokens) + 1) <= MOST_STEPS
    frames, peaks, score = (best_path if fits else long_path)(_prepared(log_probs), np.array(tokens, np.int32))
    if score == IMPOSSIBLE:
        need, remedy = required_frames(tokens), "check that text and audio belong together"
        if len(log_probs) < need:
            raise DecodingError(subject, f"needs {need} frames and the audio gives {len(log_probs)}", remedy)
        raise DecodingError(subject, "has probability 0 in this audio", remedy)
    return frames, peaks, score


def score_tokens(log_probs: NDArray[np.floating], tokens: Sequence[int]) -> float:
    """Natural-log CTC probability of given units: the sum over all paths; -inf when there is none.

    Args:
        log_probs: (T, V).
        tokens: (L,) unit ids without blanks.
    """
    if not len(log_probs):
        return 0.0 if not len(tokens) else IMPOSSIBLE
    return float(forward_score(_prepared(log_probs), np.asarray(tokens, np.int32)))


def _prepared(log_probs: NDArray[np.floating]) -> NDArray[np.float32]:
    """Float32, contiguous and writable: one compiled version serves all callers."""
    return np.require(log_probs, np.float32, ["C", "W"])


@allocating
def best_path(
    log_probs: NDArray[np.float32], tokens: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    """The best path of a text, see `place_tokens`; its score is -inf, and the rest zeros, when there is none."""
    frames, length = log_probs.shape[0], tokens.shape[0]
    spans = np.zeros((length, 2), np.int64)
    peaks = np.zeros(length, np.float32)
    if frames < length or frames == 0:
        return spans, peaks, IMPOSSIBLE
    steps = np.empty((frames, length + 1, 2), np.uint8)
    state, score = viterbi(log_probs, tokens, steps)
    if score == IMPOSSIBLE:
        return spans, peaks, score
    for t in range(frames - 1, -1, -1):
        place = state >> 1
        if state & 1:
            value = log_probs[t, tokens[place]]
            if spans[place, 1] == 0:
                spans[place, 1] = t + 1
                peaks[place] = value
            spans[place, 0] = t
            peaks[place] = max(peaks[place], value)
        if t > 0:
            state -= np.int64(steps[t, place, state & 1])
    return spans, peaks, score


@allocating
def viterbi(log_probs: NDArray[np.float32], tokens: NDArray[np.int32], steps: NDArray[np.uint8]) -> tuple[int, float]:
    """Last state of the best path and its natural-log probability.

    Args:
        log_probs: (T, V), at least one frame.
        tokens: (L,).
        steps: (T, L + 1, 2), filled with how many states back the best predecessor is (0, 1 or 2): of the blank before
            unit i and of unit i, from frame 1 on and where a path can pass.
    """
    frames, length = log_probs.shape[0], tokens.shape[0]
    blanks = np.full(length + 1, IMPOSSIBLE)  # score of the blank before unit i
    labels = np.full(length + 2, IMPOSSIBLE)  # score of unit i at i + 1
    skips = np.zeros(length + 1)  # -inf where a blank must stand between a unit and the one before it
    skips[0] = IMPOSSIBLE
    for i in range(1, length):
        if tokens[i] == tokens[i - 1]:
            skips[i] = IMPOSSIBLE
    blanks[0] = log_probs[0, BLANK]
    if length:
        labels[1] = log_probs[0, tokens[0]]
    for t in range(1, frames):
        row = log_probs[t]
        silence = row[BLANK]
        first = max(0, length - (frames - t))  # what lies before it cannot reach the end any more
        for i in range(min(length, t), first - 1, -1):  # downwards, so that one row is enough
            before = labels[i]
            if i < length:
                best, step = labels[i + 1], 0
                if blanks[i] > best:
                    best, step = blanks[i], 1
                if before + skips[i] > best:
                    best, step = before, 2
                labels[i + 1] = best + row[tokens[i]]
                steps[t, i, 1] = step
            best, step = blanks[i], 0
            if before > best:
                best, step = before, 1
            blanks[i] = best + silence
            steps[t, i, 0] = step
    if labels[length] > blanks[length]:
        return 2 * length - 1, float(labels[length])
    return 2 * length, float(blanks[length])


@allocating
def forward_score(log_probs: NDArray[np.float32], tokens: NDArray[np.int32]) -> float:
    """Natural log of the sum over all paths.

    The sums are in the log domain: the paths of an unlikely text would underflow beside those of its beginnings.
    """
    frames, size = log_probs.shape[0], 2 * tokens.shape[0] + 1
    scores = np.full(size + 2, IMPOSSIBLE)
    scores[2] = log_probs[0, BLANK]
    if size > 1:
        scores[3] = log_probs[0, tokens[0]]
    for t in range(1, frames):
        first = max(0, size - 2 * (frames - t))
        for state in range(min(size, 2 * t + 2) - 1, first - 1, -1):
            is_unit = state & 1
            token = tokens[state >> 1] if is_unit else BLANK
            skip = IMPOSSIBLE
            if is_unit and state > 1 and tokens[(state >> 1) - 1] != token:
                skip = scores[state]
            scores[state + 2] = log_add(scores[state + 2], scores[state + 1], skip) + log_probs[t, token]
    return log_add(scores[size + 1], scores[size] if size > 1 else IMPOSSIBLE, IMPOSSIBLE)


@allocating
def log_add(a: float, b: float, c: float) -> float:
    """log(e^a + e^b + e^c)."""
    top = max(a, b, c)
    if top == IMPOSSIBLE:
        return top
    return top + np.log(np.exp(a - top) + np.exp(b - top) + np.exp(c - top))
