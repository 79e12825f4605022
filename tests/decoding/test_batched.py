"""Batches through a decoder: order, any size, and failures that stay with their utterance."""

import numpy as np
import pytest
import torch

from asr.decoding.batched import decode_batches
from asr.decoding.paths.greedy import GreedyDecoder
from asr.errors import DecodingError
from asr.units import BLANK_SYMBOL, Units

UNITS = Units("characters", [BLANK_SYMBOL, " ", *"abc"])
DECODER = GreedyDecoder(UNITS, 0.04)
CPU = torch.device("cpu")


def utterances(count: int) -> list[tuple[str, np.ndarray]]:
    rows = [np.random.default_rng(n).dirichlet(np.full(len(UNITS), 0.3), 3 + n) + 1e-6 for n in range(count)]
    return [(f"utt{n}", np.log(row / row.sum(axis=1, keepdims=True)).astype(np.float32)) for n, row in enumerate(rows)]


@pytest.mark.parametrize("size", [1, 3, 10, 50])
def test_any_size_of_batch_gives_the_same_in_the_same_order(size):
    expected = [(name, DECODER.decode(log_probs)) for name, log_probs in utterances(10)]
    assert list(decode_batches(DECODER, utterances(10), CPU, size)) == expected


def test_a_bad_utterance_fails_alone_and_by_name():
    several = utterances(6)
    several[2] = ("broken", np.zeros((4, len(UNITS)), np.float32))
    outcomes = dict(decode_batches(DECODER, several, CPU, 4))
    assert list(outcomes) == ["utt0", "utt1", "broken", "utt3", "utt4", "utt5"]
    assert isinstance(outcomes["broken"], DecodingError)
    assert str(outcomes["broken"]).startswith("broken: log-probabilities: frame 0 sums to 5")
    assert all(isinstance(outcome, list) for name, outcome in outcomes.items() if name != "broken")
