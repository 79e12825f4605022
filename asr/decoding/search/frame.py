"""The prefix beam search frame by frame, compiled. T: frames, V: units, B: beam width.

Prefix beam search after Graves & Jaitly (2014, algorithm 1) and Hannun et al. (2014): the probability of a prefix is
split by whether its last frame was a blank, and the factors of language model, lexicon and phrases multiply into it.
Probabilities are linear and divided by the best one after each frame, so that the loops hold products and sums and no
logarithms. A prefix whose parent is also in the beam takes over the parent's share through the parent's slot, so that
only what enters the beam is looked for in the tree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.factors import UnitModel, WordModel
from asr.decoding.knowledge.phrase_automaton import PhraseArrays
from asr.decoding.knowledge.prefixes import NONE
from asr.decoding.knowledge.texts import NO_SEPARATOR, TextArrays
from asr.decoding.search.extension import extend
from asr.decoding.search.pruning import rank
from asr.decoding.search.state import Settings, State
from asr.decoding.search.tree import add_child
from asr.kernels.compile import kernel
from asr.units import BLANK

SMALLEST = float(np.nextafter(0.0, 1.0))  # above 0
IMPOSSIBLE = -1


@kernel
def advance(
    state: State, settings: Settings, log_probs: NDArray[np.float32], first: int, phrases: PhraseArrays,
    texts: TextArrays, unit_model: UnitModel | None, word_model: WordModel | None,
) -> tuple[int, int]:  # fmt: skip
    """Search through frames `first`, `first` + 1, ... of a block (T, V).

    Returns:
        T at the end of the block, or an earlier frame; and 0, or IMPOSSIBLE when that frame leaves no prefix. Stopped
        at a frame with 0, the tree must be tidied up before going on with that frame.
    """
    for t in range(first, log_probs.shape[0]):
        if state.size[0] + settings.beam > state.nodes.shape[0]:
            return t, 0
        row = log_probs[t]
        tried = choose_units(row, settings.token_threshold, state.tokens, state.probs)
        best = stay(state, row, texts.separator)
        count = 0
        if tried > 0:
            count, best = extend(state, settings, tried, best, phrases, texts, unit_model, word_model)
        if best <= 0.0:
            return t, IMPOSSIBLE
        renew_beam(state, settings, count, best)
    return log_probs.shape[0], 0


@kernel
def choose_units(
    row: NDArray[np.float32], threshold: float, tokens: NDArray[np.int32], probs: NDArray[np.float64]
) -> int:
    """List the units to try in a frame (V,): those above the threshold, or the likeliest if it beats the blank."""
    tried = 0
    likeliest = BLANK
    for token in range(row.shape[0]):
        if token != BLANK and row[token] >= threshold:
            tokens[tried] = token
            tried += 1
        if row[token] > row[likeliest]:
            likeliest = token
    if tried == 0 and likeliest != BLANK:
        tokens[0] = likeliest
        tried = 1
    for position in range(tried):
        probs[tokens[position]] = np.exp(np.float64(row[tokens[position]]))
    return tried


@kernel
def stay(state: State, row: NDArray[np.float32], separator: int) -> float:
    """Probabilities of the prefixes that this frame leaves as they are: a blank, a repeat, or arrival from the parent.

    Returns:
        The highest total.
    """
    blank_prob = np.exp(np.float64(row[BLANK]))
    separator_prob = np.exp(np.float64(row[separator])) if separator != NO_SEPARATOR else 0.0
    best = 0.0
    for slot in range(state.width[0]):
        node = state.nodes[state.beam[slot]]
        token, parent = np.int64(node["token"]), np.int64(node["parent"])
        blank, label = state.blank[slot], state.label[slot]
        next_blank, next_label = (blank + label) * blank_prob, 0.0
        if parent == NONE:
            next_blank += blank * separator_prob  # a separator before the first word is not heard
        else:
            arriving = label
            source = np.int64(state.nodes[parent]["slot"])
            if source >= 0:
                mass = state.blank[source]
                if state.nodes[parent]["token"] != token:  # else only after a blank is it a second one
                    mass += state.label[source]
                arriving += mass * node["gain"]
            if token == separator:
                arriving += blank  # nor is one after another
            next_label = arriving * np.exp(np.float64(row[token]))
        state.next_blank[slot] = next_blank
        state.next_label[slot] = next_label
        state.scores[slot] = next_blank + next_label
        best = max(best, state.scores[slot])
    return best


@kernel
def renew_beam(state: State, settings: Settings, count: int, best: float) -> None:
    """Make the best of the prefixes that stay and of the `count` candidates the beam."""
    width = state.width[0]
    cut = max(best * settings.beam_ratio, SMALLEST)
    ranks = state.scores
    if width + count > settings.beam:
        cut = max(rank(state, settings, count, best), SMALLEST)
        ranks = state.ranks
    scale = 1.0 / best
    state.log_scale[0] += np.log(best)
    kept = 0
    for slot in range(width):
        node = state.beam[slot]
        state.nodes[node]["slot"] = NONE
        if ranks[slot] >= cut and kept < settings.beam:
            state.nodes[node]["slot"] = kept
            state.beam[kept] = node
            state.blank[kept] = state.next_blank[slot] * scale
            state.label[kept] = state.next_label[slot] * scale
            kept += 1
    for index in range(count):
        if ranks[width + index] >= cut and kept < settings.beam:
            node = state.known[index]
            if node == NONE:
                node = np.int32(add_child(state, state.candidates[index]))
            state.nodes[node]["slot"] = kept
            state.beam[kept] = node
            state.blank[kept] = 0.0
            state.label[kept] = state.scores[width + index] * scale
            kept += 1
    state.width[0] = kept
