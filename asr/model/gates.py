"""What one LSTM layer does inside over one utterance: gates, memory cell, hidden state. T: frames, H: cells, F: inputs.

The gates are computed from the weights by the equations (Hochreiter & Schmidhuber 1997; Gers et al. 2000), because
PyTorch's LSTM gives only the hidden state; that one is compared with the network's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from asr.errors import ModelError, UsageError

MOVES = 0.5  # least standard deviation of a cell worth looking at
AGREES = 1e-4  # largest difference from the network's own hidden state


@dataclass(frozen=True)
class Inside:
    """What one direction of one layer does over T frames, each (T, H): gates in 0..1, cell and hidden state."""

    input: np.ndarray
    forget: np.ndarray
    output: np.ndarray
    cell: np.ndarray
    hidden: np.ndarray


def inside(lstm: nn.LSTM, frames: np.ndarray) -> Inside:
    """Run the gate equations over frames (T, F) with the weights of a PyTorch LSTM."""
    w_x, w_h, b_x, b_h = (parameter.detach().double().numpy() for parameter in lstm.parameters())
    size = lstm.hidden_size
    cell, hidden = np.zeros(size), np.zeros(size)
    states: list[tuple[np.ndarray, ...]] = []
    for frame in frames.astype(np.float64):
        i, f, g, o = np.split(w_x @ frame + b_x + w_h @ hidden + b_h, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        cell = f * cell + i * np.tanh(g)
        hidden = o * np.tanh(cell)
        states.append((i, f, o, cell, hidden))
    return Inside(*(np.array(values) for values in zip(*states, strict=True)))


def layer_inside(model: nn.Module, features: Tensor, frames: Tensor, layer: int) -> tuple[Inside, float]:
    """The forward direction of a layer, counted from 1, over one utterance of normalised features (1, T, F).

    Returns:
        Its gates and states, and the largest difference from the network's own hidden state.

    Raises:
        UsageError: there is no such layer.
        ModelError: the equations and the network disagree.
    """
    layers = len(model.stack.layers)  # type: ignore[union-attr, arg-type]
    if not 1 <= layer <= layers:
        raise UsageError("--layer", f"{layer} is not in 1..{layers}", "choose one of the model's layers")
    lstm = model.stack.layers[layer - 1].forward_lstm  # type: ignore[union-attr, index]
    caught: list[tuple[Tensor, Tensor]] = []

    def catch(_module: nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
        caught.append((inputs[0][0], outputs[0][0]))

    handle = lstm.register_forward_hook(catch)
    with torch.no_grad():
        _, lengths = model(features, frames)
    handle.remove()
    read, produced = (values[: int(lengths[0])].double().numpy() for values in caught[0])
    state = inside(lstm, read)
    difference = float(np.abs(state.hidden - produced).max())
    if difference > AGREES:
        raise ModelError("gates", f"differ from the network's hidden state by {difference:.1e}", "report this")
    return state, difference


def longest_memory(state: Inside) -> int:
    """The unit with the highest mean forget gate among those whose cell moves."""
    moving = state.cell.std(axis=0) > MOVES
    means = state.forget.mean(axis=0)
    return int(np.where(moving, means, -1.0 if moving.any() else means).argmax())
