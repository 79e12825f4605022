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

from asr.kernels.compile import COMPILES
from asr.kernels.threads import run_parts
from asr.model import bfloat16
from asr.model.cpu import lstm_kernel
from asr.model.cpu.products import possible, real_rows, times, transposed_times
from asr.model.cpu.tiles import PANEL, pack


def applies(x: Tensor, hidden: int) -> bool:
    """Whether `recurrence` can be used: training on the CPU, with cells that fill whole panels."""
    return possible(x) and 4 * hidden % PANEL == 0


def trains_with_kernels(hidden: int, device: torch.device, precision: str) -> bool:
    """Whether nearly all of a training update is spent in `recurrence` and the kernels beside it.

    In bfloat16 that takes a processor that multiplies it; on others PyTorch computes.
    """
    lowered = precision == "bfloat16" and bfloat16.AVAILABLE
    return (
        COMPILES
        and device.type == "cpu"
        and (precision == "float32" or lowered)
        and hidden > 0
        and 4 * hidden % PANEL == 0
    )


def recurrence(x: Tensor, lengths: Tensor, weights: Sequence[Sequence[Tensor]]) -> Tensor:
    """Outputs of a layer in every direction, side by side; zero beyond a length.

    Args:
        x: (B, T, F) float32; within autocast to bfloat16 it and the weights are rounded as factors of products.
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
        ctx.rounded = bfloat16.rounding()
        gates = times(flat, whole.t(), rows, rounded=ctx.rounded)
        cells = x.new_empty((batch * frames, len(states) * hidden))
        outputs = x.new_zeros((batch * frames, len(states) * hidden))
        order = np.argsort(-lengths.numpy(), kind="stable")
        _each_direction(
            lstm_kernel.forward,
            [(_packed(state.t(), ctx.rounded), one.numpy()) for state, one in zip(states, biases, strict=True)],
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
            lstm_kernel.backward, [(_packed(state, ctx.rounded),) for state in states],
            (gates, cells, above.reshape(batch * frames, -1).contiguous()),
            hidden, ctx.order, ctx.lengths.numpy(), frames,
        )  # fmt: skip
        to_input = None
        if ctx.needs_input_grad[0]:
            to_input = times(gates, whole, ctx.rows, rounded=ctx.rounded).view(ctx.shape)
        summed = transposed_times(gates, flat, ctx.rows, rounded=ctx.rounded)
        inputs, biases = (part.split(4 * hidden) for part in summed)
        later = ctx.rows[ctx.rows % frames > 0]  # frames that have one before them in their utterance
        gradients: list[Tensor | None] = [to_input, None]
        for direction, part in enumerate(gates.split(4 * hidden, dim=1)):
            # The recurrence read its own output one step earlier: from the end that is the frame after.
            own = outputs[:, direction * hidden : (direction + 1) * hidden]
            pair = (later, later - 1) if direction == 0 else (later - 1, later)
            recurrent, _ = transposed_times(part, own, *pair, rounded=ctx.rounded)
            gradients += [inputs[direction], recurrent, biases[direction], biases[direction]]
        return tuple(gradients)


def _packed(weight: Tensor, rounded: bool) -> np.ndarray:
    return bfloat16.pack_pairs(weight) if rounded else pack(weight)


def _each_direction(
    kernel: Any, weights: list[tuple[np.ndarray, ...]], arrays: tuple[Tensor, ...], hidden: int,
    order: np.ndarray, lengths: np.ndarray, frames: int,
) -> None:  # fmt: skip
    """Run a kernel on every direction, at the same time where there are several threads."""
    views = [array.detach().numpy() for array in arrays]

    def run(direction: int) -> None:
        kernel(*views, *weights[direction], hidden, order, lengths, frames, direction, direction == 1)

    run_parts([partial(run, direction) for direction in range(len(weights))])
