"""The decoders that `decode.py` compares, each with a function from log-probabilities (T, V) to a text.

A peer that is not installed is left out. Peers get the same labels, language model, weights, beam and thresholds as
ours, in their own terms; what they cannot be told is said where it is so.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.tables import Weights
from asr.lm.ngram import NGramModel
from asr.pronunciation.lexicon import Lexicon
from asr.units import WORD_START, Units

Decode = Callable[[Any], str]
LN10 = math.log(10.0)
UNKNOWN_LOG10 = -10.0  # pyctcdecode's default for an unknown word, scaled by alpha
ALL_TOKENS = 50  # flashlight-text has no probability threshold for units, only a number of them


def unchanged(log_probs: np.ndarray) -> Any:
    """The input of systems that take log-probabilities."""
    return log_probs


@dataclass(frozen=True)
class System:
    """A decoder.

    Attributes:
        decode: from prepared input to text.
        prepared: from log-probabilities to the input that it takes.
    """

    decode: Decode
    prepared: Callable[[np.ndarray], Any] = unchanged


@dataclass(frozen=True)
class Task:
    """What is to be decoded how.

    Attributes:
        kind: "none", "word LM" or "lexicon" (closed, with the word LM).
        arpa: the language model as ARPA file, for the peers.
    """

    units: Units
    kind: str
    beam: int
    token_threshold: float
    beam_threshold: float
    alpha: float
    beta: float
    lm: NGramModel
    arpa: str

    @cached_property
    def words(self) -> list[str]:
        """Vocabulary of the language model."""
        return [word for word in self.lm.words if not word.startswith("<")]

    @property
    def weights(self) -> Weights:
        """Weights with pyctcdecode's penalty for unknown words."""
        return Weights(self.alpha, self.beta, -UNKNOWN_LOG10 * LN10 * self.alpha)

    def labels(self) -> list[str]:
        """Unit symbols, the blank as the empty string."""
        return ["", *self.units.symbols[1:]]


def systems(task: Task) -> dict[str, System]:
    """The systems that are installed and can do the task, by their names on PyPI."""
    found = ours(task)
    makers: list[tuple[str, str, Callable[[Task], System | None]]] = [
        ("pyctcdecode", "pyctcdecode", pyctcdecode),
        ("flashlight-text", "flashlight", flashlight),
        ("fast-ctc-decode", "fast_ctc_decode", fast_ctc_decode),
        ("ctc-beam-decoder", "ctc_beam_decoder", ctc_beam_decoder),
        ("speechbrain", "speechbrain", speechbrain),
    ]
    for name, module, make in makers:
        if importlib.util.find_spec(module) is None:
            continue
        system = make(task)
        if system is not None:
            found[name] = system
    return found


def ours(task: Task) -> dict[str, System]:
    def decoder(words: bool) -> BeamDecoder:
        return BeamDecoder(
            task.units, 0.04, options=BeamOptions(task.beam, task.token_threshold, task.beam_threshold, words=words),
            weights=task.weights, lm=task.lm if task.kind != "none" else None,
            lexicon=Lexicon.from_words(task.words) if task.kind == "lexicon" else None,
        )  # fmt: skip

    plain, with_words = decoder(False), decoder(True)
    return {
        "ours": System(lambda log_probs: plain.decode(log_probs)[0].text),
        "ours, word times": System(lambda log_probs: with_words.decode(log_probs)[0].text),
    }


def pyctcdecode(task: Task) -> System | None:
    if task.kind == "lexicon":
        return None
    from pyctcdecode import build_ctcdecoder

    model = {"kenlm_model_path": task.arpa, "unigrams": task.words} if task.kind != "none" else {}
    decoder = build_ctcdecoder(task.labels(), alpha=task.alpha, beta=task.beta, unk_score_offset=UNKNOWN_LOG10, **model)
    pruning = {"beam_prune_logp": -task.beam_threshold, "token_min_logp": task.token_threshold}
    return System(lambda log_probs: decoder.decode(log_probs, beam_width=task.beam, **pruning))


def ctc_beam_decoder(task: Task) -> System | None:
    if task.kind == "lexicon":
        return None
    from ctc_beam_decoder import build_ctcdecoder

    model = {"kenlm_model_path": task.arpa, "unigrams": task.words} if task.kind != "none" else {}
    decoder = build_ctcdecoder(task.labels(), alpha=task.alpha, beta=task.beta, unk_score_offset=UNKNOWN_LOG10, **model)
    pruning = {"beam_prune_logp": -task.beam_threshold, "token_min_logp": task.token_threshold}
    return System(lambda log_probs: decoder.decode(log_probs, beam_width=task.beam, **pruning))


def fast_ctc_decode(task: Task) -> System | None:
    if task.kind != "none":
        return None
    from fast_ctc_decode import beam_search

    alphabet = [chr(0x4E00 + index) for index in range(len(task.units))]  # one character a unit, as it demands
    if task.units.kind == "characters":
        alphabet = ["-", *task.units.symbols[1:]]
    ids = {character: index for index, character in enumerate(alphabet)}
    cut = min(math.exp(task.token_threshold), 0.99 / len(task.units))

    def decode(probs: np.ndarray) -> str:
        text, _ = beam_search(probs, alphabet, task.beam, cut)
        if task.units.kind == "characters":
            return " ".join(text.split())
        return task.units.decode(ids[character] for character in text)

    return System(decode, np.exp)


def flashlight(task: Task) -> System | None:
    if task.kind == "none":
        return None
    from flashlight.lib.text import decoder as fl
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    words = Dictionary([*task.words, "<unk>"])
    model = KenLM(task.arpa, words)
    separator = task.units.space if task.units.space is not None else 0
    trie = fl.Trie(len(task.units), separator)
    start = model.start(False)
    for word in task.words:
        spelling = task.units.encode(word) + ([task.units.space] if task.units.space is not None else [])
        index = words.get_index(word)
        trie.insert(spelling, index, model.score(start, index)[1])
    trie.smear(fl.SmearingMode.MAX)
    options = fl.LexiconDecoderOptions(
        beam_size=task.beam, beam_size_token=min(len(task.units), ALL_TOKENS), beam_threshold=task.beam_threshold,
        lm_weight=task.alpha, word_score=task.beta, unk_score=-math.inf, sil_score=0.0, log_add=True,
        criterion_type=fl.CriterionType.CTC,
    )  # fmt: skip
    decoder = fl.LexiconDecoder(options, trie, model, separator, 0, words.get_index("<unk>"), [], False)

    # It ends a word only at a separator, so without one after the last word it would lose it.
    closing = np.full((1, len(task.units)), -100.0, np.float32)
    closing[0, separator] = 0.0

    def prepared(log_probs: np.ndarray) -> np.ndarray:
        emissions = log_probs if task.units.space is None else np.concatenate([log_probs, closing])
        return np.ascontiguousarray(emissions, np.float32)

    def decode(emissions: np.ndarray) -> str:
        results = decoder.decode(emissions.ctypes.data, *emissions.shape)
        if not results:
            return ""
        return " ".join(words.get_entry(index) for index in results[0].words if index >= 0)

    return System(decode, prepared)


def speechbrain(task: Task) -> System | None:
    if task.kind == "lexicon":
        return None
    import torch
    from speechbrain.decoders.ctc import CTCBeamSearcher

    model: dict[str, Any] = {"kenlm_model_path": task.arpa, "unigrams": task.words} if task.kind != "none" else {}
    space = task.units.space
    searcher = CTCBeamSearcher(
        blank_index=0, vocab_list=["<blank>", *task.units.symbols[1:]], space_token=" " if space else WORD_START,
        beam_size=task.beam, beam_prune_logp=-task.beam_threshold, token_prune_min_logp=task.token_threshold,
        alpha=task.alpha, beta=task.beta, unk_score_offset=UNKNOWN_LOG10, topk=1, **model,
    )  # fmt: skip

    return System(
        lambda tensor: str(searcher(tensor)[0][0].text).strip(), lambda log_probs: torch.from_numpy(log_probs)[None]
    )
