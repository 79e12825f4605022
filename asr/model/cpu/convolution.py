"""The front end's two convolutions for training on the CPU, over the real frames alone.

Shapes: B utterances, T frames, F bins, T2 and F2 after both convolutions, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from asr.model.cpu import convolution_kernel
from asr.model.cpu.convolution_kernel import KERNEL, PATCH
from asr.model.cpu.products import in_parallel
from asr.model.cpu.tiles import PANEL, pack


def convolutions_fit(x: Tensor, channels: int) -> bool:
    """Whether `convolutions` can compute it: channels fill whole panels, and no gradient of the input is asked for."""
    return channels % PANEL == 0 and not x.requires_grad


def convolutions(x: Tensor, lengths: Tensor, first: nn.Conv2d, second: nn.Conv2d) -> Tensor:
    """ReLU of the second convolution of the ReLU of the first.

    Args:
        x: (B, T, F) float32; what lies beyond a length is taken as zero.
        lengths: (B,) int64.
        first: from 1 to C channels, 3 x 3, padding 1, stride 2 in frequency.
        second: from C to C channels, likewise.

    Returns:
        (B, T2, F2, C), zero beyond the reduced lengths.
    """
    strides = (first.stride[0], second.stride[0])
    return _Convolutions.apply(x, lengths, strides, first.weight, first.bias, second.weight, second.bias)


class _Convolutions(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        lengths: Tensor,
        strides: tuple[int, int],
        w_1: Tensor,
        b_1: Tensor,
        w_2: Tensor,
        b_2: Tensor,
    ) -> Tensor:
        batch, frames, bins = x.shape
        channels = len(w_1)
        frames_1, bins_1 = -(-frames // strides[0]), -(-bins // 2)
        middle = x.new_empty((batch, frames_1, bins_1 + 2, channels))
        out = x.new_zeros((batch, -(-frames_1 // strides[1]), -(-bins_1 // 2), channels))
        weights = pack(w_1.view(channels, PATCH).t()), pack(w_2.permute(2, 3, 1, 0).reshape(-1, channels))
        arguments = (
            lengths.numpy(), strides, weights, (b_1.detach().numpy(), b_2.detach().numpy()),
            middle.numpy(), out.numpy(),
        )  # fmt: skip
        source = x.contiguous().numpy()
        in_parallel(lambda a, b: convolution_kernel.forward(source, a, b, *arguments), batch, 1)
        ctx.save_for_backward(x, middle, out, w_2)
        ctx.lengths, ctx.strides = lengths, strides
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        x, middle, out, w_2 = ctx.saved_tensors
        batch, channels, panels = len(x), len(w_2), len(w_2) // PANEL
        # (output panel, its channels, kernel, input panel, its channels) -> (output panel, kernel, input panel, ...)
        turned = w_2.permute(0, 2, 3, 1).reshape(panels, PANEL, PATCH, panels, PANEL).permute(0, 2, 3, 1, 4)
        to_weights = x.new_zeros((batch, PATCH, channels)), x.new_zeros((batch, panels, PATCH * channels, PANEL))
        to_biases = x.new_zeros((batch, channels)), x.new_zeros((batch, channels))
        arguments = (
            ctx.lengths.numpy(), ctx.strides, turned.reshape(-1).numpy(), middle.numpy(), out.numpy(),
            above.contiguous().numpy(), _arrays(to_weights), _arrays(to_biases),
        )  # fmt: skip
        source = x.contiguous().numpy()
        in_parallel(lambda a, b: convolution_kernel.backward(source, a, b, *arguments), batch, 1)
        first = to_weights[0].sum(dim=0).t().reshape(channels, 1, KERNEL, KERNEL)
        second = to_weights[1].sum(dim=0).view(panels, KERNEL, KERNEL, channels, PANEL)
        second = second.permute(0, 4, 3, 1, 2).reshape(w_2.shape)
        return None, None, None, first, to_biases[0].sum(dim=0), second, to_biases[1].sum(dim=0)


def _arrays(tensors: Sequence[Tensor]) -> tuple[Any, ...]:
    return tuple(tensor.numpy() for tensor in tensors)
