"""Decoding with a weighted finite-state transducer, for those who need one (kaldifst, kaldilm and kaldi-decoder).

The graph is T o min(det(L o G)) as in EESEN (Miao et al. 2015): T maps the frames' units to units without blanks and
repeats, L units to words, G words to the language model's score. The search is Kaldi's FasterDecoder: it scores the
best path where the beam search of this package sums over paths, and its vocabulary is closed.

Labels are unit ids + 1 on the input of T and on both sides of L; 0 is epsilon. V: units, T: frames.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.lexicon import Lexicon
from asr.decoding.knowledge.tables import Weights
from asr.decoding.knowledge.vocabulary import spell_vocabulary
from asr.decoding.paths.greedy import collapse
from asr.decoding.paths.log_probs import check_log_probs
from asr.decoding.results.hypothesis import Hypothesis
from asr.decoding.results.times import split_words, timed_words, unit_spans
from asr.errors import DecodingError, MissingExtraError
from asr.lm.arpa_writing import write_arpa
from asr.lm.files import load_tables
from asr.units import BLANK, Units

EPSILON = 0
EPSILON_SYMBOL, BACKOFF_SYMBOL = "<eps>", "#0"
Spelling = tuple[int, ...]


class WfstDecoder:
    """Decodes with a graph made of a lexicon and an ARPA file.

    Args:
        units: the acoustic model's units.
        seconds_per_frame: of its output.
        lexicon: the only words that can be recognised.
        arpa: n-gram model over these words, ARPA file or folder of `asr lm train`; its other words are left out.
        weights: alpha and beta; there are no unknown words.
        beam: natural-log score below the best at which a state is dropped.

    Raises:
        MissingExtraError: a package is not installed.
        DecodingError: the lexicon cannot be spelled in the units, the model is broken, or the graph is empty.
    """

    def __init__(
        self,
        units: Units,
        seconds_per_frame: float,
        lexicon: Lexicon,
        arpa: str | Path,
        weights: Weights | None = None,
        beam: float = 16.0,
    ) -> None:
        self._fst, self._decoding = _import("kaldifst"), _import("kaldi_decoder")
        self.units, self.seconds_per_frame, self.beam = units, seconds_per_frame, beam
        self.weights = weights or Weights()
        self.words = [EPSILON_SYMBOL, *lexicon.words, BACKOFF_SYMBOL, "<s>", "</s>"]
        spellings = spell_words(lexicon, units)
        self.graph = self._compose(spellings, Path(arpa))

    def _compose(self, spellings: list[tuple[int, Spelling]], arpa: Path) -> Any:
        fst = self._fst
        backoff = self.words.index(BACKOFF_SYMBOL)
        arcs, marks = lexicon_arcs(spellings, self.units, -self.weights.beta)
        lexicon = fst.compile("\n".join(arcs), acceptor=False)
        fst.add_self_loops(lexicon, [len(self.units) + 1], [backoff])
        fst.arcsort(lexicon, sort_type="olabel")
        grammar = fst.compile("\n".join(scaled(self._grammar(arpa), self.weights.alpha)), acceptor=False)
        fst.arcsort(grammar, sort_type="ilabel")
        graph = fst.compose(lexicon, grammar)
        fst.determinize_star(graph)
        fst.minimize_encoded(graph)
        fst.arcsort(graph, sort_type="ilabel")
        topology = fst.compile("\n".join(ctc_arcs(len(self.units), marks)), acceptor=False)
        fst.arcsort(topology, sort_type="olabel")
        graph = fst.compose(topology, graph)
        fst.connect(graph)
        if graph.start < 0:
            raise DecodingError(arpa, "shares no sentence with the lexicon", "use a pair made for each other")
        return graph

    def _grammar(self, arpa: Path) -> str:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "words.txt"
            table.write_text("".join(f"{word} {index}\n" for index, word in enumerate(self.words)), encoding="utf-8")
            plain = Path(folder) / "lm.arpa"
            write_arpa(load_tables(arpa), plain)  # from any form, and with our reader's errors
            return str(
                _import("kaldilm").arpa2fst(
                    str(plain), disambig_symbol=BACKOFF_SYMBOL, read_symbol_table=str(table), max_arpa_warnings=0
                )
            )

    def decode(self, log_probs: NDArray[np.floating]) -> list[Hypothesis]:
        """The best path's reading.

        Words carry times where the units tell the words (characters with a space, BPE, words), from the same path.

        Args:
            log_probs: (T, V).

        Raises:
            DecodingError: bad log-probabilities, or no path through the graph.
        """
        check_log_probs(log_probs, len(self.units))
        if not len(log_probs):
            return [Hypothesis("", 0.0)]
        options = self._decoding.FasterDecoderOptions(beam=self.beam)
        search = self._decoding.FasterDecoder(self.graph, options)
        search.decode(self._decoding.DecodableCtc(np.ascontiguousarray(log_probs, np.float32)))
        found, path = search.get_best_path() if search.reached_final() else (False, None)
        if not found:
            raise DecodingError("utterance", "has no path through the graph within the beam", "widen the beam")
        _, inputs, outputs, weight = self._fst.get_linear_symbol_sequence(path)
        said = [self.words[index] for index in outputs]
        return [self._hypothesis(log_probs, np.array(inputs) - 1, said, -weight.value1, -weight.value2)]

    def _hypothesis(
        self,
        log_probs: NDArray[np.floating],
        path: NDArray[np.int64],
        said: list[str],
        graph: float,
        acoustic: float,
    ) -> Hypothesis:
        tokens, frames = collapse(path)
        spans = unit_spans(log_probs, tokens, frames, self.seconds_per_frame)
        told = [word for word, _, _ in split_words(tokens, self.units)] == said
        lm_score = (graph - self.weights.beta * len(said)) / self.weights.alpha if self.weights.alpha else 0.0
        return Hypothesis(
            " ".join(said), graph + acoustic, timed_words(spans, self.units) if told else [], tokens, acoustic, lm_score
        )


def spell_words(lexicon: Lexicon, units: Units) -> list[tuple[int, Spelling]]:
    """(word number from 1, unit ids) of every word and pronunciation that the units can spell.

    Raises:
        DecodingError: more than half of the words cannot be spelled; fewer are a counted warning.
    """
    left_out = set(spell_vocabulary(units, None, lexicon).unspellable)
    found: list[tuple[int, Spelling]] = []
    for number, (word, pronunciations) in enumerate(lexicon.entries.items(), start=1):
        if pronunciations:
            ids = [tuple(units.ids.get(symbol, BLANK) for symbol in sounds) for sounds in pronunciations]
            found += [(number, spelling) for spelling in ids if BLANK not in spelling]
        elif word not in left_out:
            found.append((number, tuple(units.encode(word))))
    return found


def lexicon_arcs(spellings: list[tuple[int, Spelling]], units: Units, cost: float) -> tuple[list[str], int]:
    """L in text form, and the number of disambiguation symbols, the back-off's included.

    A word that is spelled like another, or like the beginning of another, ends in a symbol of its own, without which
    the composition with G could not be made deterministic (Mohri et al. 2002). A space lies between words, not after
    the last.
    """
    same = Counter(spelling for _, spelling in spellings)
    beginnings = {spelling[:end] for _, spelling in spellings for end in range(1, len(spelling))}
    used: Counter[Spelling] = Counter()
    begin, after = 0, 1
    start, state = 2, 3
    arcs = [f"{begin} {start} {EPSILON} {EPSILON}", f"{begin}", f"{after}"]
    for number, spelling in spellings:
        labels = [token + 1 for token in spelling]
        if same[spelling] > 1 or spelling in beginnings:
            used[spelling] += 1
            labels.append(len(units) + 1 + used[spelling])
        source = start
        for place, label in enumerate(labels):
            last = place == len(labels) - 1
            target = after if last else state
            arcs.append(f"{source} {target} {label} {number if place == 0 else EPSILON} {cost if place == 0 else 0.0}")
            source, state = target, state + (not last)
    space = EPSILON if units.space is None else units.space + 1
    return [*arcs, f"{after} {start} {space} {EPSILON}"], 1 + max(used.values(), default=0)


def ctc_arcs(size: int, marks: int) -> Iterator[str]:
    """T in text form: state 0 after a blank, state c after unit c; disambiguation symbols pass at no cost."""
    for state in range(size):
        yield f"{state} 0 {BLANK + 1} {EPSILON}"
        for token in range(1, size):
            yield f"{state} {token} {token + 1} {EPSILON if token == state else token + 1}"
        for mark in range(marks):
            yield f"{state} {state} {EPSILON} {size + 1 + mark}"
        yield f"{state}"


def scaled(text: str, factor: float) -> Iterator[str]:
    """A transducer in text form with its weights multiplied."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) in (2, 5) and math.isfinite(float(fields[-1])):
            fields[-1] = repr(factor * float(fields[-1]))
        if fields:
            yield " ".join(fields)


def _import(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise MissingExtraError(name.replace("_", "-"), "wfst") from None
