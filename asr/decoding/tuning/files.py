"""Tuning from files, as the command line does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from asr.decoding.beam import BeamOptions
from asr.decoding.from_files import DecoderRecipe
from asr.decoding.knowledge.phrases import read_phrases
from asr.decoding.knowledge.tables import Weights
from asr.decoding.knowledge.vocabulary import check_references
from asr.decoding.paths.log_probs import read_meta
from asr.decoding.tuning.grid import tune
from asr.errors import UsageError
from asr.files import atomic_write
from asr.pronunciation.lexicon import Lexicon

if TYPE_CHECKING:
    from asr.decoding.tuning.grid import Tuning

MOST_VALUES = 200


def grid_values(text: str, option: str) -> list[float]:
    """Read `FIRST:LAST:STEP` or a list with commas.

    Raises:
        UsageError: neither, or too many values; names `option`.
    """
    remedy = "write FIRST:LAST:STEP, for example 0:1:0.2, or values with commas"
    try:
        if ":" not in text:
            return [float(value) for value in text.split(",")]
        first, last, step = (float(part) for part in text.split(":"))
        count = int((last - first) / step + 1.5)
        if not 1 <= count <= MOST_VALUES:
            raise ValueError
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UsageError(option, f"{text!r} is no range of numbers", remedy) from None
    return [round(first + index * step, 9) for index in range(count) if first + index * step <= last + 1e-9]


def tune_files(
    log_probs: str | Path,
    references: Mapping[str, str],
    out: str | Path,
    *,
    lm: str | Path | None = None,
    lexicon: str | Path | None = None,
    hotwords: str | Path | None = None,
    units: str | Path | None = None,
    beam: int = 32,
    alphas: str = "0:1.4:0.2",
    betas: str = "-1:3:0.5",
    unknown_penalty: float = 10.0,
    processes: int = 1,
) -> str:
    """Tune, write the results into a folder, and say what was chosen.

    Args:
        log_probs: cache written by `asr decode`.
        references: utterance id -> text.
        out: folder for the results.
        lm: language model.
        lexicon: file of words that confines the search.
        hotwords: file of phrases to boost.
        units: `units.txt`; the one that the cache names when None.
        beam: width of the search.
        alphas: see `grid_values`.
        betas: see `grid_values`.
        unknown_penalty: see `Weights`.
        processes: settings tried at once.

    Raises:
        AsrError: a file or option cannot be used.
    """
    if lm is None and lexicon is None:
        raise UsageError(
            "--lm", "is missing: without a language model or lexicon there is no weight to tune", "give one"
        )
    if lexicon is not None:
        check_references(references.values(), Lexicon.from_file(lexicon))
    tried_alphas = grid_values(alphas, "--alphas") if lm is not None else [0.0]
    tried_betas = grid_values(betas, "--betas")
    meta = read_meta(log_probs)
    recipe = DecoderRecipe(
        units or meta.units, meta.seconds_per_frame, BeamOptions(beam), Weights(unknown_penalty=unknown_penalty),
        lm=lm, lexicon=lexicon, phrases=read_phrases(hotwords) if hotwords is not None else None,
    )  # fmt: skip
    tuning = tune(recipe, log_probs, references, alphas=tried_alphas, betas=tried_betas, processes=processes)
    written = write_tuning(tuning, out)
    best = tuning.chosen
    return (
        f"alpha {best.alpha:g}  beta {best.beta:g}  token_threshold {best.token_threshold:g}"
        f"  beam_threshold {best.beam_threshold:g}\n"
        f"%WER {100 * best.wer:.2f} [ {best.errors} / {best.words} ] in {best.milliseconds:.2f} ms an utterance\n"
        f"chosen {tuning.reason()}\n" + "\n".join(map(str, written))
    )


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


def write_tuning(tuning: Tuning, directory: str | Path) -> list[Path]:
    """Write `tuning.tsv` (all trials), `tuning.png` (WER against alpha and beta), `tuned.yaml` and `confidence.json`.

    `tuned.yaml` has the `decoding` section of an experiment's configuration, and says how it was chosen. The table's
    `standard_error` is that of the difference from the fewest errors, in errors.
    """
    folder = Path(directory)
    names = ["tuning.tsv", "tuning.png", "tuned.yaml", "confidence.json"]
    table, picture, chosen, confidence = (folder / name for name in names)
    with atomic_write(table) as stream:
        stream.writelines(_rows(tuning))
    keys = ("alpha", "beta", "token_threshold", "beam_threshold")
    section = {"decoder": "beam", **{key: asdict(tuning.chosen)[key] for key in keys}}
    section["unknown_penalty"] = tuning.unknown_penalty
    with atomic_write(chosen) as stream:
        stream.write(f"# chosen on {tuning.chosen.words} words, {tuning.reason()}\n")
        yaml.safe_dump({"decoding": section}, stream, sort_keys=False)
    tuning.confidence.save(confidence)

    draw_tuning(tuning, picture)
    return [table, picture, chosen, confidence]


def _rows(tuning: Tuning) -> Iterable[str]:
    deviations = [f"{deviation:.2f}" for deviation in tuning.choice.standard_errors]
    deviations += [""] * (len(tuning.trials) - len(deviations))
    yield "alpha\tbeta\ttoken_threshold\tbeam_threshold\twer\terrors\twords\tms_per_utterance\tstandard_error\n"
    for t, deviation in zip(tuning.trials, deviations, strict=True):
        yield (
            f"{t.alpha:g}\t{t.beta:g}\t{t.token_threshold:g}\t{t.beam_threshold:g}"
            f"\t{t.wer:.6f}\t{t.errors}\t{t.words}\t{t.milliseconds:.4f}\t{deviation}\n"
        )
