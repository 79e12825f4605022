"""Batches that do not fit the accelerator's memory: found early, split in halves, and named where that cannot help.

Shapes: B utterances, T frames (longest of the batch), F features.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import torch
from torch import Tensor

from asr.batches.examples import Batch
from asr.errors import TrainingError

LOGGER = logging.getLogger("asr")


class BatchSplitter:
    """Knows which size of batch did not fit, and splits what is as large.

    Attributes:
        too_large: padded frames (B x T) of the smallest batch that ran out of memory; None until one did.
    """

    def __init__(self) -> None:
        self.too_large: int | None = None

    def fitting(self, batch: Batch) -> list[Batch]:
        """The batch, halved until no piece is as large as one that did not fit; single utterances are left alone."""
        if self.too_large is None or padded_frames(batch) < self.too_large or len(batch.ids) == 1:
            return [batch]
        return [piece for half in halves(batch) for piece in self.fitting(half)]

    def learn(self, batch: Batch) -> None:
        """Take note that a batch ran out of memory, and warn.

        Raises:
            TrainingError: it is a single utterance, which cannot be split.
        """
        if len(batch.ids) == 1:
            raise TrainingError(
                batch.ids[0],
                f"does not fit the memory even alone ({batch.seconds:.1f} s)",
                "drop or cut it ('asr validate --fix'), take a smaller model, or lower training.precision",
            )
        frames = padded_frames(batch)
        self.too_large = frames if self.too_large is None else min(self.too_large, frames)
        LOGGER.warning(
            "out of memory on a batch of %d utterances, %.1f s of audio: it and all as large are split in halves from "
            "now on; lower batching.seconds to save the time. Utterances: %s",
            len(batch.ids), batch.seconds, " ".join(batch.ids),
        )  # fmt: skip


def padded_frames(batch: Batch) -> int:
    """B x T: what the memory of a batch grows with."""
    return batch.features.shape[0] * batch.features.shape[1]


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """The first and the second half of a batch of two or more, each padded only to its own longest utterance."""
    middle = (len(batch.ids) + 1) // 2
    return _part(batch, slice(0, middle)), _part(batch, slice(middle, len(batch.ids)))


def stretched(batch: Batch, factor: float, most_frames: int) -> Batch:
    """A batch as if every utterance took `factor` times as long, but no larger than `most_frames` (B x T) for it.

    Speed perturbation makes later epochs' batches longer than this one's; the memory they need depends on shapes alone.
    """
    utterances, frames = batch.features.shape[:2]
    longest = max(frames, min(round(frames * factor), most_frames // utterances))
    scale = longest / max(1, frames)
    lengths = (batch.lengths * scale).long().clamp(max=longest)
    features = torch.nn.functional.pad(batch.features, (0, 0, 0, longest - frames))
    return replace(batch, features=features, lengths=lengths, seconds=batch.seconds * scale)


def _part(batch: Batch, rows: slice) -> Batch:
    lengths: Tensor = batch.lengths[rows]
    share = float(lengths.sum()) / max(1.0, float(batch.lengths.sum()))
    return replace(
        batch,
        ids=batch.ids[rows],
        features=batch.features[rows, : int(lengths.max())],
        lengths=lengths,
        targets=batch.targets[rows],
        seconds=batch.seconds * share,
    )
