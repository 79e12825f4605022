"""An exponential moving average of the weights, judged and kept in place of the weights themselves.

After n steps with weights w_1 .. w_n and decay d the average is
    (1 - d) / (1 - d^n) * sum over k of d^(n - k) w_k,
the weighted mean whose warm-up is corrected as Adam corrects its moments (Kingma & Ba 2015): it begins at w_1, not at
the random weights before the first step. Polyak & Juditsky (1992) is the source of averaging at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from asr.errors import CheckpointError


class MovingAverage:
    """Follows the weights of a model.

    Args:
        model: its floating-point weights are averaged in their own type; others are taken as they are.
        decay: share of the old average that an observation keeps, 0..1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.observations = 0
        self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def observe(self) -> None:
        """Take in the weights as they are now; to be called after every step that was taken."""
        self.observations += 1
        share = (1 - self.decay) / (1 - self.decay**self.observations)
        for name, tensor in self.model.state_dict().items():
            if tensor.is_floating_point():
                self.weights[name].lerp_(tensor, share)
            else:
                self.weights[name].copy_(tensor)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the model has the averaged weights; afterwards its own again, bit for bit."""
        own = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.weights)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def state_dict(self) -> dict[str, Any]:
        """What a resume needs."""
        return {"observations": self.observations, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a saved state.

        Raises:
            CheckpointError: it is the average of another model.
        """
        shapes = {name: tensor.shape for name, tensor in state["weights"].items()}
        if shapes != {name: tensor.shape for name, tensor in self.weights.items()}:
            raise CheckpointError("moving average", "belongs to another model", "resume with the same configuration")
        self.observations = int(state["observations"])
        saved: dict[str, Tensor] = state["weights"]
        for name, tensor in self.weights.items():
            tensor.copy_(saved[name])
