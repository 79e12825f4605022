"""Language models on disk, told apart by what is there: a folder of arrays or an LSTM, ARPA, KenLM."""

from __future__ import annotations

from pathlib import Path

from asr.errors import DecodingError
from asr.lm.arpa_reading import read_arpa
from asr.lm.arpa_writing import write_arpa
from asr.lm.automaton import build_model, tables_of
from asr.lm.ngram import LMUnit, NGramModel, ensure_replaceable
from asr.lm.tables import NGramTables

KENLM_MAGIC = b"mmap lm http://kheafield.com/code"


def is_arpa(path: str | Path) -> bool:
    """Whether the name is that of an ARPA file."""
    name = str(path).lower()
    for packing in (".gz", ".bz2", ".xz"):
        name = name.removesuffix(packing)
    return name.endswith((".arpa", ".lm"))


def is_kenlm_binary(path: str | Path) -> bool:
    """Whether the file begins as KenLM's binaries do."""
    if not Path(path).is_file():
        return False
    with Path(path).open("rb") as stream:
        return stream.read(len(KENLM_MAGIC)) == KENLM_MAGIC


def is_lstm(path: str | Path) -> bool:
    """Whether a folder holds an LSTM language model."""
    return (Path(path) / "model.safetensors").is_file()


def load_lm(path: str | Path, unit: LMUnit = "words") -> NGramModel:
    """A model for decoding: a folder is memory-mapped in milliseconds, an ARPA file is read and built.

    Args:
        path: folder of `asr lm train`, or ARPA file.
        unit: what a word is, for ARPA files (folders know it).

    Raises:
        DecodingError: missing or broken model, or a KenLM binary.
    """
    path = Path(path)
    if is_lstm(path):
        raise DecodingError(path, "is an LSTM language model", "give an n-gram model; an LSTM rescores n-best lists")
    return NGramModel.load(path) if path.is_dir() else build_model(load_tables(path, unit))


def load_tables(path: str | Path, unit: LMUnit = "words") -> NGramTables:
    """A model as tables, for pruning and conversion.

    Raises:
        DecodingError: as for `load_lm`.
    """
    path = Path(path)
    if path.is_dir():
        return tables_of(load_lm(path))
    if is_kenlm_binary(path):
        remedy = "decode with the ARPA file that it was built from; a binary can only score text"
        raise DecodingError(path, "is a KenLM binary, which does not list its n-grams", remedy)
    return read_arpa(path, unit)


def check_target(path: str | Path) -> None:
    """Fail before the work rather than after it when `save_lm` would not write to `path`.

    Raises:
        UsageError: something other than a model is there.
    """
    if not is_arpa(path):
        ensure_replaceable(path)


def save_lm(tables: NGramTables, path: str | Path) -> None:
    """Write an ARPA file where the name says so (`.arpa`, also packed), a folder for decoding otherwise."""
    if is_arpa(path):
        write_arpa(tables, path)
    else:
        build_model(tables).save(path)
