"""The acoustic model: features in, log-probabilities of the units out.

Shapes: B utterances, T feature frames, F mel bins, T' output frames, V units (blank = 0).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asr.config.sections import ModelConfig
from asr.model.front_end import ConvolutionalFrontEnd, StackingFrontEnd
from asr.model.lstm import LstmStack
from asr.units import BLANK


class AcousticModel(nn.Module):
    """Front end, LSTM stack and linear output layer.

    Where units are few, chance may begin with the blank behind them: then CTC can settle on alignments with hardly a
    blank, in which units last through the silence and equal neighbours merge. A `blank_bias` has every frame begin as
    blank, and units rise from it where they are heard.

    Args:
        config: sizes and kinds.
        bins: features a frame, F.
        units: size of the inventory with the blank, V.
    """

    def __init__(self, config: ModelConfig, bins: int, units: int) -> None:
        super().__init__()
        self.config = config
        self.front_end: nn.Module
        if config.front_end == "convolution":
            self.front_end = ConvolutionalFrontEnd(
                bins, config.channels, config.input_size, config.time_reduction, config.layer_norm
            )
        else:
            self.front_end = StackingFrontEnd(bins, config.input_size, config.time_reduction, config.layer_norm)
        self.stack = LstmStack(
            config.input_size,
            config.hidden,
            config.layers,
            bidirectional=config.bidirectional,
            projection=config.projection,
            layer_norm=config.layer_norm,
            dropout=config.dropout,
            forget_bias=config.forget_bias,
        )
        self.output = nn.Linear(self.stack.output_size, units)
        if config.blank_bias:
            with torch.no_grad():
                self.output.bias[BLANK] += config.blank_bias

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of every unit at every output frame.

        Args:
            features: (B, T, F), padded with anything.
            lengths: (B,) int64 frames of each utterance; 0 is allowed.

        Returns:
            log_probs (B, T', V) float32, each real row normalised, and their lengths (B,) int64. Rows beyond a length
            are unspecified.
        """
        log_probs, lengths = self.at_layers(features, lengths, (self.config.layers,))
        return log_probs[0], lengths

    def at_layers(self, features: Tensor, lengths: Tensor, layers: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        """What the output layer reads off several LSTM layers, which it can because all have one width.

        Args:
            features: (B, T, F), padded with anything.
            lengths: (B,) int64.
            layers: ascending, counted from 1; only the last is trained to be read unless intermediate layers are.

        Returns:
            For each layer log_probs (B, T', V) as `forward` gives them, and the lengths (B,).
        """
        if features.shape[1] == 0:
            empty = features.new_zeros((len(features), 0, self.output.out_features))
            return [empty] * len(layers), torch.zeros_like(lengths)
        x, lengths = self.front_end(features, lengths)
        outputs = self.stack.at_layers(x.to(self.stack_type), lengths, layers)
        return [self.output(y.to(x.dtype)).float().log_softmax(dim=-1) for y in outputs], lengths

    @property
    def stack_type(self) -> torch.dtype:
        """Type in which the LSTM stack computes."""
        return next(self.stack.parameters()).dtype

    def make_batch_invariant(self) -> None:
        """Compute the LSTM stack in float64 from now on, so that the batch size cannot be seen in the result.

        In float32 the matrix kernels chosen for one utterance and for many round differently, and the recurrence
        carries that on: log-probabilities differ by up to 1.1e-5 on AN4. In float64 the difference rounds away.
        """
        self.stack.double()

    def parameter_count(self) -> int:
        """Number of trainable weights."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
