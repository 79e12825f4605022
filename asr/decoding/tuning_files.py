"""Tuning from files, as the command line does it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from asr.decoding.beam import BeamOptions
from asr.decoding.biasing import read_phrases
from asr.decoding.fusion_setup import Weights
from asr.decoding.lexicon import Lexicon
from asr.decoding.log_probs import read_meta
from asr.decoding.recipe import DecoderRecipe
from asr.decoding.tuning import tune, write_tuning
from asr.decoding.vocabulary_check import check_references
from asr.errors import UsageError

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
