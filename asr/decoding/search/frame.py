"""The inner loop of the prefix beam search, compiled. T: frames, V: units, B: beam width, K: units tried in a frame.

Prefix beam search after Graves & Jaitly (2014, algorithm 1) and Hannun et al. (2014): the probability of a prefix is
split by whether its last frame was a blank, and the factors of language model, lexicon and phrases multiply into it.
What makes it fast:

* probabilities are linear and divided by the best one before they leave the range of floating point, so that the loops
  hold products and sums and no logarithms;
* the units worth trying, the sum of the others, and the prefixes that can reach the beam with a unit are found many at
  a time (`frame_vectors`), and loops have hardly a branch that could not be foretold;
* a prefix whose parent is also in the beam takes over the parent's share through the parent's slot, so that only
  survivors are looked for in the tree;
* the likeliest units come first, so that the best prefixes soon tell which others are not worth collecting;
* where only the best text is wanted, prefixes that can never lead to it any more leave the beam (`dominance`);
* what a prefix is asked in every frame lies in its entry of the beam or in an array, prefixes that stay keep their
  places, and answers of the language model are remembered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.factors import (
    NO_SCORING,
    SCORE_WORDS,
    Fusion,
    inner_bound,
    main_variant,
    set_root,
    set_states,
    word_end_guess,
)
from asr.decoding.knowledge.prefixes import NONE, ROOT, add_child, find_child
from asr.decoding.knowledge.texts import NO_SEPARATOR, NOTHING
from asr.decoding.search.dominance import FEWEST, mark_outdone
from asr.decoding.search.extension import extend, extend_freely
from asr.decoding.search.fetching import expect_edge, expect_state, expect_word
from asr.decoding.search.frame_vectors import sift
from asr.decoding.search.pruning import fill_probabilities, is_normalised, likeliest_unit, sort_tokens
from asr.decoding.search.recombination import future_of, rank
from asr.decoding.search.workspace import ASKED_FIRST, FEW, SEPARATOR_ASKED, Settings, Workspace
from asr.kernels.compile import Integer, inlined
from asr.units import BLANK

SMALLEST = float(np.nextafter(0.0, 1.0))  # above 0
SMALL, LARGE = 1e-60, 1e60  # between these the best prefix needs no rescaling
EVEN = np.float32(-0.69)  # below ln(1/2), so that a unit may beat a blank of this log-probability
NOT_NORMALISED, IMPOSSIBLE = -1, -2


@inlined
def start(ws: Workspace, fusion: Fusion) -> None:
    """Forget what was searched before and begin an utterance: only the empty prefix, with probability 1."""
    set_root(fusion, ws.tree)
    enter(ws, fusion, 0, ROOT)
    entry = ws.beam[0]
    entry["text"] = NOTHING
    ws.blank[0] = 1.0
    ws.label[0] = 0.0
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
    closed = fusion.scoring == SCORE_WORDS and not fusion.open_vocabulary  # then audio may end inside a word everywhere
    spared = 0 if closed or fusion.texts.by_pieces else settings.spared
    free = fusion.scoring == NO_SCORING and not fusion.texts.by_pieces
    for t in range(first, log_probs.shape[0]):
        if ws.tree.size[0] + settings.beam > ws.tree.nodes.shape[0]:
            return t, 0
        row = log_probs[t]
        found, others = sift(row, BLANK + 1, threshold, ws.tokens)
        if found > 0 and FEWEST <= ws.width[0] <= spared:
            drop_outdone(ws, fusion.texts.separator, settings.beam_ratio)
        tried = sort_tokens(ws.tokens, row, found)
        if found == 0 and row[BLANK] < min(threshold, EVEN):
            tried = likeliest_unit(ws.tokens, row)
        ask(ws, fusion, row, tried)
        if not is_normalised(ws.probs[BLANK], ws.weights, found, others, row):
            return t, NOT_NORMALISED
        note_tried(ws, fusion, tried)
        best = stay(ws, fusion, tried, row.shape[0] <= FEW)
        count = 0
        if tried > 0:
            if free:
                count, best = extend_freely(ws, fusion, settings, tried, best)
            else:
                count, best = extend(ws, fusion, settings, tried, best)
            for position in range(tried):
                ws.positions[ws.tokens[position]] = NONE
        if best <= 0.0:
            return t, IMPOSSIBLE
        renew_beam(ws, fusion, settings, tried, count, best)
    return log_probs.shape[0], 0


@inlined
def ask(ws: Workspace, fusion: Fusion, row: NDArray[np.float32], tried: int) -> None:
    """Compute the probabilities that the frame needs: see `Workspace.probs`."""
    if row.shape[0] <= FEW:
        fill_probabilities(row, row.shape[0], ws.probs)
        for position in range(tried):
            ws.weights[position] = ws.probs[ws.tokens[position]]
    else:
        ws.asked[BLANK] = row[BLANK]
        ws.asked[SEPARATOR_ASKED] = row[max(fusion.texts.separator, BLANK)]
        for position in range(tried):
            ws.asked[ASKED_FIRST + position] = row[ws.tokens[position]]
        last = ASKED_FIRST + tried
        for index in range(ws.width[0]):
            ws.asked[last + index] = row[ws.beam[index]["token"]]
        fill_probabilities(ws.asked, last + ws.width[0], ws.probs)
        for position in range(tried):
            ws.weights[position] = ws.probs[ASKED_FIRST + position]


@inlined
def note_tried(ws: Workspace, fusion: Fusion, tried: int) -> None:
    """Note for each of the units to try where in their order it is, and the variant in which it extends a prefix."""
    ws.clock[0] += tried > 0
    for position in range(tried):
        token = np.int64(ws.tokens[position])
        ws.positions[token] = position
        ws.mains[position] = main_variant(fusion, token)


@inlined
def stay(ws: Workspace, fusion: Fusion, tried: int, few: bool) -> float:
    """Probabilities of the prefixes that this frame leaves as they are: a blank, a repeat, or arrival from the parent.

    Args:
        few: whether `ws.probs` holds all units.

    Returns:
        The highest total.
    """
    separator = fusion.texts.separator
    blank_prob, separator_prob = ws.probs[BLANK], ws.probs[max(separator, BLANK) if few else SEPARATOR_ASKED]
    best = 0.0
    for index in range(ws.width[0]):  # with hardly a branch, as which way they go could not be foretold
        entry = ws.beam[index]
        token = entry["token"]
        blank, label = ws.blank[index], ws.label[index]
        found = int(ws.tree.slots[max(entry["parent"], ROOT)])
        arrives = (found >= 0) & (entry["parent"] >= 0)
        slot = max(found, 0)
        mass = ws.blank[slot]
        mass += ws.label[slot] if ws.beam[slot]["token"] != token else 0.0  # else only after a blank is it a second one
        mass *= entry["gain"] if arrives else 0.0
        position = np.int64(ws.positions[token])
        if (position >= 0) & arrives and entry["variant"] == ws.mains[position]:
            ws.taken[np.uint64(slot * tried + position)] = ws.clock[0]
        next_label = (label + mass) * ws.probs[np.uint64(token if few else ASKED_FIRST + tried + index)]
        next_blank = (blank + label) * blank_prob
        if separator != NO_SEPARATOR:  # one after another, or before the first word, leaves the text as it is
            if token == separator:
                next_label += blank * separator_prob
            elif entry["parent"] < 0:
                next_blank += blank * separator_prob
        ws.next_label[index] = next_label
        ws.next_blank[index] = next_blank
        total = next_blank + next_label
        ws.scores[index] = total
        best = max(best, total)
    return best


@inlined
def above(scores: NDArray[np.float64], count: int, floor: float) -> int:
    """How many of the first `count` scores are not below the floor."""
    found = 0
    for index in range(count):
        found += scores[index] >= floor
    return found


@inlined
def renew_beam(ws: Workspace, fusion: Fusion, settings: Settings, tried: int, count: int, best: float) -> None:
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
    drop(ws, ranks, cut)
    kept = ws.width[0]
    for index in range(kept):
        ws.blank[index] = ws.next_blank[index] * scale
        ws.label[index] = ws.next_label[index] * scale
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
        mass = ws.scores[np.uint64(width + chosen)] * scale
        settle(ws, fusion, ws.candidates[chosen], np.uint64(kept + number), mass)
    ws.width[0] = kept + entering


@inlined
def choose(ws: Workspace, settings: Settings, count: int, width: int, ranks: NDArray[np.float64], cut: float) -> int:
    """List the candidates that enter the beam; returns how many. `width`: of the beam before any were dropped."""
    entering = 0
    places = settings.beam - ws.width[0]
    for index in range(count):
        ws.chosen[entering] = index
        entering += (ranks[np.uint64(width + index)] >= cut) & (entering < places)
    return entering


@inlined
def drop(ws: Workspace, ranks: NDArray[np.float64], cut: float) -> None:
    """Take prefixes that rank below `cut` out of the beam; the last ones fill their places."""
    width = ws.width[0]
    dropped = 0
    for index in range(width):
        ws.listed[dropped] = index
        dropped += ranks[index] < cut
    for number in range(dropped - 1, -1, -1):  # from the back, so that the last prefix is one that stays, or this one
        slot = ws.listed[number]
        width -= 1
        ws.tree.slots[ws.beam[slot]["node"]] = NONE
        if slot < width:
            last = np.uint64(width)
            ws.tree.slots[ws.beam[last]["node"]] = slot
            ws.beam[slot] = ws.beam[last]
            ws.blank[slot] = ws.blank[last]
            ws.label[slot] = ws.label[last]
            ws.next_blank[slot] = ws.next_blank[last]
            ws.next_label[slot] = ws.next_label[last]
    ws.width[0] = width


@inlined
def drop_outdone(ws: Workspace, separator: int, beam_ratio: float) -> None:
    """Take prefixes out of the beam that can never be the best again: see `dominance.outdoes`."""
    if mark_outdone(ws, separator, beam_ratio):
        drop(ws, ws.ranks, 1.0)


@inlined
def settle(ws: Workspace, fusion: Fusion, candidate: NDArray[np.void], slot: Integer, mass: float) -> None:
    """Give a candidate a slot in the beam, and a node in the tree if it has none yet."""
    parent, variant = np.int64(candidate["parent"]), candidate["variant"]
    token = ws.tokens[candidate["position"]]
    child = find_child(ws.tree, parent, token, variant)
    if child == NONE:
        child = np.int64(add_child(ws.tree, parent, token, variant, candidate["gain"]))
        set_states(fusion, ws.tree, child)
        expect_word(fusion, ws.tree, child)
    enter(ws, fusion, slot, np.uint64(child))
    entry = ws.beam[slot]
    entry["text"] = candidate["text"]
    ws.blank[slot] = 0.0
    ws.label[slot] = mass
    if entry["gain"] != candidate["gain"]:  # which was a guess
        ws.label[slot] *= entry["gain"] / candidate["gain"]


@inlined
def enter(ws: Workspace, fusion: Fusion, slot: Integer, index: Integer) -> None:
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
