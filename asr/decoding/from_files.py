"""How to build a beam decoder from files: what the command line knows, and what other processes are sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.tables import Weights
from asr.decoding.results.confidence import ConfidenceModel
from asr.errors import DecodingError
from asr.lm.files import load_lm
from asr.pronunciation.building import complete
from asr.pronunciation.lexicon import Lexicon
from asr.units import Units


@dataclass(frozen=True)
class DecoderRecipe:
    """Files and settings of a beam decoder; calling it builds the decoder.

    Attributes:
        units: `units.txt` of the acoustic model.
        seconds_per_frame: of its output.
        options: pruning and what is returned.
        weights: of language model, words and unknown words.
        lm: folder of an n-gram model, memory-mapped, or ARPA file.
        lexicon: file of words, with or without pronunciations; the search is confined to them.
        phrases: phrase -> boost.
        confidence: file of a fitted calibration.
    """

    units: str | Path
    seconds_per_frame: float
    options: BeamOptions = field(default_factory=BeamOptions)
    weights: Weights = field(default_factory=Weights)
    lm: str | Path | None = None
    lexicon: str | Path | None = None
    phrases: Mapping[str, float] | None = None
    confidence: str | Path | None = None

    def __call__(self) -> BeamDecoder:
        """Build the decoder.

        A decoder of phones is always confined to a lexicon: without one given, to that beside the units.

        Raises:
            AsrError: a file is missing or broken, or the parts do not fit each other.
        """
        units = Units.load(self.units)
        lexicon = Lexicon.from_file(self.lexicon) if self.lexicon is not None else None
        if units.kind == "phones":
            lexicon = pronounced(units, lexicon, self.phrases or {})
            units = units.pronouncing(lexicon.entries)
        return BeamDecoder(
            units, self.seconds_per_frame, options=self.options, weights=self.weights,
            lm=load_lm(self.lm) if self.lm is not None else None,
            lexicon=lexicon,
            phrases=Phrases(self.phrases, units) if self.phrases else None,
            confidence=ConfidenceModel.load(self.confidence) if self.confidence is not None else None,
        )  # fmt: skip


def pronounced(units: Units, lexicon: Lexicon | None, phrases: Iterable[str] = ()) -> Lexicon:
    """The lexicon that a model of phones decodes with.

    Args:
        units: of the model, with its own lexicon.
        lexicon: None takes the model's own; a word list is pronounced, by the model's lexicon where it has the word.
        phrases: whose words are added.

    Raises:
        DecodingError: there is no lexicon, or none of the words can be said.
        MissingExtraError: a word is lacking and no package is installed that could say it.
    """
    if lexicon is None and not units.pronunciations:
        raise DecodingError("lexicon", "is missing: a model of phones needs one", "give --lexicon, see 'asr lexicon'")
    if lexicon is None:
        entries = dict(units.pronunciations)
    elif lexicon.has_pronunciations:
        entries = dict(lexicon.entries)
    else:
        entries = dict(complete(lexicon.words, units.pronunciations, units.language, units.symbols[1:]))
    lacking = [word for phrase in phrases for word in phrase.split() if word not in entries]
    entries |= complete(lacking, units.pronunciations, units.language, units.symbols[1:])
    return Lexicon(entries)


@contextmanager
def shared(recipe: DecoderRecipe) -> Iterator[DecoderRecipe]:
    """The recipe for several processes: they all memory-map one copy of the language model.

    A folder is mapped as it is; an ARPA file is built once, into a temporary folder, and not in every process.

    Raises:
        DecodingError: the language model is missing or broken.
    """
    if recipe.lm is None or Path(recipe.lm).is_dir():
        yield recipe
        return
    with tempfile.TemporaryDirectory(prefix="asr-lm-") as folder:
        load_lm(recipe.lm).save(Path(folder) / "lm")
        yield replace(recipe, lm=Path(folder) / "lm")
