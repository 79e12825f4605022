"""The input, forget and output gates and the memory cell of one unit over one utterance, beside its spectrogram.

    python tools/lstm/gates.py AUDIO --model exp/digits/model --plot docs/lstm/gates.png [--layer 1] [--unit auto]

The gates are computed here from the weights by the equations (Hochreiter & Schmidhuber 1997; Gers et al. 2000), and the
hidden state that they give is compared with the network's own before anything is drawn. `--unit auto` takes the unit of
the forward direction whose cell holds on longest: the highest mean forget gate among those whose cell moves.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from asr.audio.reading import read_audio
from asr.errors import AsrError
from asr.features.extractor import FeatureExtractor
from asr.model.directory import load_trained
from asr.model.gates import Inside, layer_inside, longest_memory


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
    wave = torch.from_numpy(read_audio(options.audio, sample_rate=trained.config.features.sample_rate))
    extractor = FeatureExtractor(trained.config.features)
    with torch.no_grad():
        features, frames = extractor(wave[None], torch.tensor([len(wave)]))
        normalised = trained.normaliser.batch(features, frames)
    state, difference = layer_inside(trained.model, normalised, frames, options.layer)
    unit = longest_memory(state) if options.unit == "auto" else int(options.unit)
    seconds = trained.seconds_per_frame
    plot(features[0].numpy(), state, unit, seconds, options)
    print(f"layer {options.layer}, unit {unit}: mean forget gate {state.forget[:, unit].mean():.3f}, "
          f"largest difference from the network {difference:.1e}")  # fmt: skip
    return 0


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
