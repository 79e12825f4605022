"""A recogniser with the decoder that the user asked for: the model's own settings, overridden one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import UsageError
from asr.model.files import UNITS, ModelFiles, read_model_files
from asr.transcribing.recognizer import Recognizer, load_network

if TYPE_CHECKING:
    from asr.decoding.from_files import DecoderRecipe
    from asr.decoding.grammar import GrammarDecoder

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
        grammar: file of phrases that alone are allowed, in place of a beam search.
    """

    beam: int | None = None
    lm: Path | None = None
    lexicon: Path | None = None
    hotwords: Path | None = None
    alpha: float | None = None
    beta: float | None = None
    nbest: int | None = None
    grammar: Path | None = None


def load_recognizer(
    model: str | Path,
    choice: DecoderChoice | None = None,
    *,
    device: str | None = None,
    threads: int = 0,
    int8: bool = False,
) -> Recognizer:
    """Load a model directory and build its decoder.

    Args:
        model: model directory.
        choice: decoder settings; the model's own when None.
        device: see `load_network`.
        threads: CPU threads; 0 takes all cores.
        int8: take the quantised graph.

    Raises:
        UsageError: an option that the decoder would ignore, such as a language model for greedy decoding.
        AsrError: the model, language model, lexicon or hotwords cannot be used.
    """
    trained = read_model_files(model)
    choice = choice or DecoderChoice()
    if choice.grammar is not None:
        decoder = _grammar_decoder(trained, choice, choice.grammar)
        return Recognizer(trained, decoder, network=load_network(trained, device, threads=threads, int8=int8))
    _refuse_useless(trained, choice)
    recipe = decoder_recipe(trained, choice)
    network = load_network(trained, device, threads=threads, int8=int8)
    if recipe is None:
        return Recognizer(trained, network=network)
    beam = recipe()
    return Recognizer(trained, beam, beam.phrases, recipe, network)


def _grammar_decoder(trained: ModelFiles, choice: DecoderChoice, path: Path) -> GrammarDecoder:
    """The decoder of nothing but the phrases of a file, which takes no other option."""
    from asr.decoding.grammar import GrammarDecoder, read_grammar

    for option, value in vars(choice).items():
        if option != "grammar" and value is not None:
            name = {"beam": "beam-size"}.get(option, option)
            raise UsageError(f"--{name}", "has no effect beside --grammar", "leave one of them out")
    return GrammarDecoder(read_grammar(path), trained.units, trained.seconds_per_frame)


def decoder_recipe(trained: ModelFiles, choice: DecoderChoice) -> DecoderRecipe | None:
    """How to build the beam decoder for a model, in this process or another; None decodes greedily."""
    beam = _beam_width(trained, choice)
    return _beam_recipe(trained, choice, beam) if beam > 0 else None


def _beam_width(trained: ModelFiles, choice: DecoderChoice) -> int:
    """Width of the beam search; 0 is greedy decoding, which phones, of which only a lexicon makes words, never get."""
    settings = trained.config.decoding
    if trained.units.kind == "phones":
        return choice.beam or settings.beam
    if choice.beam is not None:
        return choice.beam
    return settings.beam if settings.decoder == "beam" else 0


def _refuse_useless(trained: ModelFiles, choice: DecoderChoice) -> None:
    given = {option: value for option, value in vars(choice).items() if option != "beam" and value is not None}
    if _beam_width(trained, choice) == 0:
        given = {option: value for option, value in given.items() if (option, value) != ("nbest", 1)}
        for option in given:
            raise UsageError(f"--{option}", "has no effect on greedy decoding", "add --beam-size 32")
    has_lm = choice.lm is not None or (trained.directory / LM).exists()
    if "alpha" in given and not has_lm:
        raise UsageError("--alpha", "has no effect without a language model", "add --lm")
    if "beta" in given and not (has_lm or choice.lexicon is not None or (trained.directory / LEXICON).exists()):
        raise UsageError("--beta", "has no effect without a language model or lexicon", "add --lm or --lexicon")


def _beam_recipe(trained: ModelFiles, choice: DecoderChoice, beam: int) -> DecoderRecipe:
    from asr.decoding.beam import BeamOptions
    from asr.decoding.from_files import DecoderRecipe
    from asr.decoding.knowledge.phrases import read_phrases
    from asr.decoding.knowledge.tables import Weights

    settings = trained.config.decoding
    return DecoderRecipe(
        trained.directory / UNITS,
        trained.seconds_per_frame,
        options=BeamOptions(
            beam, settings.token_threshold, settings.beam_threshold, nbest=choice.nbest or settings.nbest
        ),
        weights=Weights(
            settings.alpha if choice.alpha is None else choice.alpha,
            settings.beta if choice.beta is None else choice.beta,
            settings.unknown_penalty,
        ),
        lm=choice.lm or _existing(trained.directory / LM),
        lexicon=choice.lexicon or _existing(trained.directory / LEXICON),
        phrases=read_phrases(choice.hotwords) if choice.hotwords is not None else None,
        confidence=_existing(trained.directory / CONFIDENCE),
    )  # fmt: skip


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
