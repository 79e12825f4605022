"""The language-model verbs: train, prune, convert, score, describe and check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import UsageError
from asr.lm.files import check_target, is_kenlm_binary, is_lstm, load_lm, load_tables, save_lm
from asr.lm.kenlm import KenlmModel
from asr.lm.kneser_ney import train_ngrams
from asr.lm.ngram import LMUnit, NGramModel
from asr.lm.perplexity import SentenceScore, score_sentences
from asr.lm.pruning import prune
from asr.lm.tables import NGramTables
from asr.lm.text import read_sentences, tokenizer_for
from asr.units import Units

if TYPE_CHECKING:
    from asr.lm.lstm import LstmLanguageModel


@dataclass(frozen=True)
class LMInfo:
    """What a model is."""

    order: int
    unit: LMUnit
    words: int
    ngrams: list[int]
    contexts: list[int]
    bytes: int


def train_lm(
    sources: Sequence[str | Path],
    out: str | Path,
    order: int = 4,
    unit: LMUnit = "words",
    units: Units | None = None,
    threshold: float = 0.0,
    cutoffs: Sequence[int] = (),
) -> NGramTables:
    """Train a Kneser-Ney model and write it as a folder, or as ARPA where `out` is named so.

    Args:
        sources: texts (plain, .gz, .xz, .bz2, `-`) and manifests (.jsonl).
        out: folder, `.arpa` or `.arpa.gz`.
        order: length of the longest n-grams.
        unit: what a word of the model is.
        units: the acoustic model's units, for unit "units".
        threshold: of entropy pruning; 0 prunes nothing.
        cutoffs: for each order, n-grams seen at most this often are dropped.
    """
    check_target(out)
    sentences = read_sentences(sources, tokenizer_for(unit, units))
    tables = train_ngrams(sentences, order, cutoffs, unit)
    if threshold > 0:
        tables = prune(tables, threshold)
    save_lm(tables, out)
    return tables


def prune_lm(model: str | Path, out: str | Path, threshold: float) -> NGramTables:
    """Prune a model by entropy and write it."""
    check_target(out)
    tables = prune(load_tables(model), threshold)
    save_lm(tables, out)
    return tables


def convert_lm(model: str | Path, out: str | Path, unit: LMUnit = "words") -> NGramTables:
    """Turn ARPA into the folder for decoding, or back."""
    check_target(out)
    tables = load_tables(model, unit)
    save_lm(tables, out)
    return tables


def score_lm(model: str | Path, sources: Sequence[str | Path], units: Units | None = None) -> Iterator[SentenceScore]:
    """Score the sentences of texts with a folder (n-grams or LSTM), an ARPA file or a KenLM binary.

    Raises:
        UsageError: a model over units without the units to spell with.
    """
    if is_kenlm_binary(model):
        return score_sentences(KenlmModel(model), read_sentences(sources))
    lm = _load_any(model)
    if lm.unit == "units" and units is None:
        raise UsageError(str(model), "is a model over units", "give --units units.txt to spell the text with")
    return score_sentences(lm, read_sentences(sources, tokenizer_for(lm.unit, units)))


def _load_any(model: str | Path) -> NGramModel | LstmLanguageModel:
    if is_lstm(model):
        from asr.lm.lstm import LstmLanguageModel  # brings torch, which n-grams do without

        return LstmLanguageModel.load(model)
    return load_lm(model)


def describe_lm(model: str | Path) -> LMInfo:
    """Count what a model holds."""
    lm = load_lm(model)
    path = Path(model)
    files = path.iterdir() if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files)
    return LMInfo(lm.order, lm.unit, len(lm.words), lm.arc_counts, lm.state_counts, size)
