"""The beam search for a batch of utterances in torch, for log-probabilities that lie on a GPU.

B utterances, T frames, V units, K prefixes of the beam, N units tried in a frame.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr.decoding.beam import READINGS_FOR_CONFIDENCE, BeamDecoder, BeamOptions
from asr.decoding.beam_torch_step import STAYED, Beam, Rules, Scorer, first_beam, grow, known_parents
from asr.decoding.beam_torch_texts import TensorTexts, sums_of_texts, tensor_texts, text_groups
from asr.decoding.knowledge.factors import SCORE_WORDS, UNKNOWN_WORD
from asr.decoding.knowledge.tables import Weights
from asr.decoding.knowledge.texts import NO_SEPARATOR
from asr.decoding.ngram_torch import TensorNGram
from asr.decoding.paths.log_probs import check_batch
from asr.decoding.results.confidence import ConfidenceModel
from asr.decoding.results.hypothesis import Hypothesis
from asr.decoding.results.readings import Reading, distinct
from asr.decoding.search.session import NEGLIGIBLE
from asr.errors import DecodingError
from asr.lm.ngram import NGramModel
from asr.lm.text import lm_symbols
from asr.units import BLANK, Units


class Searched(NamedTuple):
    """A finished search on the host, best prefix first; -inf marks places that no prefix holds.

    Attributes:
        scores: (B, K) natural-log score.
        log_gains: (B, K) natural log of the factors in it.
        origins: (T, B, K) place in the beam of the frame before.
        tokens: (T, B, K) unit that was added, or STAYED.
        places: (B, K) place in the last frame's beam.
    """

    scores: NDArray[np.float64]
    log_gains: NDArray[np.float64]
    origins: NDArray[np.int64]
    tokens: NDArray[np.int64]
    places: NDArray[np.int64]


class BatchedBeamDecoder(BeamDecoder):
    """`BeamDecoder` that searches whole utterances in torch, many at once, on the device of their log-probabilities.

    Without a language model or with one over the units; its readings and scores are those of `BeamDecoder` (to 1e-4,
    for masses are float32). Decoding in blocks (`start`, `advance`) is the compiled search's, on the CPU.

    Args:
        units: the acoustic model's units.
        seconds_per_frame: of its output.
        options: pruning and what is returned.
        weights: of language model and units.
        lm: a language model over units.
        confidence: fitted calibration; without it confidences are uncalibrated.

    Raises:
        DecodingError: the language model is over words, or does not fit the units.
    """

    def __init__(
        self, units: Units, seconds_per_frame: float, *, options: BeamOptions | None = None,
        weights: Weights | None = None, lm: NGramModel | None = None, confidence: ConfidenceModel | None = None,
    ) -> None:  # fmt: skip
        super().__init__(units, seconds_per_frame, options=options, weights=weights, lm=lm, confidence=confidence)
        fusion = self._known.fusion
        if fusion.scoring == SCORE_WORDS:
            remedy = "use the compiled search, or train one over the units ('asr lm train --unit units')"
            raise DecodingError("language model", "is over words, which the search in torch cannot use", remedy)
        self._token_words = fusion.token_words
        self._texts = fusion.texts
        self._on_device: dict[torch.device, tuple[Scorer, TensorTexts]] = {}

    def decode(self, log_probs: NDArray[np.floating]) -> list[Hypothesis]:
        """A batch of one on the CPU; see `BeamDecoder.decode`."""
        if not isinstance(log_probs, np.ndarray) or log_probs.ndim != 2:
            return super().decode(log_probs)  # which says what is wrong
        batch = torch.from_numpy(np.ascontiguousarray(log_probs))[None]
        return self.decode_batch(batch, torch.tensor([len(log_probs)]))[0]

    @torch.inference_mode()
    def decode_batch(self, log_probs: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
        """Decode whole utterances.

        Args:
            log_probs: (B, T, V) natural-log probabilities on any device; rows beyond a length may hold anything.
            lengths: (B,) frames.

        Returns:
            For each utterance `options.nbest` hypotheses or fewer, best first, at least one.

        Raises:
            DecodingError: wrong shape, NaN, rows that are not normalised, or no possible reading.
        """
        lengths = lengths.to(log_probs.device)
        check_batch(log_probs, lengths, len(self.units))
        searched = self._run(log_probs.float(), lengths)
        traced = trace(searched)
        host = log_probs.float().cpu().numpy() if self.options.words else None
        found = []
        for row, length in enumerate(lengths.tolist()):
            readings = self._readings(searched, traced, row)
            frames = host[row, :length] if host is not None else np.empty((0, len(self.units)), np.float32)
            best = distinct(readings, self.options.nbest)
            found.append([self._scored(self._hypothesis(reading, readings, frames)) for reading in best])
        return found

    def _scored(self, hypothesis: Hypothesis) -> Hypothesis:
        if self.lm is None:
            return hypothesis
        symbols = lm_symbols(self.units)
        return replace(hypothesis, lm_score=self.lm.score([symbols[token] for token in hypothesis.tokens]))

    def _run(self, log_probs: Tensor, lengths: Tensor) -> Searched:
        settings, scorer, texts = self.options, *self._knowledge(log_probs.device)
        batch = len(log_probs)
        tokens, tried, counts = likely_units(log_probs, lengths, settings.token_threshold)
        share = settings.settings().discount
        rules = Rules(scorer, texts, settings.beam_threshold, math.log(share) if share > 0.0 else -math.inf)
        start = scorer.lm.start_state if scorer.lm else 0
        beam = first_beam(batch, settings.beam, start, log_probs.device)
        here = torch.arange(settings.beam, device=log_probs.device).expand(batch, -1)
        scale = torch.zeros(batch, dtype=torch.float64, device=log_probs.device)
        origins, added = [], []
        for frame, count in enumerate(counts):
            candidates = tokens[:, frame, :count], tried[:, frame, :count]
            growth = grow(beam, log_probs[:, frame], *candidates, rules)
            ended = (frame >= lengths)[:, None]
            beam = Beam(*(torch.where(ended, old, new) for old, new in zip(beam, growth.beam, strict=True)))
            scale += torch.where(ended[:, 0], 0.0, growth.best)
            origins.append(torch.where(ended, here, growth.origins))
            added.append(torch.where(ended, STAYED, growth.tokens))
        return self._finish(beam, rules, scale, origins, added)

    def _finish(self, beam: Beam, rules: Rules, scale: Tensor, origins: list[Tensor], added: list[Tensor]) -> Searched:
        last = rules.scorer.finish(beam.lm_states).double()
        scores = torch.logaddexp(beam.blank, beam.label).double() + last + scale[:, None]
        if rules.texts.by_pieces or rules.texts.separator != NO_SEPARATOR:
            scores = sums_of_texts(scores, text_groups(rules.texts, beam.texts, beam.last, *known_parents(beam)))
        scores, places = scores.sort(dim=1, descending=True, stable=True)
        lost = (~scores[:, 0].isfinite()).nonzero()[:, 0].tolist()
        if lost:
            raise DecodingError(
                f"utterance {lost[0]} of the batch", "has no reading with a probability above 0",
                "check the log-probabilities, or widen the beam",
            )  # fmt: skip
        empty = places.new_empty((0, *places.shape))
        return Searched(
            scores.cpu().numpy(), (beam.log_gain + last).gather(1, places).cpu().numpy(),
            (torch.stack(origins) if origins else empty).cpu().numpy(),
            (torch.stack(added) if added else empty).cpu().numpy(), places.cpu().numpy(),
        )  # fmt: skip

    def _knowledge(self, device: torch.device) -> tuple[Scorer, TensorTexts]:
        """What scores units and what tells texts, on a device."""
        if device not in self._on_device:
            unknown = torch.from_numpy(self._token_words == UNKNOWN_WORD).to(device)
            scorer = Scorer(
                TensorNGram(self.lm, self._token_words, device) if self.lm else None, self.weights.alpha,
                torch.where(unknown, self.weights.beta - self.weights.unknown_penalty, self.weights.beta),
            )  # fmt: skip
            self._on_device[device] = scorer, tensor_texts(self._texts, device)
        return self._on_device[device]

    def _readings(self, searched: Searched, traced: list[list[list[int]]], row: int) -> list[Reading]:
        """The readings of one utterance, best first: as many as the compiled search gives."""
        rivals = READINGS_FOR_CONFIDENCE if self.options.words else 0
        found: list[Reading] = []
        different: set[str] = set()
        scores = searched.scores[row]
        for place in np.flatnonzero(np.isfinite(scores)).tolist():
            worth = not found or (len(found) < rivals and scores[place] > found[0].score - NEGLIGIBLE)
            if len(different) >= self.options.nbest and not worth:
                break
            tokens = traced[row][place]
            found.append(
                Reading(tokens, self.units.decode(tokens), scores[place].item(), searched.log_gains[row, place].item())
            )
            different.add(found[-1].text)
        return found


def likely_units(log_probs: Tensor, lengths: Tensor, threshold: float) -> tuple[Tensor, Tensor, list[int]]:
    """Units worth trying in each frame: those above a log-probability, or else the likeliest if it is not the blank.

    Args:
        log_probs: (B, T, V).
        lengths: (B,).
        threshold: natural-log probability.

    Returns:
        (B, T, N) units, likeliest first; (B, T, N) whether they are to be tried; and for each frame how many columns of
        them some utterance needs, at least 1.
    """
    batch, frames, _ = log_probs.shape
    spoken = log_probs.clone()
    spoken[:, :, BLANK] = -torch.inf
    likeliest = spoken.amax(dim=2, keepdim=True)
    alone = (likeliest < threshold) & (likeliest > log_probs[:, :, BLANK : BLANK + 1])
    floor = torch.where(alone, likeliest, threshold)
    inside = torch.arange(frames, device=log_probs.device) < lengths[:, None]
    counts = ((spoken >= floor).sum(dim=2) * inside).amax(dim=0).clamp(min=1).tolist() if batch else [1] * frames
    values, tokens = spoken.topk(max(counts, default=1), dim=2)
    return tokens, (values >= floor) & (tokens != BLANK), counts


def trace(searched: Searched) -> list[list[list[int]]]:
    """Unit ids of every reading of every utterance, in the order of `searched.scores`."""
    places = searched.places
    steps = []
    for origins, tokens in zip(searched.origins[::-1], searched.tokens[::-1], strict=True):
        steps.append(np.take_along_axis(tokens, places, axis=1))
        places = np.take_along_axis(origins, places, axis=1)
    if not steps:
        return [[[] for _ in row] for row in searched.places]
    paths = np.stack(steps[::-1], axis=2)  # (B, K, T)
    return [[path[path != STAYED].tolist() for path in row] for row in paths]
