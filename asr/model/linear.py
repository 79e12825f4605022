"""A linear layer that trains with the products of `products.py` where those are possible.

Shapes: M rows (all frames of a batch), K inputs, N outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from asr.model.products import possible, times, transposed_times


class Linear(nn.Linear):
    """`nn.Linear`: same weights, same names; another order of summation in training on the CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        if not possible(x):
            return super().forward(x)
        return _Linear.apply(x.reshape(-1, x.shape[-1]), self.weight, self.bias).view(*x.shape[:-1], -1)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return times(x, weight.t()) + bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        above = above.contiguous()
        below = times(above, weight) if ctx.needs_input_grad[0] else None
        return below, transposed_times(above, x), above.sum(dim=0)
