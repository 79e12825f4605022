"""Forward-backward algorithm over the denominator of CTC-CRF for the processor, compiled, in float64.

Shapes: B utterances, T output frames, V units (blank = 0), H nodes, A arcs, `LANES` utterances of a group.

Probabilities are kept as they are, not as logarithms, and each frame's are divided by the sum of the frame before
(Rabiner 1989, "A tutorial on hidden Markov models", section V.A). What falls more than 700 nats behind is lost by that.
It cannot matter, since from every node every unit can follow: no node's future is better than another's by more than
a few steps of the n-gram and a frame.

A few utterances go through the graph side by side, one a lane, so that an arc is read once for all of them and added
for all with one instruction. No lane sees another: an utterance has the same result in any company, to the bit.
"""

from __future__ import annotations

import numpy as np

from asr.kernels.fused import fused

LANES = 4  # float64 numbers in a register of AVX2


@fused
def log_partitions(log_probs, lengths, first, last, graph, log_z, gradient):  # type: ignore[no-untyped-def]
    """Log of the summed weight of all paths, and its gradient with respect to log_probs, for some groups of lanes.

    Args:
        log_probs: (B, T, V) float32; rows beyond a length are not looked at.
        lengths: (B,) int64.
        first, last: range of groups; group g is the utterances from `LANES` g.
        graph: the automaton, a `DenominatorGraph`.
        log_z: (B,) float64, filled.
        gradient: (B, T, V) float32 zeros, filled: the share of the paths that have a unit at a frame; or (0, 0, 0) if
            it is not wanted.
    """
    wanted = len(gradient) > 0
    for group in range(first, last):
        start = group * LANES
        count = min(LANES, len(lengths) - start)
        frames = np.zeros(LANES, np.int64)
        frames[:count] = lengths[start : start + count]
        longest = frames.max()
        emitted = _emissions(log_probs, start, frames, longest)
        labels = np.empty((longest if wanted else 0, len(graph.units), LANES))
        levels, scales = np.zeros((longest + 1, LANES)), np.ones((longest + 1, LANES))
        total = np.full(LANES, np.log(graph.finals[0]))  # of an utterance without frames
        _beginnings(emitted, frames, graph, labels, levels, scales, total)
        log_z[start : start + count] = total[:count]
        if wanted:
            shares = _endings(emitted, frames, graph, labels, levels, total)
            for lane in range(count):
                for t in range(frames[lane]):
                    for unit in range(gradient.shape[2]):
                        gradient[start + lane, t, unit] = shares[t, unit, lane]


@fused
def _emissions(log_probs, start, frames, longest):  # type: ignore[no-untyped-def]
    """Probabilities (T, V + 1, LANES); 0 beyond a length and for the unit V, that of the beginning."""
    units = log_probs.shape[2]
    emitted = np.zeros((longest, units + 1, LANES))
    for lane in range(LANES):
        for t in range(frames[lane]):
            for unit in range(units):
                emitted[t, unit, lane] = np.exp(np.float64(log_probs[start + lane, t, unit]))
    return emitted


@fused
def _beginnings(emitted, frames, graph, labels, levels, scales, total):  # type: ignore[no-untyped-def]
    """Weights of all beginnings that end in a node's unit: labels (T, H, LANES), times exp(levels[t])."""
    nodes = len(graph.units)
    label, blank = np.zeros((nodes, LANES)), np.zeros((nodes, LANES))
    blank[0] = 1.0
    sources = np.empty((2 * nodes, LANES))
    sums = np.empty(LANES)
    for t in range(len(emitted)):
        _gather(label, blank, graph, sources)
        following = labels[t] if len(labels) > 0 else label
        _advance(emitted[t], scales[t], graph, sources, label, blank, following, sums)
        label = following
        for lane in range(LANES):
            if frames[lane] == t + 1:
                end = 0.0
                for node in range(nodes):
                    end += graph.finals[node] * (label[node, lane] + blank[node, lane])
                total[lane] = levels[t, lane] + np.log(end)
            whole = sums[lane] if frames[lane] > t else 1.0
            scales[t + 1, lane] = 1.0 / whole
            levels[t + 1, lane] = levels[t, lane] + np.log(whole)


@fused
def _gather(label, blank, graph, sources):  # type: ignore[no-untyped-def]
    """What leaves each row of sources, with what longer histories leave to it by backing off."""
    nodes = len(label)
    for node in range(nodes):
        for lane in range(LANES):
            sources[node, lane] = label[node, lane] + blank[node, lane]
            sources[nodes + node, lane] = blank[node, lane]
    for edge in range(len(graph.longer)):
        longer, shorter, weight = graph.longer[edge], graph.shorter[edge], graph.backoffs[edge]
        for lane in range(LANES):
            sources[shorter, lane] += weight * sources[longer, lane]
            sources[nodes + shorter, lane] += weight * sources[nodes + longer, lane]


@fused
def _advance(row, scale, graph, sources, label, blank, following, sums):  # type: ignore[no-untyped-def]
    """One frame on: from label and blank to `following` and blank; `sums` is all of them."""
    silence = row[0] * scale
    sums[:] = 0.0
    for node in range(len(graph.units)):
        a0, a1, a2, a3 = label[node, 0], label[node, 1], label[node, 2], label[node, 3]
        for lane in range(LANES):
            blank[node, lane] = (blank[node, lane] + label[node, lane]) * silence[lane]
        for arc in range(graph.arcs_into[node], graph.arcs_into[node + 1]):
            source, weight = graph.sources[arc], graph.weights_into[arc]
            a0 += weight * sources[source, 0]
            a1 += weight * sources[source, 1]
            a2 += weight * sources[source, 2]
            a3 += weight * sources[source, 3]
        unit = graph.units[node]
        following[node, 0] = a0 * row[unit, 0] * scale[0]
        following[node, 1] = a1 * row[unit, 1] * scale[1]
        following[node, 2] = a2 * row[unit, 2] * scale[2]
        following[node, 3] = a3 * row[unit, 3] * scale[3]
        for lane in range(LANES):
            sums[lane] += following[node, lane] + blank[node, lane]


@fused
def _endings(emitted, frames, graph, labels, levels, total):  # type: ignore[no-untyped-def]
    """Go back over all endings; returns the shares of the paths that have a unit at a frame, (T, V, LANES)."""
    nodes, units = len(graph.units), emitted.shape[1] - 1
    label, blank = np.zeros((nodes, LANES)), np.zeros((nodes, LANES))
    entered, rows = np.empty((nodes, LANES)), np.empty((2 * nodes, LANES))
    level, scale = np.zeros(LANES), np.ones(LANES)
    shares = np.zeros((len(emitted), units + 1, LANES))
    for t in range(len(emitted) - 1, -1, -1):
        for lane in range(LANES):
            if frames[lane] == t + 1:
                label[:, lane] = graph.finals
                blank[:, lane] = graph.finals
        _occupy(labels[t], label, graph.units, np.exp(levels[t] + level - total), shares[t])
        if t == 0:
            break
        _sum_up(label, blank, scale)
        level += np.log(scale)
        _enter(emitted[t], scale, graph.units, label, blank, entered)
        _spread(entered, graph, rows)
        for node in range(nodes):
            for lane in range(LANES):
                leave = rows[node, lane]
                label[node, lane] = blank[node, lane] + entered[node, lane] + leave
                blank[node, lane] += leave + rows[nodes + node, lane]
    return shares


@fused
def _occupy(beginnings, endings, units, factor, shares):  # type: ignore[no-untyped-def]
    """Shares of the units from those of the nodes; what is left of the paths has a blank."""
    for node in range(len(units)):
        unit = units[node]
        for lane in range(LANES):
            shares[unit, lane] += beginnings[node, lane] * endings[node, lane] * factor[lane]
    for lane in range(LANES):
        spoken = 0.0
        for unit in range(1, len(shares) - 1):
            spoken += shares[unit, lane]
        shares[0, lane] = max(0.0, 1.0 - spoken)


@fused
def _sum_up(label, blank, sums):  # type: ignore[no-untyped-def]
    """Sums over all states, 1 where there is nothing (yet)."""
    sums[:] = 0.0
    for node in range(len(label)):
        for lane in range(LANES):
            sums[lane] += label[node, lane] + blank[node, lane]
    for lane in range(LANES):
        if sums[lane] == 0.0:
            sums[lane] = 1.0


@fused
def _enter(row, scale, units, label, blank, entered):  # type: ignore[no-untyped-def]
    """Endings from the frame on: of a node's unit to `entered`, of its blank in place."""
    for node in range(len(units)):
        unit = units[node]
        for lane in range(LANES):
            entered[node, lane] = label[node, lane] * row[unit, lane] / scale[lane]
            blank[node, lane] *= row[0, lane] / scale[lane]


@fused
def _spread(entered, graph, rows):  # type: ignore[no-untyped-def]
    """Endings after each row of sources is left, (2 H, LANES)."""
    nodes = len(entered)
    for row in range(2 * nodes):
        a0 = a1 = a2 = a3 = 0.0
        for arc in range(graph.arcs_from[row], graph.arcs_from[row + 1]):
            target, weight = graph.targets[arc], graph.weights_from[arc]
            a0 += weight * entered[target, 0]
            a1 += weight * entered[target, 1]
            a2 += weight * entered[target, 2]
            a3 += weight * entered[target, 3]
        rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3] = a0, a1, a2, a3
    for edge in range(len(graph.longer) - 1, -1, -1):
        longer, shorter, weight = graph.longer[edge], graph.shorter[edge], graph.backoffs[edge]
        for lane in range(LANES):
            rows[longer, lane] += weight * rows[shorter, lane]
            rows[nodes + longer, lane] += weight * rows[nodes + shorter, lane]
