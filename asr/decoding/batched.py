"""Many utterances through a decoder that takes batches. B: utterances, T: frames, V: units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from asr.decoding.decoder import BatchDecoder
from asr.decoding.parallel import Outcome, decode_all
from asr.errors import AsrError


def decode_batches(
    decoder: BatchDecoder, utterances: Sequence[tuple[str, NDArray[np.float32]]], device: torch.device, size: int
) -> Iterator[tuple[str, Outcome]]:
    """Decode utterances, in their order.

    An utterance that cannot be decoded yields its error and does not stop the others.

    Args:
        decoder: takes (B, T, V) batches.
        utterances: (id, (T, V) log-probabilities).
        device: where the decoder works.
        size: B; does not change the result.
    """
    for begin in range(0, len(utterances), size):
        group = utterances[begin : begin + size]
        rows = [torch.from_numpy(log_probs) for _, log_probs in group]
        try:
            batch = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
            readings = decoder.decode_batch(batch, torch.tensor([len(row) for row in rows]))
        except AsrError:  # of one of them: alone, each says what is wrong with it
            yield from decode_all(lambda: decoder, group)
        else:
            yield from zip((name for name, _ in group), readings, strict=True)
