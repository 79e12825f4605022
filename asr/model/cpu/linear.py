"""A linear layer that trains with the products of `products.py` where those are possible.

Shapes: M rows (all frames of a batch), K inputs, N outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from asr.model.bfloat16 import rounding
from asr.model.cpu.products import possible, real_rows, times, transposed_times


class Linear(nn.Linear):
    """`nn.Linear`: same weights, same names; another order of summation in training on the CPU.

    Within autocast to bfloat16, where `bfloat16.rounding`, factors are rounded and the output is float32.
    """

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(..., K) -> (..., N).

        Args:
            x: any shape; (B, T, K) with lengths.
            lengths: (B,) int64; with them the frames beyond are unspecified, and are taken to get no gradient.
        """
        if not possible(x):
            return super().forward(x)
        return linear(x, self.weight, self.bias, lengths)


def linear(x: Tensor, weight: Tensor, bias: Tensor, lengths: Tensor | None = None) -> Tensor:
    """What `Linear` computes where it is `possible`, with weights (N, K) and bias (N,) from elsewhere."""
    rows = None if lengths is None else real_rows(lengths.numpy(), x.shape[1])
    return _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias, rows).view(*x.shape[:-1], -1)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, rows: np.ndarray | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.rows, ctx.rounded = rows, rounding()
        return times(x, weight.t(), rows, rounded=ctx.rounded) + bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        above = above.contiguous()
        below = times(above, weight, ctx.rows, rounded=ctx.rounded) if ctx.needs_input_grad[0] else None
        return below, *transposed_times(above, x, ctx.rows, rounded=ctx.rounded), None
