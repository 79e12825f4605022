"""In which floating-point type the network computes: autocast, and for float16 the scaling of the loss.

Weights, optimiser and CTC stay float32 whatever is chosen. float16 has so few exponents that small gradients vanish;
the loss is multiplied before the backward pass and the gradient divided after it (Micikevicius et al. 2018).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from asr.errors import TrainingError

Precision = Literal["float32", "bfloat16", "float16"]
LOWEST_SCALE = 1.0  # at and below it an overflow is no fault of the scaling


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context in which the forward pass computes."""
    return torch.autocast(device.type, dtype=_TYPES[precision], enabled=precision != "float32")


def gradient_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler | None:
    """The loss scaling that float16 needs; None for the other types, whose exponents are those of float32.

    Raises:
        TrainingError: this processor has no LSTM in the precision.
    """
    if precision != "float32" and device.type == "cpu" and not _has_lstm(precision, device):
        raise TrainingError("training.precision", f"this CPU has no LSTM in {precision}", "use float32, or a GPU")
    if precision != "float16":
        return None
    scaler = torch.amp.GradScaler(device.type)
    scaler.scale(torch.zeros(1, device=device))  # makes the scale itself, also in a process that gets no batch
    return scaler


def _has_lstm(precision: Precision, device: torch.device) -> bool:
    """oneDNN builds its LSTM for the processor at hand, so the way to know is to ask for one, with its gradient."""
    with torch.random.fork_rng(devices=[]):
        lstm = nn.LSTM(8, 8, batch_first=True).to(device)
    try:
        with autocast(precision, device):
            lstm(torch.zeros(1, 2, 8, device=device))[0].float().sum().backward()
    except RuntimeError:
        return False
    return True


_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
