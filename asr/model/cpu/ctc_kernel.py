"""Forward-backward algorithm of CTC for the processor: losses and occupancies in float64, compiled.

Shapes: B utterances, T output frames, V units (blank = 0), L labels of a target.

The states of a target are L labels and L + 1 blanks, one before each label and one after the last (Graves et al. 2006,
section 4.1). Probabilities are products of many small numbers; instead of logarithms of sums, which cost most of the
time, the sums themselves are kept and each frame's are divided by the largest of them (section 4.1 there; Rabiner 1989,
"A tutorial on hidden Markov models", section V.A). What is less than exp(-708) of the largest is lost by that. It never
matters where `_UNREACHABLE` holds: what is lost at a frame is at most that small part of the best beginning up to it,
times the best ending from it, and if this is not far above the probability of the target, neither is the part lost.

Where it does not hold at first, which is so as long as a model says little but blanks, every step into a label is
multiplied with one factor. Each path of a target takes exactly L such steps, so the paths keep their shares, but the
beginnings that lag behind lose their lead. If this is not enough either, the utterance is reported, for another
algorithm to compute.
"""

from __future__ import annotations

import numpy as np

from asr.model.cpu.tiles import compiled

_UNREACHABLE = 600.0  # nats; leaves exp(-108) of the probability, shared by the states and frames that may lose


@compiled
def forward_backward(log_probs, first, last, lengths, labels, offsets, losses, gradient, good):  # type: ignore[no-untyped-def]
    """Losses of the utterances from `first` to before `last`, and their gradient with respect to log_probs.

    Args:
        log_probs: (B, T, V) float32.
        first, last: range of utterances.
        lengths: (B,) int64 output frames.
        labels: (sum of L,) int64 targets one after the other.
        offsets: (B + 1,) int64 where they begin.
        losses: (B,) float32, filled.
        gradient: (B, T, V) float32 zeros, filled: minus the probability that a frame has a unit, given the target; or
            (0, 0, 0) if it is not wanted.
        good: (B,) bool, filled; where it is false nothing else is.
    """
    units = np.zeros(log_probs.shape[2], np.int64)
    for row in range(first, last):
        target = labels[offsets[row] : offsets[row + 1]]
        own = gradient[row] if len(gradient) else gradient[0:0].reshape(0, 0)
        loss = _utterance(log_probs[row], lengths[row], target, units, own)
        good[row] = not np.isnan(loss)
        losses[row] = loss


@compiled
def _utterance(log_probs, frames, target, units, gradient):  # type: ignore[no-untyped-def]
    """The loss of one target, NaN where it cannot be computed so."""
    count = len(target)
    if frames < 1:
        return np.nan
    emitted, scales = _emissions(log_probs, frames, target, units)
    steps = np.zeros(count + 1)  # factors of the step from a label to the next without a blank between them
    blanks, spoken = np.zeros((frames, count + 1)), np.zeros((frames, count + 1))
    before = np.zeros(frames)
    favour = 0.0  # nats for a step into a label
    for _ in range(2):
        factor = np.exp(favour)
        for place in range(1, count):
            steps[place] = factor if target[place] != target[place - 1] else 0.0
        total = _beginnings(emitted, scales, factor, steps, blanks, spoken, before)
        excess = np.inf
        if total > -np.inf:
            gradient[:] = np.float32(0.0)
            excess = _endings(emitted, scales, factor, steps, blanks, spoken, before, total, target, gradient)
        if excess <= _UNREACHABLE:
            return favour * count - total
        favour = _price_of_labels(emitted)
    return np.nan


@compiled
def _emissions(log_probs, frames, target, units):  # type: ignore[no-untyped-def]
    """Probabilities of the labels (T, L + 1), the blank last, over each frame's largest, and its logarithm (T,)."""
    count = len(target)
    emitted, scales = np.empty((frames, count + 1)), np.empty(frames)
    distinct = np.empty(count + 1, np.int64)
    places = np.empty(count + 1, np.int64)
    found = 0
    for place in range(count + 1):
        unit = target[place] if place < count else 0
        known = units[unit]  # left by other utterances, so it is believed only if it leads back
        if known >= found or distinct[known] != unit:
            known = units[unit] = found
            distinct[found] = unit
            found += 1
        places[place] = known
    values = np.empty(found)
    for t in range(frames):
        scale = -np.inf
        for k in range(found):
            values[k] = log_probs[t, distinct[k]]
            scale = max(scale, values[k])
        for k in range(found):
            values[k] = np.exp(values[k] - scale)
        for place in range(count + 1):
            emitted[t, place] = values[places[place]]
        scales[t] = scale
    return emitted, scales


@compiled
def _price_of_labels(emitted):  # type: ignore[no-untyped-def]
    """By how many nats the labels are below the blank, as a mean over the frames."""
    frames, count = len(emitted), emitted.shape[1] - 1
    total = 0.0
    for t in range(frames):
        label = 0.0
        for j in range(count):
            label += emitted[t, j]
        total += np.log(max(emitted[t, count], 1e-30) / max(label / max(count, 1), 1e-30))
    return total / frames


@compiled
def _beginnings(emitted, scales, factor, steps, blanks, spoken, before):  # type: ignore[no-untyped-def]
    """Probabilities of all beginnings that end in a state: (T, L + 1) of blanks and of labels, scaled.

    Fills `before` with the logarithm of what each frame's unscaled sums are to be multiplied with. Returns the
    logarithm of the target's probability.
    """
    frames, count = len(emitted), emitted.shape[1] - 1
    blanks[0], spoken[0] = 0.0, 0.0
    blanks[0, 0] = emitted[0, count]
    if count:
        spoken[0, 0] = emitted[0, 0] * factor
    level = before[0] = scales[0]
    for t in range(frames):
        blank, label, row = blanks[t], spoken[t], emitted[t]
        if t:
            level += scales[t]
            before[t] = level
            _advance(blanks[t - 1], spoken[t - 1], factor, steps, row, blank, label)
        largest = max(_largest(blank), _largest(label))
        if not largest > 0.0:
            return np.nan
        _scale(blank, 1.0 / largest)
        _scale(label, 1.0 / largest)
        level += np.log(largest)
    ends = blanks[frames - 1, count] + (spoken[frames - 1, count - 1] if count else 0.0)
    return level + np.log(ends) if ends > 0.0 else -np.inf


@compiled
def _advance(old_blank, old_label, factor, steps, row, blank, label):  # type: ignore[no-untyped-def]
    count = len(row) - 1
    silence = row[count]
    blank[0] = old_blank[0] * silence
    for j in range(count):
        blank[j + 1] = (old_blank[j + 1] + old_label[j]) * silence
    if count:
        label[0] = (old_label[0] + old_blank[0] * factor) * row[0]
    for j in range(1, count):
        label[j] = (old_label[j] + old_blank[j] * factor + old_label[j - 1] * steps[j]) * row[j]


@compiled
def _endings(emitted, scales, factor, steps, blanks, spoken, before, total, target, gradient):  # type: ignore[no-untyped-def]
    """Go back over all endings and fill the gradient.

    Returns:
        By how much, in nats, the best beginning and the best ending at a frame, joined or not, exceed the target.
    """
    frames, count = len(emitted), emitted.shape[1] - 1
    blank, label = np.zeros(count + 1), np.zeros(count + 1)  # endings after a state at this frame
    next_blank, next_label = np.zeros(count + 1), np.zeros(count + 1)
    blank[count] = 1.0
    if count:
        label[count - 1] = 1.0
    level, excess = 0.0, -np.inf
    for t in range(frames - 1, -1, -1):
        excess = max(excess, before[t] + level - total)
        if len(gradient) and not _occupy(blanks[t], spoken[t], blank, label, target, gradient[t]):
            return np.inf
        if t:
            largest = max(_largest(blank), _largest(label))
            if not largest > 0.0:
                return np.inf
            _retreat(blank, label, factor, steps, emitted[t], next_blank, next_label, 1.0 / largest)
            blank, next_blank = next_blank, blank
            label, next_label = next_label, label
            level += np.log(largest) + scales[t]
    return excess


@compiled
def _retreat(old_blank, old_label, factor, steps, row, blank, label, scale):  # type: ignore[no-untyped-def]
    count = len(row) - 1
    silence = row[count] * scale
    for j in range(count):
        old_label[j] *= row[j] * scale
    for j in range(count + 1):
        old_blank[j] *= silence
    for j in range(count + 1):
        blank[j] = old_blank[j] + old_label[j] * factor  # old_label[count] is zero
    for j in range(count):
        label[j] = old_label[j] + old_blank[j + 1] + old_label[j + 1] * steps[j + 1]


@compiled
def _occupy(blanks, spoken, blank, label, target, gradient):  # type: ignore[no-untyped-def]
    """Subtract each state's share of the paths; False where nothing is left of them."""
    silent = 0.0
    whole = 0.0
    for j in range(len(blank)):
        silent += blanks[j] * blank[j]
    for j in range(len(target)):
        label_share = spoken[j] * label[j]
        whole += label_share
    whole += silent
    if not whole > 0.0:
        return False
    gradient[0] -= silent / whole
    for j in range(len(target)):
        gradient[target[j]] -= spoken[j] * label[j] / whole
    return True


@compiled
def _largest(values):  # type: ignore[no-untyped-def]
    found = 0.0
    for j in range(len(values)):
        found = max(found, values[j])
    return found


@compiled
def _scale(values, factor):  # type: ignore[no-untyped-def]
    for j in range(len(values)):
        values[j] *= factor
