"""The inner loop of the prefix beam search, compiled. T: frames, V: units, B: beam width, K: units tried in a frame.

Prefix beam search after Graves & Jaitly (2014, algorithm 1) and Hannun et al. (2014): the probability of a prefix is
split by whether its last frame was a blank, and the factors of language model, lexicon and phrases multiply into it.
What makes it fast:

* probabilities are linear and divided by the best one after every frame, so that the loops hold products and sums and
  no logarithms, and no length of input underflows;
* a prefix whose parent is also in the beam takes over the parent's share through the parent's slot, so that only
  survivors that are new need the hash table;
* the units of a frame are sorted, and a prefix stops trying them at the first that cannot reach the beam any more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.beam_workspace import Settings, Workspace
from asr.decoding.fusion import Fusion, arc_bound, arc_gain, last_variant, main_variant, set_root, set_states
from asr.decoding.jit import inlined, kernel
from asr.decoding.prefix_tree import NONE, ROOT, add_child, clear, find_child
from asr.units import BLANK

SHELL_GAPS = (1750, 701, 301, 132, 57, 23, 10, 4, 1)
SMALLEST_LOG_PROB = -690.0  # exp() of anything lower is taken as 0, as is the result of -inf


@kernel
def start(ws: Workspace, fusion: Fusion) -> None:
    """Forget what was searched before and begin an utterance: only the empty prefix, with probability 1."""
    clear(ws.tree)
    set_root(fusion, ws.tree)
    ws.beam[0]["node"] = ROOT
    ws.beam[0]["parent"] = NONE
    ws.beam[0]["token"] = BLANK  # which no unit repeats
    ws.beam[0]["blank"] = 1.0
    ws.beam[0]["label"] = 0.0
    ws.width[0] = 1
    ws.log_scale[0] = 0.0


@kernel
def advance(ws: Workspace, fusion: Fusion, settings: Settings, log_probs: NDArray[np.float32], first: int) -> int:
    """Search through frames `first`, `first` + 1, ... of a block.

    Returns:
        T at the end of the block; an earlier frame when the tree must be tidied up before going on with that frame;
        -1 - t when no prefix is possible any more at frame t.
    """
    for t in range(first, log_probs.shape[0]):
        if ws.tree.size[0] + settings.beam > ws.tree.nodes.shape[0]:
            return t
        ws.clock[0] += 1
        row = log_probs[t]
        tried = select_tokens(ws, row, settings.token_threshold)
        best = stay(ws, fusion, row)
        count, best = extend(ws, fusion, settings, tried, best)
        if best <= 0.0:
            return -1 - t
        renew_beam(ws, fusion, settings, count, best)
        ws.log_scale[0] += np.log(best)
    return log_probs.shape[0]


@inlined
def probability(ws: Workspace, row: NDArray[np.float32], token: int) -> float:
    """Probability of a unit in this frame, computed once a frame at most and only when somebody asks."""
    if ws.stamps[token] != ws.clock[0]:
        ws.stamps[token] = ws.clock[0]
        ws.positions[token] = NONE
        ws.probs[token] = np.exp(np.float64(row[token])) if row[token] > SMALLEST_LOG_PROB else 0.0
    return ws.probs[token]


@inlined
def select_tokens(ws: Workspace, row: NDArray[np.float32], threshold: float) -> int:
    """List the units worth trying, most probable first.

    These are the units at or above the threshold; when there is none, the most probable unit if it beats the blank.
    """
    count = 0
    for token in range(BLANK + 1, row.shape[0]):
        if row[token] >= threshold:
            ws.tokens[count] = token
            count += 1
    if count == 0:
        token = int(1 + np.argmax(row[1:])) if row.shape[0] > 1 and row[BLANK] < -0.5 else BLANK
        if row[token] <= row[BLANK]:
            return 0
        ws.tokens[0] = token
        count = 1
    sort_tokens(ws.tokens[:count], row)
    for position in range(count):
        token = ws.tokens[position]
        probability(ws, row, token)
        ws.positions[token] = position
    return count


@kernel
def sort_tokens(tokens: NDArray[np.int32], row: NDArray[np.float32]) -> None:
    """Sort units by falling log-probability, in place (Shell 1959, with the gaps of Ciura 2001)."""
    for gap in SHELL_GAPS:
        for index in range(gap, tokens.shape[0]):
            token = tokens[index]
            value = row[token]
            place = index
            while place >= gap and row[tokens[place - gap]] < value:
                tokens[place] = tokens[place - gap]
                place -= gap
            tokens[place] = token


@inlined
def stay(ws: Workspace, fusion: Fusion, row: NDArray[np.float32]) -> float:
    """Probabilities of the prefixes that this frame leaves as they are: a blank, a repeat, or arrival from the parent.

    Returns:
        The highest total.
    """
    blank_prob = probability(ws, row, BLANK)
    best = 0.0
    for index in range(ws.width[0]):
        entry = ws.beam[index]
        token = entry["token"]
        label_prob = probability(ws, row, token)
        next_label = entry["label"] * label_prob
        slot = ws.tree.slots[entry["parent"]] if entry["parent"] >= 0 else NONE
        if slot >= 0:
            node = ws.tree.nodes[entry["node"]]
            source = ws.beam[slot]
            mass = source["blank"]
            if source["token"] != token:  # else only a blank in between makes a second one
                mass += source["label"]
            next_label += mass * label_prob * node["gain"]
            if ws.positions[token] >= 0 and node["variant"] == main_variant(fusion, token):
                ws.taken[slot, ws.positions[token]] = ws.clock[0]
        entry["next_label"] = next_label
        entry["next_blank"] = (entry["blank"] + entry["label"]) * blank_prob
        ws.scores[index] = entry["next_blank"] + next_label
        best = max(best, ws.scores[index])
    return best


@inlined
def extend(ws: Workspace, fusion: Fusion, settings: Settings, tried: int, best: float) -> tuple[int, float]:
    """Collect the prefixes that this frame's units can make and that are not in the beam.

    Returns:
        Number of candidates, and the highest score among them and the prefixes that stay.
    """
    width = ws.width[0]
    floor = best * settings.beam_ratio
    if width == settings.beam:  # a full beam of prefixes that stay: nothing below the last of them gets in
        floor = max(floor, lowest_stay(ws))
    count = 0
    for index in range(width):
        entry = ws.beam[index]
        parent = entry["node"]
        total = (entry["blank"] + entry["label"]) * arc_bound(fusion, ws.tree, parent)
        for position in range(tried):
            token = np.int64(ws.tokens[position])
            if total * ws.probs[token] < floor:
                break
            mass = entry["blank"]
            if token != entry["token"]:
                mass += entry["label"]
            main = main_variant(fusion, token)
            for variant in range(main, 1 + last_variant(fusion, ws.tree, parent, token)):
                if in_beam(ws, index, position, token, variant, variant == main):
                    continue
                gain = arc_gain(fusion, ws.tree, parent, token, variant)
                score = mass * ws.probs[token] * gain
                if score < floor or score <= 0.0:
                    continue
                if count == ws.candidates.shape[0]:
                    count, floor = thin_out(ws, count, settings.beam, floor)
                    if score < floor:
                        continue
                ws.scores[width + count] = score
                candidate = ws.candidates[count]
                candidate["gain"] = gain
                candidate["parent"] = parent
                candidate["token"] = token
                candidate["variant"] = variant
                count += 1
                if score > best:
                    best = score
                    floor = max(floor, best * settings.beam_ratio)
    return count, best


@inlined
def in_beam(ws: Workspace, index: int, position: int, token: int, variant: int, is_main: bool) -> bool:
    """Whether the prefix that an arc leads to is in the beam already, and so has got this arc's share in `stay`."""
    if is_main:
        return ws.taken[index, position] == ws.clock[0]
    child = find_child(ws.tree, ws.beam[index]["node"], token, variant)
    return child >= 0 and ws.tree.slots[child] >= 0


@inlined
def lowest_stay(ws: Workspace) -> float:
    """The lowest score of the prefixes that stay."""
    lowest = ws.scores[0]
    for index in range(1, ws.width[0]):
        lowest = min(lowest, ws.scores[index])
    return lowest


@kernel
def thin_out(ws: Workspace, count: int, beam: int, floor: float) -> tuple[int, float]:
    """Make room among the candidates by dropping those that the beam has no place for.

    Returns:
        Number of candidates left, and the score below which no other needs to be collected.
    """
    width = ws.width[0]
    floor = max(floor, beam_cut(ws.scores, ws.scratch, width + count, beam))
    kept = 0
    for index in range(count):
        if ws.scores[width + index] >= floor and kept < beam:
            ws.scores[width + kept] = ws.scores[width + index]
            ws.candidates[kept] = ws.candidates[index]
            kept += 1
    return kept, floor


@kernel
def beam_cut(scores: NDArray[np.float64], values: NDArray[np.float64], count: int, beam: int) -> float:
    """The `beam`-th highest of the first `count` scores, by quickselect (Hoare 1961); 0 when they all fit.

    `values` is room to work in.
    """
    if count <= beam:
        return 0.0
    for index in range(count):
        values[index] = scores[index]
    low, high, target = 0, count - 1, beam - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if target <= right:
            high = right
        elif target >= left:
            low = left
        else:
            break
    return values[target]


@inlined
def renew_beam(ws: Workspace, fusion: Fusion, settings: Settings, count: int, best: float) -> None:
    """Make the best of the prefixes that stay and of the `count` candidates the beam; divide all by the best."""
    width = ws.width[0]
    cut = max(best * settings.beam_ratio, beam_cut(ws.scores, ws.scratch, width + count, settings.beam))
    scale = 1.0 / best
    kept = 0
    for index in range(width):
        entry = ws.beam[index]
        node = entry["node"]
        if ws.scores[index] < cut or ws.scores[index] <= 0.0 or kept == settings.beam:
            ws.tree.slots[node] = NONE
            continue
        ws.tree.slots[node] = kept
        target = ws.beam[kept]
        target["node"] = node
        target["parent"] = entry["parent"]
        target["token"] = entry["token"]
        target["blank"] = entry["next_blank"] * scale
        target["label"] = entry["next_label"] * scale
        kept += 1
    for index in range(count):
        if ws.scores[width + index] < cut or kept == settings.beam:
            continue
        candidate = ws.candidates[index]
        child = np.int64(find_child(ws.tree, candidate["parent"], candidate["token"], candidate["variant"]))
        if child == NONE:
            child = np.int64(
                add_child(ws.tree, candidate["parent"], candidate["token"], candidate["variant"], candidate["gain"])
            )
            set_states(fusion, ws.tree, child)
        ws.tree.slots[child] = kept
        target = ws.beam[kept]
        target["node"] = child
        target["parent"] = candidate["parent"]
        target["token"] = candidate["token"]
        target["blank"] = 0.0
        target["label"] = ws.scores[width + index] * scale
        kept += 1
    ws.width[0] = kept
