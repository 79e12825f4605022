"""A recogniser with the decoder that the user asked for: the model's own settings, overridden one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from asr.decoding.biasing import Phrases, read_phrases
from asr.decoding.decoder import Decoder
from asr.decoding.greedy import GreedyDecoder
from asr.errors import UsageError
from asr.model.directory import TrainedModel, load_trained
from asr.transcribing.recognizer import Recognizer

if TYPE_CHECKING:
    from asr.decoding.beam import BeamDecoder

LM, LEXICON, CONFIDENCE = "lm", "lexicon.txt", "confidence.json"  # in a model directory; all optional


@dataclass(frozen=True)
class DecoderChoice:
    """What overrides the decoding settings of a model's configuration; None keeps them.

    Attributes:
        beam: width of the beam search; 0 decodes greedily.
        lm: language model, folder or ARPA file; None takes the model directory's own, where it has one.
        lexicon: file of words (or of pronunciations) that confines the search.
        hotwords: file of phrases to boost, one a line, optionally a tab and a boost.
        alpha: weight of the language model.
        beta: bonus for each word, natural log.
        nbest: readings of each utterance.
    """

    beam: int | None = None
    lm: Path | None = None
    lexicon: Path | None = None
    hotwords: Path | None = None
    alpha: float | None = None
    beta: float | None = None
    nbest: int | None = None


def load_recognizer(
    model: str | Path, choice: DecoderChoice | None = None, *, device: str | None = None, threads: int = 0
) -> Recognizer:
    """Load a model directory and build its decoder.

    Args:
        model: model directory.
        choice: decoder settings; the model's own when None.
        device: see `choose_device`.
        threads: CPU threads; 0 takes all cores.

    Raises:
        UsageError: a language model, lexicon or hotwords with greedy decoding, which cannot use them.
        AsrError: the model, language model, lexicon or hotwords cannot be used.
    """
    if threads:
        torch.set_num_threads(threads)
    trained = load_trained(model, device)
    choice = choice or DecoderChoice()
    _refuse_useless(trained, choice)
    phrases = load_phrases(trained, choice.hotwords)
    return Recognizer(trained, build_decoder(trained, choice, phrases), phrases)


def build_decoder(trained: TrainedModel, choice: DecoderChoice, phrases: Phrases | None) -> Decoder:
    """The decoder for a model; see `load_recognizer`."""
    beam = _beam_width(trained, choice)
    if beam > 0:
        return _beam_decoder(trained, choice, phrases, beam)
    return GreedyDecoder(trained.units, trained.seconds_per_frame)


def _beam_width(trained: TrainedModel, choice: DecoderChoice) -> int:
    """Width of the beam search; 0 is greedy decoding."""
    if choice.beam is not None:
        return choice.beam
    settings = trained.config.decoding
    return settings.beam if settings.decoder == "beam" else 0


def _refuse_useless(trained: TrainedModel, choice: DecoderChoice) -> None:
    if _beam_width(trained, choice) > 0:
        return
    for option, value in (("--lm", choice.lm), ("--lexicon", choice.lexicon), ("--hotwords", choice.hotwords)):
        if value is not None:
            raise UsageError(option, "has no effect on greedy decoding", "add --beam-size 32")


def _beam_decoder(trained: TrainedModel, choice: DecoderChoice, phrases: Phrases | None, beam: int) -> BeamDecoder:
    from asr.decoding.beam import BeamDecoder, BeamOptions
    from asr.decoding.confidence import ConfidenceModel
    from asr.decoding.fusion_setup import Weights
    from asr.decoding.lexicon import Lexicon
    from asr.decoding.lm_files import load_lm

    settings = trained.config.decoding
    lm = choice.lm or _existing(trained.directory / LM)
    lexicon = choice.lexicon or _existing(trained.directory / LEXICON)
    confidence = _existing(trained.directory / CONFIDENCE)
    return BeamDecoder(
        trained.units,
        trained.seconds_per_frame,
        options=BeamOptions(
            beam, settings.token_threshold, settings.beam_threshold, nbest=choice.nbest or settings.nbest
        ),
        weights=Weights(
            settings.alpha if choice.alpha is None else choice.alpha,
            settings.beta if choice.beta is None else choice.beta,
            settings.unknown_penalty,
        ),
        lm=load_lm(lm) if lm is not None else None,
        lexicon=Lexicon.from_file(lexicon) if lexicon is not None else None,
        phrases=phrases,
        confidence=ConfidenceModel.load(confidence) if confidence is not None else None,
    )  # fmt: skip


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def load_phrases(trained: TrainedModel, hotwords: Path | None) -> Phrases | None:
    """The phrases of a hotword file, spelled in the model's units."""
    if hotwords is None:
        return None
    return Phrases(read_phrases(hotwords), trained.units)
