"""How far back an LSTM and a plain RNN of the same size reach: what they remember, and the gradient that comes back.

    python tools/lstm/reach.py [--hidden 64] [--updates 1500] [--distances 10,20,40,80,160] [--seed 1] \
        [--plot docs/lstm/reach.png] [--json FILE]

The task is in the spirit of Hochreiter & Schmidhuber (1997), section 5.2: a sequence begins with one of eight symbols,
k frames of noise follow, and then the first symbol is asked for. A network is trained for every k. Chance is 12.5 %.
The second picture is the norm of the gradient of the answer with respect to the frame k back, as a share of that with
respect to the last frame, for the networks as they are initialised: exponential decay is what a plain RNN cannot help
(Bengio et al. 1994).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from asr.files import atomic_write

SYMBOLS = 8
BATCH = 64
TESTED = 512
LEARNING_RATE = 3e-3


class Memory(nn.Module):
    """A recurrent layer that reads frames (B, T, SYMBOLS) and answers at the last one, (B, SYMBOLS)."""

    def __init__(self, kind: str, hidden: int) -> None:
        super().__init__()
        self.recurrence: nn.Module
        if kind == "LSTM":
            self.recurrence = nn.LSTM(SYMBOLS, hidden, batch_first=True)
            with torch.no_grad():  # the forget gates begin open, as in the acoustic model
                self.recurrence.bias_ih_l0[hidden : 2 * hidden] = 1.0
        else:
            self.recurrence = nn.RNN(SYMBOLS, hidden, batch_first=True)
        self.output = nn.Linear(hidden, SYMBOLS)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, SYMBOLS) -> (B, SYMBOLS)."""
        return self.output(self.recurrence(frames)[0][:, -1])


def draw(distance: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences (count, distance + 1, SYMBOLS) of a symbol and noise, and the symbols (count,)."""
    symbols = torch.randint(SYMBOLS, (count,), generator=generator)
    frames = 0.3 * torch.randn(count, distance + 1, SYMBOLS, generator=generator)
    frames[:, 0] = nn.functional.one_hot(symbols, SYMBOLS).float()
    return frames, symbols


def remembered(kind: str, hidden: int, distance: int, updates: int, seed: int) -> float:
    """Share of first symbols that a network trained for this distance names."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Memory(kind, hidden)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    for _ in range(updates):
        frames, symbols = draw(distance, BATCH, generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(frames), symbols).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        frames, symbols = draw(distance, TESTED, generator)
        return float((model(frames).argmax(-1) == symbols).float().mean())


def gradient_reach(kind: str, hidden: int, frames: int, seed: int) -> list[float]:
    """Gradient norm at k = 0, 1, ... frames back, as a share of that at the last frame, of a fresh network."""
    torch.manual_seed(seed)
    model = Memory(kind, hidden)
    inputs = torch.randn(BATCH, frames + 1, SYMBOLS, requires_grad=True)
    model(inputs).square().sum().backward()
    assert inputs.grad is not None
    norms = inputs.grad.norm(dim=-1).mean(0).flip(0)
    return (norms / norms[0]).tolist()


def main() -> int:
    """Train, print a table, draw."""
    options = _parse()
    rows: list[dict[str, str | float]] = []
    shares = {}
    for kind in ("LSTM", "RNN"):
        shares[kind] = [
            remembered(kind, options.hidden, distance, options.updates, options.seed) for distance in options.distances
        ]
        for distance, share in zip(options.distances, shares[kind], strict=True):
            rows.append({"case": f"{distance} frames back", "system": kind, "metric": "remembered",
                         "value": round(100 * share, 2), "unit": "%"})  # fmt: skip
    reach = {kind: gradient_reach(kind, options.hidden, 200, options.seed) for kind in shares}
    print("| frames back | " + " | ".join(map(str, options.distances)) + " |")
    print("|---" * (len(options.distances) + 1) + "|")
    for kind, values in shares.items():
        print(f"| {kind}, first symbol remembered, % | " + " | ".join(f"{100 * value:.1f}" for value in values) + " |")
    for kind, values in reach.items():
        cells = [f"{values[min(distance, 200)]:.1e}" for distance in options.distances]
        print(f"| {kind}, gradient that comes back | " + " | ".join(cells) + " |")
    if options.plot:
        plot(options.distances, shares, reach, options.plot)
    if options.json:
        with atomic_write(options.json) as stream:
            json.dump(rows, stream, indent=1)
    return 0


def plot(distances: list[int], shares: dict[str, list[float]], reach: dict[str, list[float]], path: Path) -> None:
    """Both pictures side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for kind, style in (("LSTM", "o-"), ("RNN", "s--")):
        left.plot(distances, [100 * share for share in shares[kind]], style, label=kind)
        right.semilogy(reach[kind], style[1:], label=kind)
    left.axhline(100 / SYMBOLS, color="grey", linewidth=0.8)
    left.set(xlabel="frames back", ylabel="first symbol remembered, %", xscale="log", ylim=(0, 105))
    right.set(xlabel="frames back", ylabel="gradient, share of the last frame's", ylim=(1e-12, 2))
    for axes in (left, right):
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument(
        "--distances", type=lambda text: [int(part) for part in text.split(",")], default=[10, 20, 40, 80, 160]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
