"""Front ends that shorten time before the LSTM stack, exact in padding.

Shapes: B utterances, T feature frames, F mel bins, T' = reduced frames, D outputs.

Every frame beyond an utterance's length is set to zero before each convolution, which is what the utterance alone
would see at its edge; so a batch and its utterances one by one give the same output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.model.training_kernels import training_kernels

# Strides in time of the two convolutions, for each time reduction.
STRIDES = {1: (1, 1), 2: (2, 1), 3: (3, 1), 4: (2, 2), 6: (3, 2)}
KERNEL = 3


def mask_beyond(x: Tensor, lengths: Tensor) -> Tensor:
    """Zero the frames beyond each length. x: (B, T, ...) with time second; lengths: (B,)."""
    inside = torch.arange(x.shape[1], device=x.device)[None, :] < lengths[:, None]
    return x * inside.view(*inside.shape, *([1] * (x.dim() - 2)))


def ceil_divide(lengths: Tensor, divisor: int) -> Tensor:
    """Number of groups of `divisor` frames that cover each length; 0 stays 0."""
    return torch.div(lengths + divisor - 1, divisor, rounding_mode="floor")


class ConvolutionalFrontEnd(nn.Module):
    """Two 3x3 convolutions with ReLU, strided in time and frequency, then a linear layer with layer normalisation.

    With padding 1 a stride s turns n frames into ceil(n / s).
    """

    def __init__(self, bins: int, channels: int, output_size: int, time_reduction: int, layer_norm: bool) -> None:
        super().__init__()
        self.time_strides = STRIDES[time_reduction]
        first, second = self.time_strides
        self.first = nn.Conv2d(1, channels, KERNEL, stride=(first, 2), padding=1)
        self.second = nn.Conv2d(channels, channels, KERNEL, stride=(second, 2), padding=1)
        reduced_bins = (bins + 3) // 4  # halved twice, rounding up
        self.linear = nn.Linear(channels * reduced_bins, output_size)
        self.norm = nn.LayerNorm(output_size) if layer_norm else nn.Identity()

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F), (B,) -> (B, T', D), (B,)."""
        kernels = training_kernels(x)
        if kernels is not None and kernels.convolutions_fit(x, self.first.out_channels):
            return self._after(kernels.convolutions(x, lengths, self.first, self.second), lengths)
        x = mask_beyond(x, lengths)[:, None]
        for layer, stride in zip((self.first, self.second), self.time_strides, strict=True):
            x = torch.relu(layer(x))
            lengths = ceil_divide(lengths, stride)
            x = mask_beyond(x.transpose(1, 2), lengths).transpose(1, 2)
        batch, channels, frames, bins = x.shape
        x = x.transpose(1, 2).reshape(batch, frames, channels * bins)
        return self.norm(self.linear(x)), lengths

    def _after(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What follows the kernels' convolutions: channels are innermost, so the linear layer's weights are turned."""
        for stride in self.time_strides:
            lengths = ceil_divide(lengths, stride)
        bins, channels = x.shape[2:]
        weight = self.linear.weight.unflatten(1, (channels, bins)).transpose(1, 2).flatten(1)
        return self.norm(nn.functional.linear(x.flatten(2), weight, self.linear.bias)), lengths


class StackingFrontEnd(nn.Module):
    """Frames glued together in groups, then a linear layer with layer normalisation; the cheapest front end."""

    def __init__(self, bins: int, output_size: int, time_reduction: int, layer_norm: bool) -> None:
        super().__init__()
        self.time_reduction = time_reduction
        self.linear = nn.Linear(bins * time_reduction, output_size)
        self.norm = nn.LayerNorm(output_size) if layer_norm else nn.Identity()

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F), (B,) -> (B, T', D), (B,); a last group that is not full is completed with zeros."""
        x = mask_beyond(x, lengths)
        batch, frames, bins = x.shape
        missing = -frames % self.time_reduction
        x = nn.functional.pad(x, (0, 0, 0, missing))
        x = x.reshape(batch, (frames + missing) // self.time_reduction, bins * self.time_reduction)
        lengths = ceil_divide(lengths, self.time_reduction)
        return self.norm(self.linear(x)), lengths
