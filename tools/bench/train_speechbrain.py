"""SpeechBrain's way to train with CTC, with a model of the same sizes out of its own layers.

As its TIMIT recipe does it: a `Brain` whose `fit_batch` runs `compute_forward`, `ctc_loss`, the backward pass, the clip
and the optimiser, around convolutions, `LSTM` and `Linear` of `speechbrain.nnet`. The recipe's `LSTM` gets no lengths,
so that the backward direction reads the padding; given lengths, it packs.

Shapes: B utterances, T feature frames, F mel bins, T' output frames, V units.
"""

from __future__ import annotations

from typing import Any

import speechbrain
import torch
from speechbrain.nnet.activations import Softmax
from speechbrain.nnet.CNN import Conv2d
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.losses import ctc_loss
from speechbrain.nnet.normalization import LayerNorm
from speechbrain.nnet.RNN import LSTM
from torch import Tensor, nn
from train_systems import BINS, LEARNING_RATE, UNITS, System, padded_labels

from asr.batches.examples import Batch
from asr.model.acoustic import AcousticModel

PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


class Equal(nn.Module):
    """Two strided convolutions, a linear layer and LSTMs with layer normalisation and dropout, as in our model."""

    def __init__(self, model: AcousticModel, *, lengths: bool) -> None:
        super().__init__()
        config = model.config
        width = config.input_size
        self.convolutions = nn.ModuleList(
            Conv2d(config.channels, 3, in_channels=channels, stride=(2, 2), padding="same")
            for channels in (1, config.channels)
        )
        self.linear = Linear(width, input_size=config.channels * ((BINS + 3) // 4))
        self.norm = LayerNorm(width)
        self.lstms, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(config.layers):
            self.lstms.append(LSTM(config.hidden, input_size=width, bidirectional=True))
            width = 2 * config.hidden
            self.norms.append(LayerNorm(width))
        self.dropout = nn.Dropout(config.dropout)
        self.output = Linear(UNITS, input_size=width)
        self.softmax = Softmax(apply_log=True)
        self.lengths = lengths

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """(B, T, F) and lengths as shares of T (B,) -> log-probabilities (B, T', V)."""
        x = x.unsqueeze(-1)
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        x = self.norm(self.linear(x.flatten(start_dim=2)))
        for lstm, norm in zip(self.lstms, self.norms, strict=True):
            x = self.dropout(norm(lstm(x, lengths=shares if self.lengths else None)[0]))
        return self.softmax(self.output(x))


class Recogniser(speechbrain.Brain):
    """The recipe's brain: a batch is (features, shares of the longest, targets, shares of the longest)."""

    def compute_forward(self, batch: Any, stage: Any) -> Tensor:
        """Log-probabilities of the batch."""
        return self.modules.model(batch[0].to(self.device), batch[1].to(self.device))

    def compute_objectives(self, predictions: Tensor, batch: Any, stage: Any) -> Tensor:
        """The mean CTC loss."""
        _, shares, targets, target_shares = (part.to(self.device) for part in batch)
        return ctc_loss(predictions, targets, shares, target_shares, blank_index=0)


def system(model: AcousticModel, batch: Batch, device: torch.device, precision: str, *, lengths: bool) -> System:
    """SpeechBrain's model of the same sizes in its trainer; the weights are its own draw."""
    torch.manual_seed(0)
    equal = Equal(model, lengths=lengths).to(device)
    brain = Recogniser(
        modules={"model": equal},
        opt_class=lambda weights: torch.optim.AdamW(weights, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-2),
        run_opts={
            "device": str(device),
            "precision": {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}[precision],
        },
    )
    brain.on_fit_start()
    brain.modules.train()
    labels, label_lengths = padded_labels(batch)
    shares = batch.lengths / batch.features.shape[1]
    prepared = (batch.features, shares, labels, label_lengths / labels.shape[1])
    features = batch.features.to(device)

    def forward() -> Any:
        equal.eval()
        with torch.no_grad():
            return equal(features, shares.to(device))

    def step() -> Any:
        equal.train()
        return brain.fit_batch(prepared)

    return System(equal, forward, step)
