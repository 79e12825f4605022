"""Word and character alignment: the cheapest edits that turn each reference into its hypothesis.

Shapes: N utterances, R reference tokens in all, H hypothesis tokens in all, E edits in all (matches are not stored).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

SUBSTITUTION, DELETION, INSERTION, OPTIONAL = range(4)
"""Kinds of edits; OPTIONAL is an optional reference word that was left out, which counts as a hit."""
Unit = Literal["word", "char", "auto"]
"""What is compared; "auto" is characters in scripts that are written without blanks, and words in all others."""
COSTS: dict[str, tuple[int, int, int]] = {"unit": (1, 1, 1), "sclite": (4, 3, 3)}
"""Costs of a substitution, a deletion and an insertion; a match costs nothing.

`unit` is what Kaldi's compute-wer and jiwer use, `sclite` what NIST's sclite uses for alignment.
"""
Ints = npt.NDArray[np.int64]
HIGHEST_CODE_POINT = 0x110000
WITHOUT_BLANKS = re.compile(
    "[\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u3099\u309a]*"
)
"""A character of Chinese, Japanese, Thai, Lao, Tibetan, Burmese or Khmer, with the marks on it."""
BLOCK = 4096
"""Utterances whose words are strings at one time; all others are numbers."""


class Pair(NamedTuple):
    """One column of an alignment; `kind` is "hit", "sub", "del", "ins" or "opt", a missing side is None."""

    kind: str
    ref: str | None
    hyp: str | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of N texts, end to end.

    Attributes:
        ids: (R,) int32, positions in the vocabulary.
        offsets: (N + 1,) int64; text n has `ids[offsets[n]:offsets[n + 1]]`.
    """

    ids: npt.NDArray[np.int32]
    offsets: Ints


@dataclass(frozen=True, slots=True)
class Edits:
    """The edits of N alignments, end to end, in order.

    Attributes:
        kinds: (E,) uint8, SUBSTITUTION, DELETION, INSERTION or OPTIONAL.
        refs: (E,) int64, position in the flat reference tokens at which the edit happens.
        hyps: (E,) int64, position in the flat hypothesis tokens at which the edit happens.
        offsets: (N + 1,) int64.
    """

    kinds: npt.NDArray[np.uint8]
    refs: Ints
    hyps: Ints
    offsets: Ints


@dataclass(frozen=True, slots=True)
class Alignments:
    """N alignments over one vocabulary."""

    vocabulary: Sequence[str]
    refs: Tokens
    hyps: Tokens
    edits: Edits

    def __len__(self) -> int:
        return len(self.refs.offsets) - 1

    def counts(self) -> Ints:
        """(N, 4) int64: hits, substitutions, deletions, insertions of each utterance."""
        owner = np.repeat(np.arange(len(self)), np.diff(self.edits.offsets))
        table = np.bincount(owner * 4 + self.edits.kinds, minlength=4 * len(self)).reshape(-1, 4).astype(np.int64)
        hits = np.diff(self.refs.offsets) - table[:, SUBSTITUTION] - table[:, DELETION]
        return np.stack([hits, table[:, SUBSTITUTION], table[:, DELETION], table[:, INSERTION]], axis=1)

    def pairs(self, index: int) -> list[Pair]:
        """The alignment of one utterance, column by column."""
        r, r_end = (int(x) for x in self.refs.offsets[index : index + 2])
        h = int(self.hyps.offsets[index])
        columns: list[Pair] = []
        for e in range(self.edits.offsets[index], self.edits.offsets[index + 1]):
            at, kind = int(self.edits.refs[e]), self.edits.kinds[e]
            columns += self._hits(r, h, at - r)
            r, h = at, h + at - r
            ref = self.vocabulary[self.refs.ids[r]] if kind != INSERTION else None
            hyp = self.vocabulary[self.hyps.ids[h]] if kind in (SUBSTITUTION, INSERTION) else None
            columns.append(Pair(("sub", "del", "ins", "opt")[kind], ref, hyp))
            r, h = r + (ref is not None), h + (hyp is not None)
        return columns + self._hits(r, h, r_end - r)

    def _hits(self, r: int, h: int, count: int) -> list[Pair]:
        ref, hyp = self.refs.ids[r : r + count], self.hyps.ids[h : h + count]
        return [Pair("hit", self.vocabulary[a], self.vocabulary[b]) for a, b in zip(ref, hyp, strict=True)]


def align(refs: Sequence[str], hyps: Sequence[str], unit: Unit = "word", costs: str = "unit") -> Alignments:
    """Align each reference with its hypothesis.

    Args:
        refs: N references; words are separated by white space.
        hyps: N hypotheses.
        unit: "word"; "char": every character counts, white space as one blank, none at the ends; or "auto", where
            `apart` decides.
        costs: "unit" for 0/1/1/1 or "sclite" for 0/3/3/4; among equally cheap alignments the choice is that of
            jiwer (rapidfuzz) and of sclite respectively.
    """
    if unit == "auto":
        refs, hyps = [apart(text) for text in refs], [apart(text) for text in hyps]
    tokenise = tokenise_characters if unit == "char" else tokenise_words
    vocabulary, (ref_tokens, hyp_tokens) = tokenise(refs, hyps)
    return Alignments(vocabulary, ref_tokens, hyp_tokens, _align_tokens(ref_tokens, hyp_tokens, costs))


def apart(text: str) -> str:
    """Blanks around each character of scripts without blanks, so that it is a word (sclite's -c NOASCII is alike)."""
    return text if text.isascii() else WITHOUT_BLANKS.sub(r" \g<0> ", text)


def tokenise_words(*texts: Sequence[str]) -> tuple[list[str], list[Tokens]]:
    """Split every text at white space; the vocabulary is shared and in order of appearance."""
    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    sets = []
    for group in texts:
        lengths = np.zeros(len(group), np.int64)
        blocks: list[npt.NDArray[np.int32]] = []
        for start in range(0, len(group), BLOCK):
            words = [text.split() for text in group[start : start + BLOCK]]
            here = lengths[start : start + len(words)]
            here[:] = list(map(len, words))
            known = map(vocabulary.__getitem__, chain.from_iterable(words))
            blocks.append(np.fromiter(known, np.int32, int(here.sum())))
        sets.append(Tokens(_join(blocks, np.int32), _offsets(lengths)))
    return list(vocabulary), sets


def tokenise_characters(*texts: Sequence[str]) -> tuple[Sequence[str], list[Tokens]]:
    """Split every text into Unicode characters; the vocabulary is the code points that occur, in their order."""
    flats, lengths = [], []
    for group in texts:
        clean = [" ".join(text.split()) for text in group]
        lengths.append(np.fromiter(map(len, clean), np.int64, len(clean)))
        flats.append(np.frombuffer("".join(clean).encode("utf-32-le", "surrogatepass"), np.uint32))
    used, ids = np.unique(np.concatenate(flats), return_inverse=True)
    parts = np.split(ids.astype(np.int32), np.cumsum([len(flat) for flat in flats])[:-1])
    return [chr(c) for c in used], [Tokens(part, _offsets(n)) for part, n in zip(parts, lengths, strict=True)]


def _align_tokens(refs: Tokens, hyps: Tokens, costs: str) -> Edits:
    if costs == "unit":
        return _align_unit_costs(refs, hyps)
    from asr.scoring.rates.weighted import align_weighted

    kinds, at_ref, at_hyp, lengths = align_weighted(refs.ids, refs.offsets, hyps.ids, hyps.offsets, *COSTS[costs])
    return Edits(kinds, at_ref, at_hyp, _offsets(lengths))


def _align_unit_costs(refs: Tokens, hyps: Tokens) -> Edits:
    """Levenshtein edits through rapidfuzz, the library beneath jiwer, so that ties are broken as jiwer breaks them."""
    from rapidfuzz.distance.Levenshtein import editops

    ref_text, hyp_text = _as_sequence(refs.ids), _as_sequence(hyps.ids)
    code = {"replace": SUBSTITUTION, "delete": DELETION, "insert": INSERTION}
    lengths = np.zeros(len(refs.offsets) - 1, np.int64)
    kinds, at_ref, at_hyp = bytearray(), _IntBuffer(), _IntBuffer()
    r_bounds, h_bounds = pairwise(refs.offsets.tolist()), pairwise(hyps.offsets.tolist())
    for n, ((r, r_end), (h, h_end)) in enumerate(zip(r_bounds, h_bounds, strict=True)):
        ref, hyp = ref_text[r:r_end], hyp_text[h:h_end]
        if ref == hyp:
            continue
        edits = cast("list[tuple[str, int, int]]", editops(ref, hyp).as_list())
        lengths[n] = len(edits)
        for kind, i, j in edits:
            kinds.append(code[kind])
            at_ref.append(r + i)
            at_hyp.append(h + j)
    return Edits(np.frombuffer(bytes(kinds), np.uint8), at_ref.array(), at_hyp.array(), _offsets(lengths))


def _as_sequence(ids: npt.NDArray[np.int32]) -> str | list[int]:
    """A string with one code point a token, which rapidfuzz compares fastest; a list when there are too many words."""
    if len(ids) and int(ids.max()) >= HIGHEST_CODE_POINT:
        return cast("list[int]", ids.tolist())
    return ids.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


class _IntBuffer:
    """A growing array of int64 that costs 8 bytes a number, where a list costs 36."""

    def __init__(self) -> None:
        from array import array

        self._values = array("q")
        self.append = self._values.append

    def array(self) -> Ints:
        return np.array(self._values, np.int64)


def _offsets(lengths: Iterable[int] | Ints) -> Ints:
    offsets = np.zeros(len(cast(Ints, lengths)) + 1, np.int64)
    np.cumsum(cast(Ints, lengths), out=offsets[1:])
    return offsets


def _join(blocks: list[npt.NDArray[np.int32]], kind: type[np.int32]) -> npt.NDArray[np.int32]:
    return np.concatenate(blocks) if blocks else np.zeros(0, kind)
