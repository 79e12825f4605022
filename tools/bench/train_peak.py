"""How fast this machine multiplies matrices, and how many multiplications a model needs.

A multiplication with its addition counts as two operations. Shapes: F inputs, H memory cells a direction.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from asr.model.acoustic import AcousticModel

SIZES = ((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (4000, 512, 2048))
Clock = Callable[[], float]


def matmul_peak(device: torch.device, dtype: torch.dtype, clock: Clock, rounds: int = 5) -> dict[str, float]:
    """Operations a second of the best size of square and of model-like products, by every library that torch brings.

    `torch.mm` is what users call; on the CPU that is MKL, which on other processors than Intel's reaches half of what
    oneDNN reaches. The peak of the machine is the best of all.
    """
    speeds: dict[str, float] = {}
    for rows, depth, columns in SIZES:
        x = torch.randn(rows, depth, device=device, dtype=dtype)
        w = torch.randn(columns, depth, device=device, dtype=dtype)
        operations = 2 * rows * depth * columns
        repeats = max(1, round((2e9 if device.type == "cpu" else 2e12) / operations))
        for name, product in _products(x, w).items():
            speed = operations * repeats / _median(product, repeats, clock, rounds)
            speeds[name] = max(speeds.get(name, 0.0), speed)
    return speeds


def _products(x: Tensor, w: Tensor) -> dict[str, Callable[[], Any]]:
    products: dict[str, Callable[[], Any]] = {"torch.mm": lambda: torch.mm(x, w.t())}
    if x.device.type == "cpu" and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        products["oneDNN"] = lambda: torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")
    return products


def _median(product: Callable[[], Any], repeats: int, clock: Clock, rounds: int) -> float:
    spent = []
    for _ in range(rounds + 1):
        begun = clock()
        for _ in range(repeats):
            product()
        spent.append(clock() - begun)
    return statistics.median(spent[1:])


def lstm_operations(model: AcousticModel, frames: int) -> float:
    """Of the matrix products of all LSTM layers, forward, over so many real frames (padding does not count)."""
    total = 0
    for layer in model.stack.layers:
        for lstm in (layer.forward_lstm, layer.backward_lstm):
            if lstm is not None:
                total += 2 * 4 * lstm.hidden_size * (lstm.input_size + lstm.hidden_size)
    return float(total * frames)


def other_operations(model: AcousticModel, frames: int, bins: int) -> float:
    """Of the convolutions, the linear layer after them and the output layer, forward, over so many output frames."""
    total = 2 * model.output.in_features * model.output.out_features
    total += 2 * model.front_end.linear.in_features * model.front_end.linear.out_features
    strides = getattr(model.front_end, "time_strides", ())
    convolutions = [part for part in model.front_end.children() if isinstance(part, nn.Conv2d)]
    for number, part in enumerate(convolutions):
        bins = -(-bins // part.stride[1])
        later = 1
        for stride in strides[number + 1 :]:
            later *= stride
        weights = part.in_channels * part.out_channels * part.kernel_size[0] * part.kernel_size[1]
        total += 2 * weights * bins * later
    return float(total * frames)
