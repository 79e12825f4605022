"""A stack of (bidirectional) LSTM layers that never sees padding.

Shapes: B utterances, T frames (longest of the batch), F inputs, H memory cells a direction, D outputs.

The backward direction of a padded batch would start inside the padding. Packed sequences avoid that but leave the fused
CPU kernels (about five times slower). Here each direction is a left-aligned LSTM of its own: the backward one reads a
copy in which every utterance is reversed within its own length, so padding always comes after the last real frame and
cannot reach it.

The cell is PyTorch's: input gate, forget gate, cell candidate and output gate of Hochreiter & Schmidhuber (1997) with
the forget gate of Gers et al. (2000), without peepholes:
    i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)     f = sigmoid(W_if x + b_if + W_hf h + b_hf)
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)        o = sigmoid(W_io x + b_io + W_ho h + b_ho)
    c' = f * c + i * g                             h' = o * tanh(c')
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asr.model.training_kernels import training_kernels


def reverse_within_lengths(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each utterance in time within its own length; what lies beyond a length is unspecified.

    Args:
        x: (B, T, F).
        lengths: (B,) int64, each at most T.

    Returns:
        (B, T, F); applying it twice restores every real frame.
    """
    steps = torch.arange(x.shape[1], device=x.device)
    source = (lengths[:, None] - 1 - steps[None, :]).clamp(min=0)
    return x.gather(1, source[:, :, None].expand(-1, -1, x.shape[2]))


class LstmLayer(nn.Module):
    """One layer: one LSTM a direction, optional projection, layer normalisation, dropout."""

    def __init__(
        self,
        input_size: int,
        hidden: int,
        *,
        bidirectional: bool,
        projection: int,
        layer_norm: bool,
        dropout: float,
        forget_bias: float,
    ) -> None:
        super().__init__()
        self.forward_lstm = nn.LSTM(input_size, hidden, batch_first=True)
        self.backward_lstm = nn.LSTM(input_size, hidden, batch_first=True) if bidirectional else None
        width = 2 * hidden if bidirectional else hidden
        self.projection = nn.Linear(width, projection) if projection else None
        self.output_size = projection or width
        self.norm = nn.LayerNorm(self.output_size) if layer_norm else None
        self.dropout = nn.Dropout(dropout)
        for lstm in (self.forward_lstm, self.backward_lstm):
            if lstm is not None:
                _set_forget_bias(lstm, forget_bias)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, F), (B,) -> (B, T, D); frames beyond a length are unspecified."""
        y = self._both_directions(x, lengths)
        if self.projection is not None:
            y = self.projection(y)
        if self.norm is not None:
            y = self.norm(y)
        return self.dropout(y)

    def _both_directions(self, x: Tensor, lengths: Tensor) -> Tensor:
        kernels = training_kernels(x)
        if kernels is not None and kernels.recurrence_fits(self.forward_lstm.hidden_size):
            lstms = [lstm for lstm in (self.forward_lstm, self.backward_lstm) if lstm is not None]
            return kernels.recurrence(x, lengths, [tuple(lstm.parameters()) for lstm in lstms])
        y = self.forward_lstm(x)[0]
        if self.backward_lstm is not None:
            backward = self.backward_lstm(reverse_within_lengths(x, lengths))[0]
            y = torch.cat([y, reverse_within_lengths(backward, lengths)], dim=-1)
        return y


class LstmStack(nn.Module):
    """Layers of LSTMs, each reading the output of the one below.

    Args:
        input_size: F.
        hidden: memory cells per direction, H.
        layers: number of layers.
        bidirectional: also read every utterance from its end.
        projection: width of a linear projection after each layer; 0 is none.
        layer_norm: normalise each layer's output frame by frame (Ba et al. 2016).
        dropout: share of a layer's outputs zeroed in training.
        forget_bias: initial bias of the forget gate; 1 lets gradients through long memories from the first step
            (Gers et al. 2000; Jozefowicz et al. 2015).
    """

    def __init__(
        self,
        input_size: int,
        hidden: int,
        layers: int,
        *,
        bidirectional: bool = True,
        projection: int = 0,
        layer_norm: bool = True,
        dropout: float = 0.0,
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        size = input_size
        for _ in range(layers):
            layer = LstmLayer(
                size,
                hidden,
                bidirectional=bidirectional,
                projection=projection,
                layer_norm=layer_norm,
                dropout=dropout,
                forget_bias=forget_bias,
            )
            self.layers.append(layer)
            size = layer.output_size
        self.output_size = size

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, F), (B,) -> (B, T, D); frames beyond a length are unspecified."""
        return self.at_layers(x, lengths, (len(self.layers),))[0]

    def at_layers(self, x: Tensor, lengths: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """(B, T, F), (B,) -> what each of `layers` (ascending, counted from 1) puts out, (B, T, D)."""
        outputs = []
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x, lengths)
            if number in layers:
                outputs.append(x)
        return outputs


def _set_forget_bias(lstm: nn.LSTM, value: float) -> None:
    """PyTorch adds two bias vectors, each ordered input, forget, cell, output; the whole value goes into one."""
    cells = lstm.hidden_size
    weights = dict(lstm.named_parameters())
    with torch.no_grad():
        weights["bias_ih_l0"][cells : 2 * cells].fill_(value)
        weights["bias_hh_l0"][cells : 2 * cells].zero_()
