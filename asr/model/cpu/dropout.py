"""Dropout (Srivastava et al. 2014) whose draws cost little: four to a random number of 64 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from asr.model.cpu.products import possible
from asr.model.cpu.tiles import compiled

_LEVELS = 1 << 16  # a draw has 16 bits


class Dropout(nn.Dropout):
    """`nn.Dropout` with `p` rounded to 1/65536 on the CPU; elsewhere `nn.Dropout` itself.

    PyTorch draws one number of its Mersenne twister for each element, in float64: a twentieth of a training step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; zeroes elements in training and scales the others so that the expectation stays."""
        dropped = round(self.p * _LEVELS)
        if not self.training or dropped == 0 or x.device.type != "cpu":
            return super().forward(x)
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        least, scale = dropped - _LEVELS // 2, _LEVELS / max(1, _LEVELS - dropped)
        if possible(x):
            return _Dropout.apply(x, draws, least, scale)
        kept = draws[: x.numel()].view(x.shape) >= least
        return x * kept.to(x.dtype).mul_(scale)


class _Dropout(torch.autograd.Function):
    """In one pass over memory each way, and with half of a mask's memory until the second."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, draws: Tensor, least: int, scale: float) -> Tensor:
        ctx.save_for_backward(draws)
        ctx.setting = least, scale
        return _masked(x, draws, *ctx.setting)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None, None]:
        return _masked(above, *ctx.saved_tensors, *ctx.setting), None, None, None


def _masked(x: Tensor, draws: Tensor, least: int, scale: float) -> Tensor:
    x = x.detach().contiguous()
    out = torch.empty_like(x)
    _mask(x.view(-1).numpy(), draws.numpy(), np.int32(least), np.float32(scale), out.view(-1).numpy())
    return out


@compiled
def _mask(x, draws, least, scale, out):  # type: ignore[no-untyped-def]
    for j in range(len(x)):
        out[j] = x[j] * (scale if draws[j] >= least else np.float32(0.0))
