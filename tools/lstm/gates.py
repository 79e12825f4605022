"""The input, forget and output gates and the memory cell of one unit over one utterance, beside its spectrogram.

    python tools/lstm/gates.py AUDIO --model exp/digits/model --plot docs/lstm/gates.png [--layer 1] [--unit auto]

The gates are computed here from the weights by the equations (Hochreiter & Schmidhuber 1997; Gers et al. 2000), and the
hidden state that they give is compared with the network's own before anything is drawn. `--unit auto` takes the unit of
the forward direction whose cell holds on longest: the highest mean forget gate among those whose cell moves.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from asr.audio.reading import read_audio
from asr.errors import AsrError, UsageError
from asr.features.extractor import FeatureExtractor
from asr.model.directory import load_trained

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


def main() -> int:
    """Read, compute, check, draw."""
    options = _parse()
    try:
        return run(options)
    except AsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def run(options: argparse.Namespace) -> int:
    """Everything but the errors."""
    trained = load_trained(options.model, "cpu")
    layers = trained.config.model.layers
    if not 1 <= options.layer <= layers:
        raise UsageError("--layer", f"{options.layer} is not in 1..{layers}", "choose one of the model's layers")
    wave = torch.from_numpy(read_audio(options.audio, sample_rate=trained.config.features.sample_rate))
    extractor = FeatureExtractor(trained.config.features)
    with torch.no_grad():
        features, frames = extractor(wave[None], torch.tensor([len(wave)]))
        read, produced = _layer_input(trained.model, trained.normaliser.batch(features, frames), frames, options.layer)
    lstm = trained.model.stack.layers[options.layer - 1].forward_lstm
    state = inside(lstm, read.numpy())
    difference = float(np.abs(state.hidden - produced.double().numpy()).max())
    if difference > AGREES:
        raise UsageError("gates", f"differ from the network's hidden state by {difference:.1e}", "report this")
    unit = longest_memory(state) if options.unit == "auto" else int(options.unit)
    seconds = trained.seconds_per_frame
    plot(features[0].numpy(), state, unit, seconds, options)
    print(f"layer {options.layer}, unit {unit}: mean forget gate {state.forget[:, unit].mean():.3f}, "
          f"largest difference from the network {difference:.1e}")  # fmt: skip
    return 0


def longest_memory(state: Inside) -> int:
    """The unit with the highest mean forget gate among those whose cell moves."""
    moving = state.cell.std(axis=0) > MOVES
    means = state.forget.mean(axis=0)
    return int(np.where(moving, means, -1.0 if moving.any() else means).argmax())


def _layer_input(model: nn.Module, features: Tensor, frames: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """What the forward LSTM of a layer reads (T, F) and gives (T, H)."""
    caught: list[tuple[Tensor, Tensor]] = []
    lstm = model.stack.layers[layer - 1].forward_lstm

    def catch(_module: nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
        caught.append((inputs[0][0], outputs[0][0]))

    handle = lstm.register_forward_hook(catch)
    _, lengths = model(features, frames)
    handle.remove()
    read, produced = caught[0]
    return read[: int(lengths[0])].float(), produced[: int(lengths[0])].float()


def plot(features: np.ndarray, state: Inside, unit: int, seconds: float, options: argparse.Namespace) -> None:
    """Spectrogram above, gates in the middle, cell and hidden state below, on one time axis."""
    from matplotlib.figure import Figure

    times = seconds * np.arange(len(state.cell))
    figure = Figure(figsize=(10, 7), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    top.imshow(features.T, aspect="auto", origin="lower", extent=(0, seconds * len(state.cell), 0, features.shape[1]))
    top.set(ylabel="filterbank", title=f"layer {options.layer}, forward direction, unit {unit}")
    for name, style in (("input", ":"), ("forget", "-"), ("output", "--")):
        middle.plot(times, getattr(state, name)[:, unit], style, label=f"{name} gate")
    middle.set(ylim=(-0.02, 1.02))
    middle.legend(loc="lower right")
    bottom.plot(times, state.cell[:, unit], label="memory cell")
    bottom.plot(times, state.hidden[:, unit], "--", label="hidden state")
    bottom.set(xlabel="seconds")
    bottom.legend(loc="lower right")
    options.plot.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.plot, dpi=110)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--layer", type=int, default=1, help="counted from 1")
    parser.add_argument("--unit", default="auto")
    parser.add_argument("--plot", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
