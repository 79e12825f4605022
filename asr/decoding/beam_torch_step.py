"""One frame of the batched beam search in torch: every prefix of every utterance at once, on any device.

The frame is that of the compiled search: a prefix keeps two masses, of its paths that end in a blank and in its last
unit; a longer prefix that is in the beam already is merged with it. Who is whose beginning is told by hashes of the
whole prefix, so that a prefix which left the beam and came back is recognised.

Shapes: B utterances, K prefixes of the beam, N units tried in the frame, V units. Masses are natural logarithms,
relative to the best prefix of the frame; a mass of -inf marks a free place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from asr.decoding.beam_torch_texts import (
    IMPOSSIBLE,
    TensorTexts,
    add_separators,
    first_alike,
    merge_longer,
    says_nothing,
    text_after,
)
from asr.decoding.knowledge.prefixes import WINDOW
from asr.decoding.ngram_torch import TensorNGram
from asr.decoding.search.extension import MARGIN
from asr.units import BLANK

EMPTY, NO_PARENT = 1, 0  # hashes: of the empty prefix, and of what it extends
STAYED = -1  # in place of a unit: the prefix did not grow in the frame
LOG_MARGIN = math.log(MARGIN)
UNIT_BITS = 20  # of a unit in `Beam.recent`
MULTIPLIER = 6364136223846793005  # Knuth's MMIX generator


class Beam(NamedTuple):
    """The prefixes that are alive, each tensor (B, K)."""

    hashes: Tensor  # int64, of the prefix
    parents: Tensor  # int64, of the prefix without its last unit
    last: Tensor  # int64, its last unit; the blank for the empty prefix
    recent: Tensor  # int64, its last WINDOW units, UNIT_BITS each
    texts: Tensor  # int64, number of the text that it spells; 0 where units are no cuts of words
    blank: Tensor  # mass of the paths that end in a blank
    label: Tensor  # mass of the paths that end in the last unit
    lm_states: Tensor  # int64
    gain: Tensor  # log-factor of the last unit
    log_gain: Tensor  # float64, log-factor of all units


@dataclass(frozen=True)
class Scorer:
    """Log-factor of a unit: alpha * log P + beta, less a penalty where the language model does not know the unit.

    Attributes:
        lm: the language model, or None, where all factors are 1.
        alpha: see `Weights`.
        additions: (V,) beta less the penalty of each unit.
    """

    lm: TensorNGram | None
    alpha: float
    additions: Tensor

    def extend(self, states: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Log-factors and next states (B, K, N) of extending prefixes in `states` (B, K) by `tokens` (B, N)."""
        if self.lm is None:
            shape = (*states.shape, tokens.shape[1])
            return torch.zeros(shape, device=states.device), states[:, :, None].expand(shape)
        log_probs, following = self.lm.step(states[:, :, None], tokens[:, None, :])
        return self.alpha * log_probs + self.additions[tokens][:, None, :], following

    def finish(self, states: Tensor) -> Tensor:
        """Log-factor (B, K) of ending in `states`."""
        if self.lm is None:
            return torch.zeros(states.shape, device=states.device)
        end = torch.full_like(states, len(self.additions))
        return self.alpha * self.lm.step(states, end)[0]


class Rules(NamedTuple):
    """What a search goes by."""

    scorer: Scorer
    texts: TensorTexts
    threshold: float  # log-mass below the best at which a prefix is dropped
    # Added to the rank of prefixes in a full beam that are worse than another with the same future; -inf drops them.
    discount: float


class Growth(NamedTuple):
    """Where the prefixes of the next frame come from, each (B, K)."""

    beam: Beam
    best: Tensor  # (B,) mass that the new masses are relative to, -inf when no prefix is left
    origins: Tensor  # int64 place in the beam before
    tokens: Tensor  # int64 unit that was added, or STAYED


def first_beam(batch: int, width: int, start_state: int, device: torch.device) -> Beam:
    """The empty prefix of each utterance."""

    def filled(value: float, dtype: torch.dtype) -> Tensor:
        return torch.full((batch, width), value, dtype=dtype, device=device)

    blank = filled(IMPOSSIBLE, torch.float32)
    blank[:, 0] = 0.0
    return Beam(
        hashes=filled(EMPTY, torch.int64), parents=filled(NO_PARENT, torch.int64), last=filled(BLANK, torch.int64),
        recent=filled(BLANK, torch.int64), texts=filled(0, torch.int64),
        blank=blank, label=filled(IMPOSSIBLE, torch.float32), lm_states=filled(start_state, torch.int64),
        gain=filled(0.0, torch.float32), log_gain=filled(0.0, torch.float64),
    )  # fmt: skip


def grow(beam: Beam, row: Tensor, tokens: Tensor, tried: Tensor, rules: Rules) -> Growth:
    """Go on by one frame.

    Args:
        beam: the prefixes so far.
        row: (B, V) log-probabilities of the frame.
        tokens: (B, N) units that may be tried, N at least 1.
        tried: (B, N) whether they are; the blank never is.
        rules: of the search.
    """
    gains, states = rules.scorer.extend(beam.lm_states, tokens)
    stay_blank, stay_label, longer = _masses(beam, row, tokens, tried, gains, rules)
    width, count = beam.last.shape[1], tokens.shape[1]
    scores = torch.cat([torch.logaddexp(stay_blank, stay_label), longer.flatten(1)], dim=1)
    best = scores.amax(dim=1, keepdim=True)
    scores = scores.masked_fill(~(scores >= best - rules.threshold), IMPOSSIBLE)
    full = (scores > IMPOSSIBLE).sum(dim=1, keepdim=True) > width
    worse = _worse(beam, stay_label > stay_blank, scores)
    ranks, index = torch.where(full & worse, scores + rules.discount, scores).topk(width, dim=1)
    top = scores.gather(1, index).masked_fill(ranks == IMPOSSIBLE, IMPOSSIBLE)
    stays = index < width
    place = (index - width).clamp(min=0)
    origins = torch.where(stays, index, place // count)
    kept = top > IMPOSSIBLE
    base = torch.where(best.isfinite(), best, 0.0)

    def choose(stayed: Tensor, grown: Tensor) -> Tensor:
        return torch.where(stays, stayed.gather(1, origins), grown)

    token, gain = tokens.gather(1, place % count), gains.flatten(1).gather(1, place)
    hashes, last, texts = (old.gather(1, origins) for old in (beam.hashes, beam.last, beam.texts))
    log_gain = beam.log_gain.gather(1, origins)
    if rules.texts.by_pieces:
        texts = torch.where(stays, texts, text_after(rules.texts, texts, last, token))
    grown = Beam(
        hashes=choose(beam.hashes, extended_hash(hashes, token)), parents=choose(beam.parents, hashes),
        last=choose(beam.last, token), texts=texts,
        recent=choose(beam.recent, with_unit(beam.recent.gather(1, origins), token)),
        blank=torch.where(stays & kept, stay_blank.gather(1, origins) - base, IMPOSSIBLE),
        label=torch.where(kept, choose(stay_label, top) - base, IMPOSSIBLE),
        lm_states=choose(beam.lm_states, states.flatten(1).gather(1, place)),
        gain=choose(beam.gain, gain), log_gain=torch.where(stays, log_gain, log_gain + gain),
    )  # fmt: skip
    return Growth(grown, best[:, 0], origins, torch.where(stays, STAYED, token))


def with_unit(recent: Tensor, tokens: Tensor) -> Tensor:
    """The last WINDOW units of prefixes, as `Beam.recent`, with one more unit."""
    return ((recent << UNIT_BITS) | tokens) & ((1 << WINDOW * UNIT_BITS) - 1)


def extended_hash(hashes: Tensor, tokens: Tensor) -> Tensor:
    """Hash of a prefix and one more unit; int64 arithmetic wraps around."""
    mixed = (hashes ^ (tokens + 1)) * MULTIPLIER
    return mixed ^ (mixed >> 29)


def _masses(
    beam: Beam, row: Tensor, tokens: Tensor, tried: Tensor, gains: Tensor, rules: Rules
) -> tuple[Tensor, Tensor, Tensor]:
    """Masses after the frame: of the prefixes that stay, by a blank and by a unit, (B, K); of the longer, (B, K, N)."""
    total = torch.logaddexp(beam.blank, beam.label)
    slots, known = known_parents(beam)
    stay_blank, stay_label = _stay(beam, total, row, slots, known)
    stay_blank, stay_label = add_separators(rules.texts, row, beam.last, beam.blank, stay_blank, stay_label)
    columns = _columns(beam, tokens, row.shape[1])
    longer = _longer(beam, total, row, tokens, gains)
    floor = _floor(torch.logaddexp(stay_blank, stay_label), total > IMPOSSIBLE, rules.threshold)
    refused = ~tried[:, None, :] | _in_beam(columns, slots, known, tokens.shape[1]) | ~(longer >= floor[:, :, None])
    longer = longer.masked_fill(refused | says_nothing(rules.texts, beam.last, tokens), IMPOSSIBLE)
    if rules.texts.by_pieces:
        alive = total > IMPOSSIBLE
        longer, shared = merge_longer(rules.texts, beam.texts, beam.last, alive, tokens, columns, longer)
        stay_label = torch.logaddexp(stay_label, shared)
    return stay_blank, stay_label, longer


def _floor(staying: Tensor, alive: Tensor, threshold: float) -> Tensor:
    """Mass below which no new prefix is collected, (B, 1): far below the best or, in a full beam, below the worst."""
    floor = staying.amax(dim=1, keepdim=True) - threshold
    lowest = staying.amin(dim=1, keepdim=True) + LOG_MARGIN
    return torch.where(alive.all(dim=1, keepdim=True), torch.maximum(floor, lowest), floor)


def _worse(beam: Beam, sounding: Tensor, scores: Tensor) -> Tensor:
    """Whether each candidate is worse than the best with the same future: (B, K + K N), as `scores`.

    What comes treats two prefixes alike that end in the same WINDOW units and state of the language model, if the last
    unit is `sounding` (B, K) in both or in neither, and two longer ones that do so before the same new unit; see
    `recombination.rank`.
    """
    batch, width = beam.last.shape
    alike = (beam.recent[:, :, None] == beam.recent[:, None, :]) & (
        beam.lm_states[:, :, None] == beam.lm_states[:, None, :]
    )
    stayed = _best_of_kind(scores[:, :width, None], alike & (sounding[:, :, None] == sounding[:, None, :]))
    grown = _best_of_kind(scores[:, width:].view(batch, width, -1), alike)
    return scores < torch.cat([stayed[:, :, 0], grown.flatten(1)], dim=1)


def _best_of_kind(columns: Tensor, alike: Tensor) -> Tensor:
    """The best score in each column among the rows that are alike: (B, K, N), (B, K, K) -> (B, K, N)."""
    groups = first_alike(alike)[:, :, None].expand_as(columns)
    return torch.full_like(columns, IMPOSSIBLE).scatter_reduce(1, groups, columns, "amax").gather(1, groups)


def known_parents(beam: Beam) -> tuple[Tensor, Tensor]:
    """Place of each prefix's beginning in the beam, and whether it is there: (B, K) both."""
    alive = (beam.blank > IMPOSSIBLE) | (beam.label > IMPOSSIBLE)
    match = (beam.parents[:, :, None] == beam.hashes[:, None, :]) & alive[:, :, None] & alive[:, None, :]
    known, slots = match.to(torch.uint8).max(dim=2)
    return slots, known > 0


def _stay(beam: Beam, total: Tensor, row: Tensor, slots: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Masses of the prefixes that do not grow, with what reaches them from their beginnings in the beam."""
    repeated = row.gather(1, beam.last)
    doubled = beam.last.gather(1, slots) == beam.last
    arriving = torch.where(doubled, beam.blank.gather(1, slots), total.gather(1, slots))
    merged = torch.where(known, arriving + repeated + beam.gain, IMPOSSIBLE)
    return total + row[:, BLANK : BLANK + 1], torch.logaddexp(beam.label + repeated, merged)


def _longer(beam: Beam, total: Tensor, row: Tensor, tokens: Tensor, gains: Tensor) -> Tensor:
    """Mass of every prefix with one more unit: (B, K, N); a repeated unit needs a blank between."""
    doubled = tokens[:, None, :] == beam.last[:, :, None]
    source = torch.where(doubled, beam.blank[:, :, None], total[:, :, None])
    return source + row.gather(1, tokens)[:, None, :] + gains


def _columns(beam: Beam, tokens: Tensor, units: int) -> Tensor:
    """Place of each prefix's last unit among those tried, N where it is not: (B, K)."""
    batch, count = tokens.shape
    columns = torch.full((batch, units), count, device=tokens.device)
    columns.scatter_(1, tokens, torch.arange(count, device=tokens.device).expand(batch, count))
    return columns.gather(1, beam.last)


def _in_beam(columns: Tensor, slots: Tensor, known: Tensor, count: int) -> Tensor:
    """Whether a prefix with one more unit is in the beam already: (B, K, N)."""
    batch, width = slots.shape
    places = torch.where(known, slots * (count + 1) + columns, count)
    taken = torch.zeros((batch, width * (count + 1)), dtype=torch.bool, device=slots.device)
    return taken.scatter_(1, places, True).view(batch, width, count + 1)[:, :, :count]
