"""One picture of a tuning: WER against alpha and beta."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asr.files import atomic_write

if TYPE_CHECKING:
    from asr.decoding.tuning import Tuning

MOST_LABELS = 150  # cells beyond which figures in them would overlap


def draw_tuning(tuning: Tuning, path: str | Path) -> None:
    """Draw the first round's WER as a heat map and write it as PNG.

    The chosen weights are framed; a dot marks those within one standard error of the fewest errors.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    trials = tuning.first_round
    alphas, betas = sorted({t.alpha for t in trials}), sorted({t.beta for t in trials})
    wers = np.full((len(betas), len(alphas)), np.nan)
    for trial in trials:
        wers[betas.index(trial.beta), alphas.index(trial.alpha)] = 100.0 * trial.wer
    figure = Figure(figsize=(2.0 + 0.62 * len(alphas), 1.6 + 0.42 * len(betas)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(wers, origin="lower", aspect="auto", cmap="viridis_r")
    axes.set_xticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
    axes.set_yticks(range(len(betas)), [f"{beta:g}" for beta in betas])
    axes.set_xlabel("alpha: weight of the language model")
    axes.set_ylabel("beta: bonus for a word")
    axes.set_title(
        f"WER (%) on {tuning.chosen.words} words; chosen: {tuning.chosen.alpha:g}, {tuning.chosen.beta:g}\n"
        "dots: within one standard error of the fewest errors",
        fontsize="medium", wrap=True,
    )  # fmt: skip
    if wers.size <= MOST_LABELS:
        middle = (np.nanmin(wers) + np.nanmax(wers)) / 2.0
        for (row, column), value in np.ndenumerate(wers):
            color = "white" if value > middle else "black"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=8, color=color)
    for trial, alike in zip(trials, tuning.choice.alike, strict=True):
        if alike:
            corner = alphas.index(trial.alpha) + 0.38, betas.index(trial.beta) + 0.3
            axes.plot(*corner, marker=".", markersize=4, color="red")
    place = alphas.index(tuning.chosen.alpha), betas.index(tuning.chosen.beta)
    axes.plot(*place, marker="s", markersize=22, fillstyle="none", color="red", markeredgewidth=2)
    figure.colorbar(image, ax=axes, label="WER (%)")
    with atomic_write(path, "wb") as stream:
        FigureCanvasAgg(figure).print_png(stream)
