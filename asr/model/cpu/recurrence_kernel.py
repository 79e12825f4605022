"""The recurrence of one direction of an LSTM layer, forward and backward, compiled for the processor.

Shapes: B utterances, T frames (longest of the batch), H memory cells. Matrices have B * T rows, utterance by utterance;
a direction's gates are 4 * H neighbouring columns: input, forget, cell candidate, output.

What depends on the input alone (W_i x + b) was computed before for all frames at once; so are, afterwards, the
gradients of the weights. What is left is the product with W_h and the cell, frame by frame. Step s of an utterance of n
frames is frame s, or n - 1 - s in reverse; an utterance takes part in its own n steps and in no others. Utterances come
in `order` of falling length, so that those which take part are the first ones.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from asr.kernels.fused import fused, fused_inline
from asr.model.cpu.tiles import PANEL, fetch, move_panel, multiply_panel

GAP = 16  # numbers between rows of work space, so that the rows do not compete for the same cache lines
SATURATED = np.float32(8.0)  # 1 - tanh(8) = 2.3e-7


def lambert(levels: int) -> tuple[tuple[np.float32, ...], tuple[np.float32, ...]]:
    """Coefficients in x^2 of numerator and denominator of tanh(x) / x, rising powers.

    Lambert's continued fraction tanh x = x / (1 + x^2 / (3 + x^2 / (5 + ...))) cut after so many levels. All
    coefficients are positive, so nothing cancels: at 13 levels float32 is exact to 4e-7 of the value, up to 8.
    """
    above, below = [Fraction(2 * levels - 1)], [Fraction(1)]
    for level in range(levels - 1, 0, -1):
        total = [(2 * level - 1) * c for c in above] + [Fraction(0)]
        for power, c in enumerate(below):
            total[power + 1] += c
        above, below = (total if total[-1] else total[:-1]), above
    unit = above[0]
    return tuple(np.float32(c / unit) for c in below), tuple(np.float32(c / unit) for c in above)


_P, _Q = lambert(13)
_HALF, _ONE = np.float32(0.5), np.float32(1.0)


@fused_inline
def _tanh(x):  # type: ignore[no-untyped-def]
    x = min(max(x, -SATURATED), SATURATED)
    y = x * x
    p = _P[0] + y * (_P[1] + y * (_P[2] + y * (_P[3] + y * (_P[4] + y * (_P[5] + y * _P[6])))))
    q = _Q[0] + y * (_Q[1] + y * (_Q[2] + y * (_Q[3] + y * (_Q[4] + y * (_Q[5] + y * _Q[6])))))
    return x * p / q


@fused
def _add_tanh(gate, recurrent):  # type: ignore[no-untyped-def]
    for j in range(len(gate)):
        gate[j] = _tanh(gate[j] + recurrent[j])


@fused
def _add_sigmoid(gate, recurrent):  # type: ignore[no-untyped-def]
    for j in range(len(gate)):
        gate[j] = _HALF + _HALF * _tanh(_HALF * (gate[j] + recurrent[j]))


@fused
def _next_cell(i, f, g, before, cell):  # type: ignore[no-untyped-def]
    for j in range(len(cell)):
        cell[j] = f[j] * before[j] + i[j] * g[j]


@fused
def _output(o, cell, output, state):  # type: ignore[no-untyped-def]
    for j in range(len(cell)):
        value = o[j] * _tanh(cell[j])
        output[j] = value
        state[j] = value


@fused_inline
def _in_turn(count, at, whole):  # type: ignore[no-untyped-def]
    """The utterances whose next frames are to be fetched with the panel at a column, all during the second half.

    Between utterances a processor foresees nothing. Earlier would be too early: the weights push it out again.
    """
    return max(0, count * (2 * at - whole) // whole), max(0, count * (2 * (at + PANEL) - whole) // whole)


@fused
def forward(gates, cells, outputs, packed, bias, hidden, order, lengths, frames, direction, reverse):  # type: ignore[no-untyped-def]
    """Run one direction over a batch.

    Args:
        gates: (B * T, D * 4H) float32; holds W_i x, becomes the activated gates (frames beyond a length stay).
        cells: (B * T, D * H); becomes the memory cells.
        outputs: (B * T, D * H); becomes the outputs.
        packed: `pack` of the transposed W_h, (H, 4H).
        bias: (4H,) both biases together.
        hidden: H.
        order: (B,) rows of the batch by falling length.
        lengths: (B,) frames of each row.
        frames: T.
        direction: d; this direction has the gates from column d * 4H and the cells from column d * H.
        reverse: begin at an utterance's last frame.
    """
    wide, past, directions = 4 * hidden, 1 if reverse else -1, cells.shape[1] // hidden
    cell_step, gate_step = hidden + GAP, wide + GAP
    state = np.zeros(len(order) * cell_step, np.float32)
    recurrent = np.zeros(len(order) * gate_step, np.float32)
    for rank in range(len(order)):
        for at in range(0, wide, PANEL):
            move_panel(recurrent, rank * gate_step + at, bias, at)
    nothing = np.zeros(hidden, np.float32)
    here = slice(direction * hidden, (direction + 1) * hidden)
    flat, flat_cells, flat_outputs = gates.reshape(-1), cells.reshape(-1), outputs.reshape(-1)
    active = len(order)
    for step in range(lengths[order[0]]):
        while lengths[order[active - 1]] <= step:
            active -= 1
        if step:
            for at in range(0, wide, PANEL):
                multiply_panel(recurrent, at, gate_step, bias, at, 0, state, 0, cell_step,
                               packed, at * hidden, hidden, active)  # fmt: skip
                for rank in range(*_in_turn(active, at, wide)):
                    utterance = order[rank]
                    row = utterance * frames + (lengths[utterance] - 1 - step if reverse else step)
                    fetch(flat, (row * directions + direction) * wide, wide)
                    fetch(flat_cells, (row * directions + direction) * hidden, hidden)
                    fetch(flat_outputs, (row * directions + direction) * hidden, hidden)
        for rank in range(active):
            utterance = order[rank]
            row = utterance * frames + (lengths[utterance] - 1 - step if reverse else step)
            gate = gates[row, direction * wide : (direction + 1) * wide]
            added = recurrent[rank * gate_step : rank * gate_step + wide]
            cell = cells[row, here]
            before = cells[row + past, here] if step else nothing
            _add_sigmoid(gate[: 2 * hidden], added[: 2 * hidden])
            _add_tanh(gate[2 * hidden : 3 * hidden], added[2 * hidden : 3 * hidden])
            _add_sigmoid(gate[3 * hidden :], added[3 * hidden :])
            _next_cell(gate[:hidden], gate[hidden : 2 * hidden], gate[2 * hidden : 3 * hidden], before, cell)
            _output(gate[3 * hidden :], cell, outputs[row, here], state[rank * cell_step : rank * cell_step + hidden])


@fused
def _through_output(o, cell, above, later, output_part, cell_part):  # type: ignore[no-untyped-def]
    """Gradient of the output gate, and what the output adds to the gradient of the cell."""
    for j in range(len(o)):
        squashed = _tanh(cell[j])
        total = above[j] + later[j]
        output_part[j] = total * squashed * o[j] * (_ONE - o[j])
        cell_part[j] += total * o[j] * (_ONE - squashed * squashed)


@fused
def _through_candidate(i, g, cell_part, input_part, candidate_part):  # type: ignore[no-untyped-def]
    for j in range(len(i)):
        input_part[j] = cell_part[j] * g[j] * i[j] * (_ONE - i[j])
        candidate_part[j] = cell_part[j] * i[j] * (_ONE - g[j] * g[j])


@fused
def _through_memory(f, before, cell_part, forget_part):  # type: ignore[no-untyped-def]
    for j in range(len(f)):
        forget_part[j] = cell_part[j] * before[j] * f[j] * (_ONE - f[j])
        cell_part[j] *= f[j]


@fused
def backward(gates, cells, above, packed, hidden, order, lengths, frames, direction, reverse):  # type: ignore[no-untyped-def]
    """Gradient of one direction with respect to W_i x + b, after `forward`.

    Args:
        gates: of `forward`; becomes the gradient (frames beyond a length stay).
        above: (B * T, D * H) gradient of the outputs.
        packed: `pack` of W_h, (4H, H).
        cells, hidden, order, lengths, frames, direction, reverse: as in `forward`.
    """
    wide, past, directions = 4 * hidden, 1 if reverse else -1, cells.shape[1] // hidden
    width = len(packed) // wide  # H, filled up to whole panels
    cell_step, gate_step = width + GAP, wide + GAP
    parts = np.zeros(len(order) * gate_step, np.float32)
    later = np.zeros(len(order) * cell_step, np.float32)
    cell_parts = np.zeros(len(order) * cell_step, np.float32)
    nothing, zeros = np.zeros(hidden, np.float32), np.zeros(PANEL, np.float32)
    here = slice(direction * hidden, (direction + 1) * hidden)
    flat, flat_cells, flat_above = gates.reshape(-1), cells.reshape(-1), above.reshape(-1)
    active = 0
    for step in range(lengths[order[0]] - 1, -1, -1):
        for at in range(0, width, PANEL):
            multiply_panel(later, at, cell_step, zeros, 0, 0, parts, 0, gate_step,
                           packed, at * wide, wide, active)  # fmt: skip
            for rank in range(*_in_turn(active, at, width)):
                utterance = order[rank]
                row = utterance * frames + (lengths[utterance] - 1 - step if reverse else step)
                fetch(flat, (row * directions + direction) * wide, wide)
                fetch(flat_cells, (row * directions + direction) * hidden, hidden)
                fetch(flat_above, (row * directions + direction) * hidden, hidden)
        while active < len(order) and lengths[order[active]] > step:
            active += 1
        for rank in range(active):
            utterance = order[rank]
            row = utterance * frames + (lengths[utterance] - 1 - step if reverse else step)
            gate = gates[row, direction * wide : (direction + 1) * wide]
            part = parts[rank * gate_step : rank * gate_step + wide]
            i, f, g, o = gate[:hidden], gate[hidden : 2 * hidden], gate[2 * hidden : 3 * hidden], gate[3 * hidden :]
            cell_part = cell_parts[rank * cell_step : rank * cell_step + hidden]
            before = cells[row + past, here] if step else nothing
            back = later[rank * cell_step : rank * cell_step + hidden]
            _through_output(o, cells[row, here], above[row, here], back, part[3 * hidden :], cell_part)
            _through_candidate(i, g, cell_part, part[:hidden], part[2 * hidden : 3 * hidden])
            _through_memory(f, before, cell_part, part[hidden : 2 * hidden])
            for at in range(0, wide, PANEL):
                move_panel(flat, row * gates.shape[1] + direction * wide + at, parts, rank * gate_step + at)
