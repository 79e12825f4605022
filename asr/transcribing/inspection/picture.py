"""A recording and what a model makes of it on one time axis: spectrogram, unit posteriors, words, gates and cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asr.errors import UsageError
from asr.files import atomic_write
from asr.transcribing.transcript import Transcript
from asr.units import BLANK, SPACE_SYMBOL, Units

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from asr.model.gates import Inside

MOST_UNITS = 24  # rows of the posteriors
LONGEST = 60.0  # seconds that can be told apart in a picture
DROPPED_DB = 80.0  # below the strongest point of the spectrogram


@dataclass(frozen=True)
class Gates:
    """One unit of one LSTM layer, forward direction."""

    state: Inside
    layer: int
    unit: int


def draw(
    path: Path, samples: np.ndarray, sample_rate: int, log_probs: np.ndarray, seconds_per_frame: float, units: Units,
    transcript: Transcript, gates: Gates | None,
) -> None:  # fmt: skip
    """Write the picture; the suffix (.png, .svg, .pdf) says in which form.

    Args:
        path: of the picture.
        samples: (N,).
        sample_rate: of them, Hz.
        log_probs: (T, V).
        seconds_per_frame: of them.
        units: V.
        transcript: whose words are written above the posteriors.
        gates: of one unit; None leaves them out.

    Raises:
        UsageError: over a minute of sound, or a suffix that is no picture's.
    """
    from matplotlib.figure import Figure

    seconds = len(samples) / sample_rate
    if seconds > LONGEST:
        reason = f"would show {seconds:.0f} s, more than can be seen"
        raise UsageError("--plot", reason, f"choose at most {LONGEST:.0f} s with --start and --end")
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UsageError(f"--plot {path}", "is no picture", "give a name in .png, .svg or .pdf")
    rows = 2 if gates is None else 4
    figure = Figure(figsize=(max(8.0, min(24.0, 2.5 * seconds)), 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True)
    _spectrogram(axes[0], samples, sample_rate)
    _posteriors(axes[1], log_probs, seconds_per_frame, units)
    _words(axes[0], transcript)
    if gates is not None:
        _gates(axes[2], axes[3], gates, seconds_per_frame)
    axes[-1].set(xlabel="seconds", xlim=(0, max(seconds, seconds_per_frame)))
    with atomic_write(path, "wb") as stream:
        figure.savefig(stream, format=path.suffix[1:].lower(), dpi=110)


def _spectrogram(axes: Axes, samples: np.ndarray, sample_rate: int) -> None:
    size = round(0.025 * sample_rate)
    if len(samples) < size:
        samples = np.pad(samples, (0, size - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[:: max(1, round(0.01 * sample_rate))]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)) ** 2
    level = 10 * np.log10(power + 1e-12)
    axes.imshow(
        level.T, origin="lower", aspect="auto", cmap="magma", vmin=max(level.max() - DROPPED_DB, -120.0),
        extent=(0, len(samples) / sample_rate, 0, sample_rate / 2000),
    )  # fmt: skip
    axes.set(ylabel="kHz")


def shown_units(log_probs: np.ndarray) -> list[int]:
    """Units that are likely somewhere, the blank first, then as they become likely for the first time."""
    strength = log_probs.max(axis=0)
    chosen = [int(unit) for unit in np.argsort(-strength)[:MOST_UNITS] if unit != BLANK]
    return [BLANK, *sorted(chosen, key=lambda unit: int(log_probs[:, unit].argmax()))]


def _posteriors(axes: Axes, log_probs: np.ndarray, seconds_per_frame: float, units: Units) -> None:
    if not len(log_probs):
        return
    rows = shown_units(log_probs)
    axes.imshow(
        np.exp(log_probs[:, rows]).T, origin="lower", aspect="auto", cmap="Greys", vmin=0, vmax=1,
        interpolation="nearest", extent=(0, seconds_per_frame * len(log_probs), -0.5, len(rows) - 0.5),
    )  # fmt: skip
    axes.set_yticks(
        range(len(rows)), [SPACE_SYMBOL if r == units.space else units.symbols[r] for r in rows], fontsize=7
    )
    axes.set(ylabel="posteriors of units")


def _words(axes: Axes, transcript: Transcript) -> None:
    for segment in transcript.segments:
        for word in segment.words:
            axes.axvspan(word.start, word.end, color="white", alpha=0.15)
            axes.annotate(
                f"{word.text}\n{word.confidence:.2f}", ((word.start + word.end) / 2, 1.01),
                xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=7,
            )  # fmt: skip


def _gates(above: Axes, below: Axes, gates: Gates, seconds_per_frame: float) -> None:
    state, unit = gates.state, gates.unit
    times = seconds_per_frame * np.arange(len(state.cell))
    for name, style in (("input", ":"), ("forget", "-"), ("output", "--")):
        above.plot(times, getattr(state, name)[:, unit], style, label=f"{name} gate")
    above.set(ylim=(-0.02, 1.02), ylabel=f"layer {gates.layer}, unit {unit}")
    above.legend(loc="lower right", fontsize=7)
    below.plot(times, state.cell[:, unit], label="memory cell")
    below.plot(times, state.hidden[:, unit], "--", label="hidden state")
    below.legend(loc="lower right", fontsize=7)
