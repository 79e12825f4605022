"""Text to and from the units that the network spells with: characters, words, BPE pieces, phones. The blank is id 0."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from operator import eq
from pathlib import Path
from typing import Any, Literal

from asr.config.sections import UnitsConfig
from asr.errors import UnitsError
from asr.files import atomic_write
from asr.text_files import open_text

BLANK = 0
BLANK_SYMBOL = "<blank>"
SPACE_SYMBOL = "<space>"  # how units.txt shows the space character
UNKNOWN_SYMBOL = "<unk>"
WORD_START = "▁"  # SentencePiece marks the piece that begins a word with U+2581
CONTINUES, STARTS, SPACE = range(3)  # what a unit does to the word before it
KINDS = ("characters", "words", "bpe", "phones")
Kind = Literal["characters", "words", "bpe", "phones"]
Pronunciations = Mapping[str, Sequence[tuple[str, ...]]]
LEXICON = "lexicon.txt"  # beside the units.txt of phones: how words are said


class Units:
    """An ordered inventory of units.

    Args:
        kind: what a unit is.
        symbols: id -> symbol; `symbols[0]` is the blank. A character inventory holds " " itself, not "<space>".
        sentencepiece: the serialised SentencePiece model, for BPE only.
        language: of phones, as espeak-ng names it, for words that are not in the lexicon; "" where nobody can be asked.
        lexicon: of phones, word -> pronunciations, or the file with them, which is read when a word must be spelled.
    """

    def __init__(
        self,
        kind: Kind,
        symbols: Sequence[str],
        sentencepiece: bytes | None = None,
        *,
        language: str = "",
        lexicon: Pronunciations | Path | None = None,
    ) -> None:
        if not symbols or symbols[0] != BLANK_SYMBOL:
            raise UnitsError("units", f"the first symbol is not {BLANK_SYMBOL}", "build them with 'asr units'")
        if len(set(symbols)) != len(symbols):
            doubled = sorted(s for s, n in Counter(symbols).items() if n > 1)
            raise UnitsError("units", f"doubled symbols {doubled}", "remove the repeated lines")
        if kind == "bpe" and sentencepiece is None:
            raise UnitsError("units", "BPE units lack their SentencePiece model", "build them with 'asr units'")
        self.kind: Kind = kind
        self.symbols = list(symbols)
        self.ids = {symbol: index for index, symbol in enumerate(self.symbols)}
        self.sentencepiece = sentencepiece
        self.language = language
        self._lexicon = lexicon

    def __len__(self) -> int:
        """Number of units V, the blank included."""
        return len(self.symbols)

    @property
    def unknown(self) -> int | None:
        """Id of the unknown unit, or None where every text must be spelled exactly (characters)."""
        return self.ids.get(UNKNOWN_SYMBOL)

    @property
    def space(self) -> int | None:
        """Id of the space character, or None where words are not separated by a unit of their own."""
        return self.ids.get(" ") if self.kind == "characters" else None

    @cached_property
    def pronunciations(self) -> Pronunciations:
        """Of phones, word -> pronunciations, the one to train on first; empty where there is no lexicon.

        Raises:
            UnitsError: the lexicon is unreadable.
        """
        if isinstance(self._lexicon, Path):
            return _read_pronunciations(self._lexicon) if self._lexicon.exists() else {}
        return self._lexicon or {}

    @property
    def error_rate(self) -> str:
        """What is measured where a model's units are compared, and not the words that a decoder makes of them."""
        return "phone error rate" if self.kind == "phones" else "WER"

    def pronouncing(self, entries: Pronunciations) -> Units:
        """The same phones with other pronunciations."""
        return Units(self.kind, self.symbols, self.sentencepiece, language=self.language, lexicon=entries)

    def encode(self, text: str) -> list[int]:
        """Spell `text`; phones spell the first pronunciation of each word.

        Raises:
            UnitsError: a character has no unit, or a word no pronunciation (words and BPE have an unknown unit).
        """
        if self.kind == "phones":
            return self._pronounce(text)
        if self.kind == "bpe":
            return [index + 1 for index in self._processor.encode(text)]
        if self.kind == "words":
            return [self.ids.get(word, self.ids[UNKNOWN_SYMBOL]) for word in text.split()]
        missing = self.missing(text)
        if missing:
            listed = " ".join(f"{c!r} (U+{ord(c):04X})" for c in missing)
            raise UnitsError(repr(text), f"has characters outside the units: {listed}", "normalise the text")
        return [self.ids[character] for character in " ".join(text.split())]

    def missing(self, text: str) -> list[str]:
        """Characters of `text` that have no unit, sorted; of word units and phones, the words that they do not know."""
        if self.kind == "phones":
            return sorted({word for word in text.split() if word not in self.pronunciations})
        if self.kind == "words":
            return sorted({word for word in text.split() if word not in self.ids})
        if self.kind == "bpe":
            known = {character for symbol in self.symbols[2:] for character in symbol} | {" "}
        else:
            known = set(self.symbols[1:])
        return sorted(set(" ".join(text.split())) - known)

    def ids_of_phones(self, phones: str) -> list[int]:
        """Ids of phones separated by spaces.

        Raises:
            UnitsError: one of them is not among the units.
        """
        try:
            return [self.ids[phone] for phone in phones.split()]
        except KeyError as error:
            raise UnitsError(repr(phones), f"has {error}, which is not among the phones", "align it anew") from None

    def _pronounce(self, text: str) -> list[int]:
        missing = self.missing(text)
        if missing:
            listed = " ".join(missing[:10]) + (" ..." if len(missing) > 10 else "")
            raise UnitsError(
                repr(text), f"has words without a pronunciation: {listed}", "add them to the lexicon: 'asr lexicon'"
            )
        return self.ids_of_phones(" ".join(" ".join(self.pronunciations[word][0]) for word in text.split()))

    def decode(self, ids: Iterable[int]) -> str:
        """Text of unit ids; blanks must have been removed. Words are separated by single spaces."""
        symbols = self.symbols
        return self.join([symbols[index] for index in ids])

    def join(self, symbols: Iterable[str]) -> str:
        """Text of symbols, as `decode`; of phones, themselves with spaces: only a lexicon makes words of them."""
        if self.kind in ("words", "phones"):
            return " ".join(symbols)
        joined = "".join(symbols)
        return " ".join(joined.replace(WORD_START, " ").split())

    def starts_word(self, index: int) -> bool:
        """Whether the unit begins a word by itself (BPE word-initial pieces, whole words; phones, taken alone)."""
        return self.kind in ("words", "phones") or (self.kind == "bpe" and self.symbols[index].startswith(WORD_START))

    @cached_property
    def word_marks(self) -> list[int]:
        """For each unit `SPACE` if it separates words, `STARTS` if it begins one by itself, otherwise `CONTINUES`."""
        starts = [STARTS if self.starts_word(index) else CONTINUES for index in range(len(self))]
        return [SPACE if index == self.space else mark for index, mark in enumerate(starts)]

    @cached_property
    def _processor(self) -> Any:
        from sentencepiece import SentencePieceProcessor

        return SentencePieceProcessor(model_proto=self.sentencepiece)

    def save(self, path: str | Path) -> None:
        """Write `units.txt`: a header line with the kind, then one symbol a line in the order of ids.

        The SentencePiece model of BPE units travels in the header, so that one file is enough; so does the language of
        phones, whose `lexicon.txt` is written beside it.
        """
        payload = base64.b64encode(self.sentencepiece).decode() if self.sentencepiece else self.language
        beside = Path(path).parent / LEXICON
        if self.pronunciations and self._lexicon != beside:
            with atomic_write(beside) as stream:
                for word, said in self.pronunciations.items():
                    stream.writelines(" ".join([word, *phones]) + "\n" for phones in said)
        with atomic_write(path) as stream:
            stream.write(f"#units {self.kind} {payload}".rstrip() + "\n")
            stream.writelines((SPACE_SYMBOL if symbol == " " else symbol) + "\n" for symbol in self.symbols)

    @staticmethod
    def load(path: str | Path) -> Units:
        """Read `units.txt`; phones find their lexicon beside it.

        Raises:
            UnitsError: missing or malformed file.
        """
        try:
            header, *symbols = Path(path).read_text(encoding="utf-8").splitlines()
            marker, kind, *payload = [*header.split(" "), ""]
        except (OSError, ValueError) as error:
            raise UnitsError(path, f"cannot be read as units ({error})", "build it with 'asr units'") from None
        if marker != "#units" or kind not in KINDS:
            raise UnitsError(path, "lacks its '#units KIND' header", "build it with 'asr units'")
        if kind == "phones":
            return Units("phones", symbols, language=payload[0], lexicon=Path(path).parent / LEXICON)
        model = base64.b64decode(payload[0]) if payload[0] else None
        return Units(kind, [" " if s == SPACE_SYMBOL else s for s in symbols], model)  # type: ignore[arg-type]


def _read_pronunciations(path: Path) -> Pronunciations:
    """A lexicon as `Units.save` and `Lexicon.save` write it: a word and its phones a line."""
    entries: dict[str, list[tuple[str, ...]]] = {}
    try:
        with open_text(path) as stream:
            for line in stream:
                word, *phones = line.split() or [""]
                if phones and not word.startswith("#"):
                    entries.setdefault(word, []).append(tuple(phones))
    except (OSError, ValueError) as error:
        raise UnitsError(path, f"cannot be read as a lexicon ({error})", "build it with 'asr lexicon'") from None
    return entries


def required_frames(labels: Sequence[int] | str) -> int:
    """Fewest output frames in which CTC can emit `labels`: one each, and a blank between equal neighbours.

    Graves et al. (2006), "Connectionist temporal classification", section 3.1.
    """
    return len(labels) + sum(map(eq, labels, labels[1:]))


def build_units(texts: Iterable[str], config: UnitsConfig, lexicon: Path | None = None) -> Units:
    """Collect the units of a training text.

    Args:
        texts: one utterance's words each.
        config: kind, for BPE the number of pieces, for phones the language.
        lexicon: file of pronunciations, for phones; they are the phones of the text's words.

    Raises:
        UnitsError: no text at all, too little text for the number of BPE pieces, or words that the lexicon lacks.
    """
    lines = [" ".join(text.split()) for text in texts]
    if not any(lines):
        raise UnitsError("training text", "is empty", "give a manifest whose utterances have text")
    if config.kind == "characters":
        return Units("characters", [BLANK_SYMBOL, *sorted(set("".join(lines)))])
    if config.kind == "words":
        words = sorted({word for line in lines for word in line.split()})
        return Units("words", [BLANK_SYMBOL, UNKNOWN_SYMBOL, *words])
    if config.kind == "phones":
        return _phones(lines, config.language, lexicon)
    return _train_bpe(lines, config.size)


def _phones(lines: list[str], language: str, lexicon: Path | None) -> Units:
    remedy = "build the lexicon of the training text with 'asr lexicon'"
    if lexicon is None or not lexicon.exists():
        raise UnitsError(lexicon or LEXICON, "does not exist: phones need to know how words are said", remedy)
    said = _read_pronunciations(lexicon)
    words = {word for line in lines for word in line.split()}
    if missing := sorted(words - said.keys()):
        shown = " ".join(missing[:10]) + (" ..." if len(missing) > 10 else "")
        raise UnitsError(lexicon, f"lacks {len(missing)} words of the training text: {shown}", remedy)
    phones = sorted({phone for word in words for each in said[word] for phone in each})
    return Units("phones", [BLANK_SYMBOL, *phones], language=language, lexicon=lexicon)


def _train_bpe(lines: list[str], size: int) -> Units:
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=size, model_type="bpe",
            character_coverage=1.0, unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1, minloglevel=2,
            normalization_rule_name="identity", num_threads=1,
        )  # fmt: skip
    except RuntimeError as error:
        raise UnitsError("units.size", f"cannot train {size} pieces ({error})", "choose fewer") from None
    processor = SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(index) for index in range(processor.get_piece_size())]
    return Units("bpe", [BLANK_SYMBOL, *pieces], model.getvalue())
