"""A speech recogniser: corpus -> manifest -> features -> batches -> BiLSTM -> CTC -> decoder -> hypothesis -> score.

Importing this package is cheap: torch and the rest load when a function below is first called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.scoring.rates.given import Texts
    from asr.scoring.rates.wer import Score
    from asr.transcribing.recognizer import Recognizer

__version__ = "0.1.0"


def load_model(directory: str | Path, device: str | None = None) -> Recognizer:
    """Load a model directory for transcribing.

    Args:
        directory: folder with `model.safetensors`, `config.yaml` and `units.txt`.
        device: "cpu", "cuda" or "cuda:N"; None takes a GPU where there is one.

    Raises:
        ModelError: the folder is not a complete model directory.
    """
    from asr.transcribing.recognizer import Recognizer

    return Recognizer.load(directory, device=device)


def score(refs: Texts, hyps: Texts, **options: Any) -> Score:
    """Compare hypotheses with references; `asr.scoring.rates.wer.score` describes the options.

    Args:
        refs: id -> text, or texts in order (a list, an array, a pandas Series, or one string); a text may be a string,
            bytes or a list of words.
        hyps: the same for the hypotheses. A missing one (left out, None, NaN) counts as deletions.

    Raises:
        ScoringError: hypotheses for unknown ids, lists of different length, a missing reference, or no text.
    """
    from asr.scoring.rates.wer import score as compare

    return compare(refs, hyps, **options)
