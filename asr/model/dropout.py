"""Dropout (Srivastava et al. 2014) whose draws cost little: four to a random number of 64 bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
        kept = draws[: x.numel()].view(x.shape) >= dropped - _LEVELS // 2
        return x * kept.to(x.dtype).mul_(_LEVELS / max(1, _LEVELS - dropped))
