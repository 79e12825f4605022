"""The texts that prefixes spell, for the batched beam search: spellings of one text share what they have.

The texts are the numbers of `same_text`, in int64 arithmetic that wraps around; what is merged is what `merging` and
the compiled search merge.

Shapes: B utterances, K prefixes of the beam, N units tried in the frame, V units. Masses are natural logarithms; -inf
marks a free place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from asr.decoding.knowledge.texts import NO_SEPARATOR, TextArrays
from asr.units import BLANK

IMPOSSIBLE = -torch.inf


class TensorTexts(NamedTuple):
    """What each unit adds to a text; see `same_text.TextArrays`."""

    by_pieces: bool
    separator: int
    marker: int
    factors: Tensor  # (2, V) int64: after letters; at the beginning of a word
    terms: Tensor  # (2, V) int64
    begins_word: Tensor  # (V,) whether it adds the same after letters and at the beginning of a word


def tensor_texts(texts: TextArrays, device: torch.device) -> TensorTexts:
    """The tables of a unit inventory on a device."""
    factors, terms = (torch.from_numpy(table.view(np.int64)).to(device) for table in (texts.factors, texts.terms))
    begins_word = (factors[0] == factors[1]) & (terms[0] == terms[1])
    return TensorTexts(texts.by_pieces, int(texts.separator), int(texts.marker), factors, terms, begins_word)


def text_after(texts: TensorTexts, before: Tensor, last: Tensor, tokens: Tensor) -> Tensor:
    """The numbers of texts with a certain last unit (the blank: none) with one more unit; the shapes are broadcast."""
    rows = _word_begins(texts, last).long()
    return before * texts.factors[rows, tokens] + texts.terms[rows, tokens]


def add_separators(
    texts: TensorTexts, row: Tensor, last: Tensor, blank: Tensor, stay_blank: Tensor, stay_label: Tensor
) -> tuple[Tensor, Tensor]:
    """Give prefixes what a further separator, which says nothing new, brings them.

    Args:
        texts: of the units.
        row: (B, V) log-probabilities of the frame.
        last: (B, K) last units.
        blank: (B, K) masses before the frame of the paths that end in a blank.
        stay_blank: (B, K) masses after the frame of the prefixes that do not grow.
        stay_label: (B, K) the same, of the paths that end in the last unit.

    Returns:
        The two masses after the frame.
    """
    if texts.separator == NO_SEPARATOR:
        return stay_blank, stay_label
    more = blank + row[:, texts.separator, None]
    at_start = torch.where(last == BLANK, more, IMPOSSIBLE)
    repeated = torch.where(last == texts.separator, more, IMPOSSIBLE)
    return torch.logaddexp(stay_blank, at_start), torch.logaddexp(stay_label, repeated)


def says_nothing(texts: TensorTexts, last: Tensor, tokens: Tensor) -> Tensor:
    """Whether a unit leaves a text as it is, (B, K, N): a separator after another, or before the first word."""
    silent = (last == BLANK) | (last == texts.separator)
    return silent[:, :, None] & ((tokens == texts.separator) & (tokens != NO_SEPARATOR))[:, None, :]


def merge_longer(
    texts: TensorTexts, numbers: Tensor, last: Tensor, alive: Tensor, tokens: Tensor, columns: Tensor, longer: Tensor
) -> tuple[Tensor, Tensor]:
    """Bring the new prefixes with the same text and the same last unit together.

    Args:
        texts: of the units.
        numbers: (B, K) texts of the prefixes in the beam.
        last: (B, K) their last units.
        alive: (B, K) whether they are there.
        tokens: (B, N) units tried.
        columns: (B, K) place of `last` among them, N where it is not tried.
        longer: (B, K, N) masses of the prefixes with one more unit.

    Returns:
        The masses (B, K, N), of which one with the same text holds the sum and the others, as those whose text is in
        the beam already, nothing; and what that adds to the prefixes of the beam, (B, K).
    """
    longer, shared = _share_with_beam(texts, numbers, last, alive, columns, longer)
    return _sum_alike(texts, numbers, last, tokens, longer), shared


def text_groups(texts: TensorTexts, numbers: Tensor, last: Tensor, slots: Tensor, known: Tensor) -> Tensor:
    """For each prefix the place of the one that stands for its text when the utterance ends: (B, K).

    Args:
        texts: of the units.
        numbers: (B, K) texts of the prefixes.
        last: (B, K) their last units.
        slots: (B, K) places of their beginnings without the last unit.
        known: (B, K) whether these are in the beam.
    """
    if texts.by_pieces:
        return first_alike(numbers[:, :, None] == numbers[:, None, :])
    here = torch.arange(last.shape[1], device=last.device).expand_as(last)
    closed = known & (last == texts.separator) & (last != NO_SEPARATOR)
    return torch.where(closed, slots, here)


def sums_of_texts(scores: Tensor, groups: Tensor) -> Tensor:
    """The scores (B, K) of texts: the sum of its group for the best prefix of each, -inf for the others."""
    return _sums(scores[:, :, None], groups[:, :, None])[:, :, 0]


def _word_begins(texts: TensorTexts, last: Tensor) -> Tensor:
    return (last == BLANK) | (last == texts.marker)


def _share_with_beam(
    texts: TensorTexts, numbers: Tensor, last: Tensor, alive: Tensor, columns: Tensor, longer: Tensor
) -> tuple[Tensor, Tensor]:
    """Move masses of new prefixes whose text and last unit a prefix of the beam has: what is left, and what moved."""
    batch, width, count = longer.shape
    reached = text_after(texts, numbers[:, :, None], last[:, :, None], last[:, None, :])  # from one, as if to another
    same = (reached == numbers[:, None, :]) & (alive & (columns < count))[:, None, :]
    places = columns.clamp(max=count - 1)[:, None, :].expand(batch, width, width)
    shared = torch.where(same, longer.gather(2, places), IMPOSSIBLE).logsumexp(dim=1)
    taken = torch.zeros((batch, width, count + 1), dtype=torch.bool, device=longer.device)
    taken.scatter_(2, torch.where(same, places, count), True)
    return longer.masked_fill(taken[:, :, :count], IMPOSSIBLE), shared


def _sum_alike(texts: TensorTexts, numbers: Tensor, last: Tensor, tokens: Tensor, longer: Tensor) -> Tensor:
    """Sum new prefixes that spell the same with the same last unit.

    With one more unit the texts of two prefixes are the same if they are so without it, and if the unit adds the same
    to both: always where it begins a word, else where both or neither are at the beginning of a word.
    """
    same = numbers[:, :, None] == numbers[:, None, :]
    begins = _word_begins(texts, last)
    alike = first_alike(same & (begins[:, :, None] == begins[:, None, :]))
    groups = torch.where(texts.begins_word[tokens][:, None, :], first_alike(same)[:, :, None], alike[:, :, None])
    return _sums(longer, groups)


def first_alike(alike: Tensor) -> Tensor:
    """The first place that each is alike to: (B, K, K) -> (B, K)."""
    return alike.to(torch.uint8).argmax(dim=2)


def _sums(columns: Tensor, groups: Tensor) -> Tensor:
    """The sum of each group in each column for its best row, the first of equals, -inf for the others: (B, K, N)."""
    top = torch.full_like(columns, IMPOSSIBLE).scatter_reduce(1, groups, columns, "amax").gather(1, groups)
    base = torch.where(top > IMPOSSIBLE, top, 0.0)
    total = torch.zeros_like(columns).scatter_add(1, groups, (columns - base).exp()).gather(1, groups).log() + base
    width = columns.shape[1]
    here = torch.arange(width, device=columns.device)[None, :, None].expand_as(groups)
    ahead = torch.where(columns == top, here, width)
    leader = torch.full_like(groups, width).scatter_reduce(1, groups, ahead, "amin").gather(1, groups)
    return torch.where(leader == here, total, IMPOSSIBLE)
