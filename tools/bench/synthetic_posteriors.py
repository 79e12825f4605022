"""Made-up CTC log-probabilities for benchmarks, the same for the same seed. T: frames, V: units, L: units of a text.

    python tools/bench/synthetic_posteriors.py OUT --units characters|bpe [--utterances 20] [--seed 1]

A made-up language has words of made-up letters, more frequent the earlier they were made, and every word likes some
others to follow it; so an n-gram model of its sentences knows something. A trained model's output is imitated: each
unit has a frame or two to itself, the rest are blank; some units are confused with another one that is nearly as
probable, or more so; and all others share what is left very unevenly. `OUT` gets `units.txt`, `log_probs.npz`,
`ref.trn` and `lm.arpa`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from asr.config.sections import UnitsConfig
from asr.decoding.paths.log_probs import write_log_probs
from asr.lm.arpa_writing import write_arpa
from asr.lm.kneser_ney import train_ngrams
from asr.units import build_units

LETTERS = "etaoinshrdlcumwfgypbvk'jxqz"
WORDS, FOLLOWERS = 5000, 20
LIKED = 0.7  # share of the words that are one of the followers of the word before
SENTENCES = 20_000  # that the language model is trained on
PIECES = 1000
CONFUSED = 0.4  # share of the units that have a rival
BLANKS = {"characters": 3.2, "bpe": 9.0}  # frames without a unit after each one, on average


def main() -> None:
    """Write a data set."""
    parser = argparse.ArgumentParser(description="Made-up CTC log-probabilities.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--units", choices=("characters", "bpe"), default="characters")
    parser.add_argument("--utterances", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    make(options.out, options.units, options.utterances, options.seed)


def make(out: Path, kind: str, utterances: int, seed: int) -> None:
    """Write units, log-probabilities, references and language model to a folder."""
    rng = np.random.default_rng(seed)
    language = Language(rng)
    training = [language.sentence(rng) for _ in range(SENTENCES)]
    texts = [language.sentence(rng) for _ in range(utterances)]
    lines = [" ".join(words) for words in training]
    units = build_units(lines, UnitsConfig(kind=kind, size=PIECES))  # type: ignore[arg-type]
    out.mkdir(parents=True, exist_ok=True)
    units.save(out / "units.txt")
    write_arpa(train_ngrams(training, order=3), out / "lm.arpa")
    names = [f"synthetic-{index:03d}" for index in range(utterances)]
    made = [log_probs(units.encode(" ".join(words)), len(units), BLANKS[kind], rng) for words in texts]
    write_log_probs(
        out / "log_probs.npz", zip(names, made, strict=True), units=out / "units.txt", seconds_per_frame=0.04
    )
    trn = [f"{' '.join(words)} ({name})\n" for words, name in zip(texts, names, strict=True)]
    (out / "ref.trn").write_text("".join(trn), encoding="utf-8")


class Language:
    """Words, and which of them like to follow each other."""

    def __init__(self, rng: np.random.Generator) -> None:
        frequencies = 1.0 / np.arange(2, len(LETTERS) + 2)
        made: dict[str, None] = {}
        while len(made) < WORDS:
            size = 1 + rng.poisson(1.0 + 0.8 * np.log1p(len(made) / 20))  # frequent words are short
            made["".join(rng.choice(list(LETTERS), size, p=frequencies / frequencies.sum()))] = None
        self.words = list(made)
        weights = 1.0 / np.arange(3, WORDS + 3)  # Zipf's law
        self.shares = np.cumsum(weights / weights.sum())
        self.followers = self._any(rng.random((WORDS, FOLLOWERS)))

    def sentence(self, rng: np.random.Generator) -> list[str]:
        """8 to 24 words."""
        draws = rng.random((int(rng.integers(8, 25)), 2))
        anything = self._any(draws[:, 0])
        found = [int(anything[0])]
        for word, (_, taste) in zip(anything[1:], draws[1:], strict=True):
            liked = taste < LIKED
            found.append(int(self.followers[found[-1], int(taste / LIKED * FOLLOWERS)] if liked else word))
        return [self.words[index] for index in found]

    def _any(self, draws: np.ndarray) -> np.ndarray:
        """Words by their frequency, for numbers in 0..1."""
        return np.minimum(np.searchsorted(self.shares, draws), WORDS - 1)


def log_probs(tokens: list[int], units: int, blanks: float, rng: np.random.Generator) -> np.ndarray:
    """Log-probabilities (T, V) that say `tokens` (L,), with confusions."""
    rows: list[np.ndarray] = []
    for token in tokens:
        spoken = peak(token, units, rng)
        rival = int(rng.integers(1, units))
        if rng.random() < CONFUSED:
            spoken[rival] = spoken[token] + rng.normal(-1.0, 1.5)
        for _ in range(1 + int(rng.random() < 0.2)):
            rows.append(spoken + rng.normal(0.0, 0.3, units))
        rows += [peak(0, units, rng) for _ in range(1 + rng.poisson(blanks - 1.0))]
    scores = np.array(rows)
    return (scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32)


def peak(unit: int, units: int, rng: np.random.Generator) -> np.ndarray:
    """Scores (V,) of a frame in which one unit stands out and the blank, often, is second."""
    scores = rng.normal(0.0, 2.0, units) - np.log(units)
    scores[0] += rng.normal(4.0, 2.0)
    scores[unit] = rng.normal(9.0, 1.5)
    return scores


if __name__ == "__main__":
    main()
