"""A bidirectional LSTM layer for training on the CPU: one product for all frames, a compiled recurrence, one product.

Shapes: B utterances, T frames (longest of the batch), F inputs, H memory cells a direction, D directions (1 or 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from asr.kernels.threads import run_parts
from asr.model.cpu import recurrence_kernel
from asr.model.cpu.products import real_rows, times, transposed_times
from asr.model.cpu.tiles import PANEL, pack


def recurrence_fits(hidden: int) -> bool:
    """Whether `recurrence` can compute layers with H = `hidden` cells: their gates fill whole panels."""
    return hidden > 0 and 4 * hidden % PANEL == 0


def recurrence(x: Tensor, lengths: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """Outputs of a layer in every direction, side by side; zero beyond a length.

    Args:
        x: (B, T, F) float32.
        lengths: (B,) int64.
        weights: of each direction W_i (4H, F), W_h (4H, H), b_i (4H,), b_h (4H,); the second reads from the end.

    Returns:
        (B, T, D * H).
    """
    return _Recurrence.apply(x, lengths, *(part for direction in weights for part in direction))


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lengths: Tensor, *weights: Tensor) -> Tensor:
        batch, frames, _ = x.shape
        inputs, states = weights[0::4], weights[1::4]
        hidden = states[0].shape[1]
        flat = x.reshape(batch * frames, -1)
        whole = torch.cat(inputs)
        biases = [first + second for first, second in zip(weights[2::4], weights[3::4], strict=True)]
        rows = real_rows(lengths.numpy(), frames)
        gates = times(flat, whole.t(), rows)
        cells = x.new_empty((batch * frames, len(states) * hidden))
        outputs = x.new_zeros((batch * frames, len(states) * hidden))
        order = np.argsort(-lengths.numpy(), kind="stable")
        _each_direction(
            recurrence_kernel.forward,
            [(pack(state.t()), one.numpy()) for state, one in zip(states, biases, strict=True)],
            (gates, cells, outputs), hidden, order, lengths.numpy(), frames,
        )  # fmt: skip
        ctx.save_for_backward(flat, whole, outputs, gates, cells, *states)
        ctx.order, ctx.rows, ctx.lengths, ctx.shape, ctx.spent = order, rows, lengths, x.shape, False
        return outputs.view(batch, frames, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        flat, whole, outputs, gates, cells, *states = ctx.saved_tensors
        if ctx.spent:
            raise RuntimeError("the gradient of the recurrence can be taken once: its gates have been overwritten")
        ctx.spent = True
        batch, frames, _ = ctx.shape
        hidden = states[0].shape[1]
        _each_direction(
            recurrence_kernel.backward, [(pack(state),) for state in states],
            (gates, cells, above.reshape(batch * frames, -1).contiguous()),
            hidden, ctx.order, ctx.lengths.numpy(), frames,
        )  # fmt: skip
        to_input = None
        if ctx.needs_input_grad[0]:
            to_input = times(gates, whole, ctx.rows).view(ctx.shape)
        summed = transposed_times(gates, flat, ctx.rows)
        inputs, biases = (part.split(4 * hidden) for part in summed)
        later = ctx.rows[ctx.rows % frames > 0]  # frames that have one before them in their utterance
        gradients: list[Tensor | None] = [to_input, None]
        for direction, part in enumerate(gates.split(4 * hidden, dim=1)):
            # The recurrence read its own output one step earlier: from the end that is the frame after.
            own = outputs[:, direction * hidden : (direction + 1) * hidden]
            pair = (later, later - 1) if direction == 0 else (later - 1, later)
            recurrent, _ = transposed_times(part, own, *pair)
            gradients += [inputs[direction], recurrent, biases[direction], biases[direction]]
        return tuple(gradients)


def _each_direction(
    kernel: Any, weights: list[tuple[np.ndarray, ...]], arrays: tuple[Tensor, ...], hidden: int,
    order: np.ndarray, lengths: np.ndarray, frames: int,
) -> None:  # fmt: skip
    """Run a kernel on every direction, at the same time where there are several threads."""
    views = [array.detach().numpy() for array in arrays]

    def run(direction: int) -> None:
        kernel(*views, *weights[direction], hidden, order, lengths, frames, direction, direction == 1)

    run_parts([partial(run, direction) for direction in range(len(weights))])
