"""The inner loop of the prefix beam search, compiled. T: frames, V: units, B: beam width, K: units tried in a frame.

Prefix beam search after Graves & Jaitly (2014, algorithm 1) and Hannun et al. (2014): the probability of a prefix is
split by whether its last frame was a blank, and the factors of language model, lexicon and phrases multiply into it.
What makes it fast:

* probabilities are linear and divided by the best one before they leave the range of floating point, so that the loops
  hold products and sums and no logarithms;
* a frame's probabilities are computed, and its sum is checked, many units at a time;
* a prefix whose parent is also in the beam takes over the parent's share through the parent's slot, so that only
  survivors are looked for in the tree;
* the units of a frame are sorted, and a prefix stops trying them at the first that cannot reach the beam any more;
* what a prefix is asked in every frame lies in its entry of the beam, prefixes that stay keep their places, and answers
  of the language model are remembered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.beam_extension import extend, extend_freely
from asr.decoding.beam_workspace import Settings, Workspace
from asr.decoding.fetching import expect_edge, expect_state, expect_word
from asr.decoding.fusion import (
    NO_SCORING,
    SCORE_WORDS,
    Fusion,
    inner_bound,
    main_variant,
    set_root,
    set_states,
    word_end_guess,
)
from asr.decoding.jit import Integer, inlined
from asr.decoding.posteriors import exponentials, likeliest_unit, list_tokens, probability
from asr.decoding.prefix_tree import NONE, ROOT, add_child, find_child
from asr.decoding.recombination import future_of, rank
from asr.decoding.same_text import NO_SEPARATOR, NOTHING
from asr.units import BLANK

TOLERANCE = 0.0201  # a little more than NORMALISATION_TOLERANCE, so that what fails here fails there
SMALLEST = float(np.nextafter(0.0, 1.0))  # above 0
SMALL, LARGE = 1e-60, 1e60  # between these the best prefix needs no rescaling
EVEN = -0.69  # below ln(1/2), so that a unit may beat a blank of this log-probability
NOT_NORMALISED, IMPOSSIBLE = -1, -2


@inlined
def start(ws: Workspace, fusion: Fusion) -> None:
    """Forget what was searched before and begin an utterance: only the empty prefix, with probability 1."""
    set_root(fusion, ws.tree)
    enter(ws, fusion, 0, ROOT)
    entry = ws.beam[0]
    entry["text"] = NOTHING
    entry["blank"] = 1.0
    entry["label"] = 0.0
    ws.width[0] = 1
    ws.log_scale[0] = 0.0


@inlined
def advance(
    ws: Workspace, fusion: Fusion, settings: Settings, log_probs: NDArray[np.float32], first: int
) -> tuple[int, int]:
    """Search through frames `first`, `first` + 1, ... of a block.

    Returns:
        T at the end of the block, or an earlier frame; and 0, or why it stopped there: NOT_NORMALISED or IMPOSSIBLE.
        Stopped at a frame with 0, the tree must be tidied up before going on with that frame.
    """
    threshold = np.float32(settings.token_threshold)
    free = fusion.scoring == NO_SCORING and not fusion.texts.by_pieces
    for t in range(first, log_probs.shape[0]):
        if ws.tree.size[0] + settings.beam > ws.tree.nodes.shape[0]:
            return t, 0
        row = log_probs[t]
        total, passing = exponentials(row, ws.probs, threshold)
        if not abs(total - 1.0) <= TOLERANCE:  # a NaN compares false, hence the negation
            return t, NOT_NORMALISED
        tried = select_tokens(ws, fusion, row, threshold, passing)
        best, lowest = stay(ws, fusion, row, tried)
        count = 0
        if tried > 0:
            if free:
                count, best = extend_freely(ws, fusion, settings, tried, best, lowest)
            else:
                count, best = extend(ws, fusion, settings, tried, best, lowest)
            for position in range(tried):
                ws.positions[ws.tokens[position]] = NONE
        if best <= 0.0:
            return t, IMPOSSIBLE
        renew_beam(ws, fusion, settings, tried, count, best, lowest)
    return log_probs.shape[0], 0


@inlined
def select_tokens(
    ws: Workspace, fusion: Fusion, row: NDArray[np.float32], threshold: np.float32, passing: np.float32
) -> int:
    """List the units worth trying, most probable first; returns K.

    These are the units at or above the threshold; when there is none, the most probable unit if it beats the blank.
    """
    count = 0
    if passing > 1.0 or (passing > 0.0 and row[BLANK] < threshold):
        count = list_tokens(ws.tokens, row, threshold)
        ws.clock[0] += 1
    elif passing == 0.0 and row[BLANK] < EVEN:
        token = likeliest_unit(row)
        if token != BLANK:
            ws.tokens[0] = token
            ws.clock[0] += 1
            count = 1
    for position in range(count):
        token = np.int64(ws.tokens[position])
        ws.positions[token] = position
        ws.weights[position] = probability(ws.probs, row, token)
        ws.mains[position] = main_variant(fusion, token)
    return count


@inlined
def stay(ws: Workspace, fusion: Fusion, row: NDArray[np.float32], tried: int) -> tuple[float, float]:
    """Probabilities of the prefixes that this frame leaves as they are: a blank, a repeat, or arrival from the parent.

    Returns:
        The highest and the lowest total.
    """
    blank_prob = probability(ws.probs, row, BLANK)
    separator = fusion.texts.separator
    best = 0.0
    lowest = np.inf
    for index in range(ws.width[0]):
        entry = ws.beam[index]
        token = entry["token"]
        label = entry["label"]
        arriving = 0.0
        if entry["parent"] >= 0:
            slot = ws.tree.slots[entry["parent"]]
            if slot >= 0:
                source = ws.beam[slot]
                mass = source["blank"]
                if source["token"] != token:  # else only a blank in between makes a second one
                    mass += source["label"]
                arriving = mass * entry["gain"]
                position = np.int64(ws.positions[token])
                if position >= 0 and entry["variant"] == ws.mains[position]:
                    ws.taken[slot * tried + position] = ws.clock[0]
        next_label = (label + arriving) * probability(ws.probs, row, token)
        next_blank = (entry["blank"] + label) * blank_prob
        if separator != NO_SEPARATOR:  # one after another, or before the first word, leaves the text as it is
            if token == separator:
                next_label += entry["blank"] * probability(ws.probs, row, separator)
            elif entry["parent"] < 0:
                next_blank += entry["blank"] * probability(ws.probs, row, separator)
        entry["next_label"] = next_label
        entry["next_blank"] = next_blank
        total = next_blank + next_label
        ws.scores[index] = total
        best = max(best, total)
        lowest = min(lowest, total)
    return best, lowest


@inlined
def above(scores: NDArray[np.float64], count: int, floor: float) -> int:
    """How many of the first `count` scores are not below the floor."""
    found = 0
    for index in range(count):
        found += scores[index] >= floor
    return found


@inlined
def renew_beam(
    ws: Workspace, fusion: Fusion, settings: Settings, tried: int, count: int, best: float, lowest: float
) -> None:
    """Make the best of the prefixes that stay and of the `count` candidates the beam."""
    width = ws.width[0]
    floor = best * settings.beam_ratio
    ranks, cut = ws.scores, max(floor, SMALLEST)
    full = width + count > settings.beam and above(ws.scores, width + count, floor) > settings.beam
    if full:
        cut = max(rank(ws, settings, tried, count, best), SMALLEST)
        ranks = ws.ranks
    scale = 1.0
    if best < SMALL or best > LARGE:
        scale = 1.0 / best
        ws.log_scale[0] += np.log(best)
    if full or lowest < floor or lowest <= 0.0:
        drop(ws, ranks, cut)
    kept = ws.width[0]
    for index in range(kept):
        entry = ws.beam[index]
        entry["blank"] = entry["next_blank"] * scale
        entry["label"] = entry["next_label"] * scale
    entering = choose(ws, settings, count, width, ranks, cut)
    if fusion.scoring == SCORE_WORDS:
        for number in range(entering):
            candidate = ws.candidates[ws.chosen[number]]
            expect_edge(fusion, ws.tree, candidate["parent"], ws.tokens[candidate["position"]], candidate["variant"])
        for number in range(entering):
            candidate = ws.candidates[ws.chosen[number]]
            expect_state(fusion, ws.tree, candidate["parent"], ws.tokens[candidate["position"]], candidate["variant"])
    for number in range(entering):
        chosen = np.int64(ws.chosen[number])
        settle(ws, fusion, ws.candidates[chosen], kept + number, ws.scores[width + chosen] * scale)
    ws.width[0] = kept + entering


@inlined
def choose(ws: Workspace, settings: Settings, count: int, width: int, ranks: NDArray[np.float64], cut: float) -> int:
    """List the candidates that enter the beam; returns how many. `width`: of the beam before any were dropped."""
    entering = 0
    places = settings.beam - ws.width[0]
    for index in range(count):
        ws.chosen[entering] = index
        entering += (ranks[width + index] >= cut) & (entering < places)
    return entering


@inlined
def drop(ws: Workspace, ranks: NDArray[np.float64], cut: float) -> None:
    """Take prefixes that rank below `cut` out of the beam; the last ones fill their places."""
    width = ws.width[0]
    index = 0
    while index < width:
        if ranks[index] >= cut:
            index += 1
            continue
        ws.tree.slots[ws.beam[index]["node"]] = NONE
        width -= 1
        if index < width:
            ws.beam[index] = ws.beam[width]
            ranks[index] = ranks[width]
            ws.tree.slots[ws.beam[index]["node"]] = index
    ws.width[0] = width


@inlined
def settle(ws: Workspace, fusion: Fusion, candidate: NDArray[np.void], slot: int, mass: float) -> None:
    """Give a candidate a slot in the beam, and a node in the tree if it has none yet."""
    parent, variant = np.int64(candidate["parent"]), candidate["variant"]
    token = ws.tokens[candidate["position"]]
    child = find_child(ws.tree, parent, token, variant)
    if child == NONE:
        child = np.int64(add_child(ws.tree, parent, token, variant, candidate["gain"]))
        set_states(fusion, ws.tree, child)
        expect_word(fusion, ws.tree, child)
    enter(ws, fusion, slot, child)
    entry = ws.beam[slot]
    entry["text"] = candidate["text"]
    entry["blank"] = 0.0
    entry["label"] = mass * (entry["gain"] / candidate["gain"])


@inlined
def enter(ws: Workspace, fusion: Fusion, slot: int, index: Integer) -> None:
    """Put a node in a slot of the beam, all but its probabilities and its text."""
    node = ws.tree.nodes[index]
    ws.tree.slots[index] = slot
    entry = ws.beam[slot]
    entry["node"] = index
    entry["parent"] = node["parent"]
    entry["token"] = node["token"]
    entry["variant"] = node["variant"]
    entry["gain"] = node["gain"]
    entry["future"] = future_of(ws.tree, index)
    entry["inside"] = inner_bound(fusion, ws.tree, index)
    entry["guess"] = word_end_guess(fusion, ws.tree, index)
    entry["ending"] = -1.0
