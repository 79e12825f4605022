"""Reading ARPA language models, as lmplz and SRILM write them, plain or packed with gzip, bzip2 or xz.

Format: https://www.speech.sri.com/projects/srilm/manpages/ngram-format.5.html. What differs between writers is taken:
missing `<unk>`, `-99` or 0 for `<s>`, back-offs left out where they are 0, `<UNK>`, any case of the section marks, a
byte order mark. What is wrong is a DecodingError with the file and the line.

Legend: n_k n-grams of order k.
"""

from __future__ import annotations

import logging
import lzma
import re
import zlib
from codecs import BOM_UTF8
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np

from asr.errors import DecodingError
from asr.lm.ngram import BEGIN, END, UNKNOWN, LMUnit
from asr.lm.tables import NGramTable, NGramTables
from asr.text_files import open_bytes

logger = logging.getLogger("asr")
BLOCK = 1 << 13  # lines parsed at a time
UNSEEN = -100.0  # log10 P(<unk>) where the file has none, as KenLM
SPECIALS = (UNKNOWN.encode(), BEGIN.encode(), END.encode())
COUNT_LINE = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)\s*", re.IGNORECASE)


def read_arpa(path: str | Path, unit: LMUnit = "words") -> NGramTables:
    """Read a language model; contexts that the file leaves out are filled in with what they back off to.

    Args:
        path: ARPA file; its first bytes say whether it is packed, whatever its name.
        unit: what a word of the model is.

    Raises:
        DecodingError: unreadable, cut or inconsistent file; names the line.
    """
    try:
        with open_bytes(path) as stream:
            return _ArpaReader(stream, Path(path), unit).read()
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DecodingError(path, f"cannot be read ({error})", "give a whole ARPA file") from None


class _ArpaReader:
    def __init__(self, stream: IO[bytes], path: Path, unit: LMUnit) -> None:
        self.stream = stream
        self.path = path
        self.number = 0
        self.ids: dict[bytes, int] = {}
        self.tables = NGramTables([], unit=unit)
        self.missing_backoffs = np.zeros(0, bool)  # of the section just read, in the order of the file
        self.lacks_backoff = np.zeros(0, bool)  # of the table just added, in the order of its rows

    def read(self) -> NGramTables:
        counts = self._read_header()
        for order, count in enumerate(counts, start=1):
            self._expect_section(order)
            lines, scores, backoffs = self._read_section(order, count, order == len(counts))
            if order == 1:
                self._add_unigrams(lines, scores, backoffs)
            else:
                self._add_order(lines, scores, backoffs)
        mark = self._next_line()
        if mark.lower() != b"\\end\\":
            raise self._error(
                "is not the mark \\end\\ that closes the file" if mark else "is the last, without \\end\\"
            )
        return self.tables

    def _error(self, reason: str, line: int | None = None) -> DecodingError:
        place = f"line {self.number if line is None else line} {reason}"
        return DecodingError(self.path, place, "the file may be cut or edited; get it or build it again")

    def _next_line(self) -> bytes:
        """The next line that is not empty, stripped; empty at the end of the file."""
        for line in self.stream:
            self.number += 1
            if self.number == 1:
                line = line.removeprefix(BOM_UTF8)
            if line.strip():
                return line.strip()
        return b""

    def _read_header(self) -> list[int]:
        line = self._next_line()
        while line and line.lower() != b"\\data\\":
            line = self._next_line()
        if not line:
            raise self._error("is the last, without \\data\\: this is no ARPA file")
        counts: list[int] = []
        for raw in self.stream:
            self.number += 1
            match = COUNT_LINE.fullmatch(raw.strip())
            if match:
                if int(match[1]) != len(counts) + 1:
                    raise self._error(f"counts {int(match[1])}-grams where {len(counts) + 1}-grams are due")
                counts.append(int(match[2]))
            elif raw.strip():
                raise self._error("is not of the form 'ngram ORDER=COUNT'")
            elif counts:
                return counts
        raise self._error("is the last, within the counts")

    def _expect_section(self, order: int) -> None:
        line = self._next_line()
        if line.lower() != b"\\%d-grams:" % order:
            found = line.decode(errors="replace")[:40]
            raise self._error(f"is {found!r} where \\{order}-grams: is due (a wrong count, order or cut file)")

    def _read_section(self, order: int, count: int, highest: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Word ids (n, order), log10 probabilities (n,) and back-offs (n,) in the order of the file.

        Word ids of the unigrams are their places in the file.
        """
        words, scores, backoffs, missing = [], [], [], []
        for start in range(0, count, BLOCK):
            size = min(BLOCK, count - start)
            rows = self._split(list(islice(self.stream, size)), order, size)
            missing.append([len(row) == order + 1 for row in rows])
            flat = list(chain.from_iterable(row if len(row) == order + 2 else [*row, b"0"] for row in rows))
            columns = [flat[place :: order + 2] for place in range(order + 2)]
            if order == 1:
                self._number_words(columns[1], start)
                words.append(np.arange(start, start + size, dtype=np.int32)[:, None])
            else:
                words.append(np.stack([self._look_up(column) for column in columns[1:-1]], axis=1))
            scores.append(self._numbers(columns[0], "probability"))
            backoffs.append(self._numbers(columns[-1], "back-off"))
            self.number += size
        self.missing_backoffs = np.asarray(list(chain.from_iterable(missing)), bool)
        idle = sum(int(np.count_nonzero(block)) for block in backoffs) if highest else 0
        if idle:
            reason = "the file was cut from one of a higher order; they have no effect"
            logger.warning("%s: %d %d-grams, the highest order, have back-offs: %s", self.path, idle, order, reason)
            backoffs = [np.zeros(count, np.float32)]
        ids = np.concatenate([np.empty((0, order), np.int32), *words])
        return ids, self._checked(_joined(scores), order), _joined(backoffs)

    def _split(self, lines: list[bytes], order: int, size: int) -> list[list[bytes]]:
        """Fields of each line, order + 1 or order + 2 of them; splits at ASCII white space only."""
        rows = [line.split() for line in lines]
        for index, row in enumerate(rows):
            if not order + 1 <= len(row) <= order + 2:
                reason = f"has {len(row)} fields where a {order}-gram has {order + 1} or {order + 2}"
                if not row or row[0].startswith(b"\\"):
                    reason = f"ends the {order}-grams before their number is full (a wrong count or a cut file)"
                raise self._error(reason, self.number + index + 1)
        if len(rows) < size:
            raise self._error(f"is the last, within the {order}-grams: the file is cut", self.number + len(rows))
        return rows

    def _number_words(self, words: list[bytes], start: int) -> None:
        for index, word in enumerate(words):
            name = word.lower() if word.lower() in SPECIALS else word
            if self.ids.setdefault(name, start + index) != start + index:
                raise self._error(f"repeats the word {word.decode(errors='replace')!r}", self.number + index + 1)

    def _look_up(self, words: list[bytes]) -> np.ndarray:
        try:
            return np.fromiter(map(self.ids.__getitem__, words), np.int32, len(words))
        except KeyError:
            ids = [self.ids.get(word if word in self.ids else word.lower(), -1) for word in words]
        if -1 in ids:
            index = ids.index(-1)
            shown = words[index].decode(errors="replace")
            raise self._error(f"has the word {shown!r} that is no unigram", self.number + index + 1)
        return np.asarray(ids, np.int32)

    def _numbers(self, texts: list[bytes], what: str) -> np.ndarray:
        try:
            numbers = np.fromiter(map(float, texts), np.float64, len(texts))
        except ValueError:
            index = next(index for index, text in enumerate(texts) if not _is_number(text))
        else:
            broken = np.flatnonzero(np.isnan(numbers) | (numbers == np.inf))
            if len(broken) == 0:
                return np.maximum(numbers, UNSEEN)
            index = int(broken[0])
        shown = texts[index].decode(errors="replace")
        raise self._error(f"has the {what} {shown!r}, which is not a number", self.number + index + 1)

    def _checked(self, scores: np.ndarray, order: int) -> np.ndarray:
        positive = int((scores > 0).sum())
        if positive:
            logger.warning("%s: %d %d-grams have a probability over 1; taken as 1", self.path, positive, order)
        return np.minimum(scores, 0)

    def _add_unigrams(self, words: np.ndarray, scores: np.ndarray, backoffs: np.ndarray) -> None:
        for special in SPECIALS[1:]:
            if special not in self.ids:
                raise self._error(f"ends the 1-grams, which lack {special.decode()}")
        if SPECIALS[0] not in self.ids:
            logger.warning("%s: has no <unk>; unknown words get log10 probability %g", self.path, UNSEEN)
            self.ids[SPECIALS[0]] = len(scores)
            scores, backoffs = np.append(scores, np.float32(UNSEEN)), np.append(backoffs, np.float32(0))
        places = [self.ids.pop(special) for special in SPECIALS]
        places += self.ids.values()
        names = [*SPECIALS, *self.ids]
        self.ids = {name: index for index, name in enumerate(names)}
        try:
            self.tables.vocabulary = [name.decode() for name in names]
        except UnicodeDecodeError as error:
            raise self._error(f"ends the 1-grams, one of which is not UTF-8 ({error})") from None
        rows = np.arange(len(names), dtype=np.int32)
        self.tables.orders.append(NGramTable(np.zeros_like(rows), rows, scores[places], backoffs[places]))
        self.lacks_backoff = np.append(self.missing_backoffs, False)[places]

    def _add_order(self, words: np.ndarray, scores: np.ndarray, backoffs: np.ndarray) -> None:
        order, missing_backoffs = words.shape[1], self.missing_backoffs
        prefixes = self.tables.find(words[:, :-1])
        self._warn_of_backoffs(np.unique(prefixes[prefixes >= 0]), order - 1)
        if (prefixes < 0).any():
            added = add_contexts(self.tables, words[:, :-1])
            logger.warning("%s: %d contexts of %d-grams were missing and are filled in", self.path, added, order)
            prefixes = self.tables.find(words[:, :-1])
        keys = prefixes * len(self.tables.vocabulary) + words[:, -1]
        by_key = np.argsort(keys, kind="stable")
        twice = np.flatnonzero(np.diff(keys[by_key]) == 0)
        if len(twice):
            shown = " ".join(self.tables.vocabulary[index] for index in words[by_key[twice[0]]])
            raise self._error(f"ends the {order}-grams, of which {shown!r} comes twice")
        columns = (prefixes.astype(np.int32), words[:, -1], scores, backoffs)
        self.tables.orders.append(NGramTable(*(column[by_key] for column in columns)))
        self.lacks_backoff = missing_backoffs[by_key]

    def _warn_of_backoffs(self, contexts: np.ndarray, order: int) -> None:
        lacking = int(self.lacks_backoff[contexts].sum())
        if lacking:
            logger.warning("%s: %d %d-grams are contexts without a back-off; taken as 0", self.path, lacking, order)


def _joined(blocks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.float32), *blocks]).astype(np.float32)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def add_contexts(tables: NGramTables, ngrams: np.ndarray) -> int:
    """Add those of the n-grams (m, k) of word ids that the tables lack, shorter prefixes too; returns how many."""
    order = ngrams.shape[1]
    missing = np.unique(ngrams[tables.find(ngrams) < 0], axis=0)
    if order == 1 or len(missing) == 0:
        return 0
    added = add_contexts(tables, missing[:, :-1])
    log_probs = backed_off(tables, missing)
    table = tables.orders[order - 1]
    size = len(tables.vocabulary)
    new_keys = tables.find(missing[:, :-1]) * size + missing[:, -1]
    keys = np.concatenate([tables.keys(order), new_keys])
    by_key = np.argsort(keys)
    prefixes, words = np.divmod(keys[by_key], size)
    nothing = np.zeros(len(missing), np.float32)
    tables.orders[order - 1] = NGramTable(
        prefixes=prefixes.astype(np.int32),
        words=words.astype(np.int32),
        log_probs=np.concatenate([table.log_probs, log_probs.astype(np.float32)])[by_key],
        backoffs=np.concatenate([table.backoffs, nothing])[by_key],
    )
    if order < tables.order:
        above = tables.orders[order]
        above.prefixes = np.argsort(by_key)[above.prefixes].astype(np.int32)
    return added + len(missing)


def backed_off(tables: NGramTables, ngrams: np.ndarray) -> np.ndarray:
    """log10 P(last word | the others) of n-grams (m, k) by the back-off rule: (m,) float64."""
    rows = tables.find(ngrams)
    order = ngrams.shape[1]
    log_probs = tables.orders[order - 1].log_probs.astype(np.float64)[rows]
    if order == 1:
        return log_probs
    missing = rows < 0
    if missing.any():
        contexts = tables.find(ngrams[missing, :-1])
        weights = np.where(contexts >= 0, tables.orders[order - 2].backoffs[contexts], 0.0)
        log_probs[missing] = weights + backed_off(tables, ngrams[missing, 1:])
    return log_probs
