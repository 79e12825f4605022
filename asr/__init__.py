"""A speech recogniser: corpus -> manifest -> features -> batches -> BiLSTM -> CTC -> decoder -> hypothesis -> score.

Importing this package is cheap: torch and the rest load when a function below is first called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.decoding.decoder import Decoder
    from asr.decoding.results.hypothesis import Hypothesis
    from asr.scoring.rates.given import Texts
    from asr.scoring.rates.wer import Score
    from asr.transcribing.recognizer import Recognizer

__version__ = "0.1.0"


def load_model(name_or_directory: str | Path, device: str | None = None) -> Recognizer:
    """Load a model for transcribing, with the decoder, language model and lexicon of its directory.

    Args:
        name_or_directory: a model directory, or the name of one that `asr models` lists.
        device: "cpu", "cuda" or "cuda:N"; None takes a GPU where there is one.

    Raises:
        ModelError: there is no such model, or its directory is not complete.
    """
    from asr.transcribing.choosing import load_recognizer
    from asr.transcribing.models import find_model

    return load_recognizer(find_model(name_or_directory), device=device)


def load_decoder(model: str | Path, **search: Any) -> Decoder:
    """The decoder of a model: log-probabilities (T, V) in, hypotheses out; a beam search also in blocks.

    Args:
        model: model directory; its own settings, language model and lexicon hold unless others are given.
        search: `beam` (0 decodes greedily), `lm`, `lexicon`, `hotwords` (files), `alpha`, `beta` and `nbest`, as
            `asr.transcribing.choosing.DecoderChoice` describes them.

    Raises:
        AsrError: a file is missing or broken, the parts do not fit, or an option would have no effect.
    """
    from asr.transcribing.choosing import DecoderChoice, load_recognizer

    return load_recognizer(model, DecoderChoice(**search)).decoder


def decode(audio: str | Path, model: str | Path, **search: Any) -> list[Hypothesis]:
    """The readings of one recording, best first, with the times and confidences of their words.

    Args:
        audio: a file of any rate and container; several channels are mixed.
        model: model directory.
        search: as in `load_decoder`.

    Raises:
        AsrError: as `load_decoder`; the file is not usable audio.
    """
    from asr.transcribing.choosing import DecoderChoice, load_recognizer

    recognizer = load_recognizer(model, DecoderChoice(**search))
    (log_probs,) = recognizer.log_probs([recognizer.samples(audio)])
    return recognizer.decoder.decode(log_probs)


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
