"""The CTC loss against the sum over every path, and the rule of which targets can be reached."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.batches.rows import check_feasible
from asr.errors import TrainingError
from asr.model.ctc import ctc_loss, per_label
from asr.units import required_frames


def collapse(path):
    merged = [unit for unit, _ in itertools.groupby(path)]
    return [unit for unit in merged if unit != 0]


def brute_force(log_probs, target):
    """Natural-log probability of `target`: every path of T frames that collapses to it."""
    frames, units = log_probs.shape
    total = 0.0
    for path in itertools.product(range(units), repeat=frames):
        if collapse(path) == list(target):
            total += math.exp(sum(log_probs[t, unit] for t, unit in enumerate(path)))
    return math.log(total) if total else -math.inf


@pytest.mark.parametrize("target", [[], [1], [1, 1], [1, 2], [2, 1, 2], [1, 2, 2], [1, 1, 1, 1]])
def test_equals_the_sum_over_all_paths(target):
    log_probs = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(len(target))).log_softmax(-1)
    loss = ctc_loss(log_probs, torch.tensor([5]), [target])
    assert loss.item() == pytest.approx(-brute_force(log_probs[0].double().numpy(), target), abs=1e-5)


def test_each_utterance_of_a_batch_is_summed_over_its_own_frames():
    log_probs = torch.randn(3, 6, 3, generator=torch.Generator().manual_seed(9)).log_softmax(-1)
    lengths, targets = torch.tensor([6, 3, 4]), [[1, 2], [2], []]
    losses = ctc_loss(log_probs, lengths, targets)
    for row, target in enumerate(targets):
        alone = log_probs[row, : lengths[row]].double().numpy()
        assert losses[row].item() == pytest.approx(-brute_force(alone, target), abs=1e-5)


def test_half_precision_input_is_summed_in_float32():
    log_probs = torch.randn(1, 40, 5).log_softmax(-1).to(torch.bfloat16)
    assert ctc_loss(log_probs, torch.tensor([40]), [[1, 2, 3]]).dtype == torch.float32


def test_the_gradient_is_the_numerical_one():
    logits = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(3), requires_grad=True)
    ctc_loss(logits.log_softmax(-1), torch.tensor([4]), [[1, 2]]).sum().backward()
    assert logits.grad is not None
    nudge = 1e-3
    for frame, unit in itertools.product(range(4), range(3)):
        values = []
        for sign in (1, -1):
            changed = logits.detach().double().numpy()[0].copy()
            changed[frame, unit] += sign * nudge
            normalised = changed - np.log(np.exp(changed).sum(1, keepdims=True))
            values.append(-brute_force(normalised, [1, 2]))
        assert logits.grad[0, frame, unit].item() == pytest.approx((values[0] - values[1]) / (2 * nudge), abs=1e-3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=5))
def test_required_frames_is_the_shortest_path(labels):
    """The loss is finite exactly from that many frames on."""
    need = required_frames(labels)
    uniform = torch.full((1, need + 1, 4), math.log(0.25))
    assert torch.isfinite(ctc_loss(uniform, torch.tensor([need]), [labels])).all() or need == 0
    if need > 0:
        assert torch.isinf(ctc_loss(uniform, torch.tensor([need - 1]), [labels])).all()


def test_infeasible_utterances_are_named():
    check_feasible(["a"], [3], [[1, 1]])
    with pytest.raises(TrainingError, match=r"b \(2 frames, needs 3\).*time_reduction"):
        check_feasible(["a", "b"], [3, 2], [[1, 1], [1, 1]])


def test_losses_are_shared_among_labels():
    assert per_label(torch.tensor([6.0, 4.0, 5.0]), [[1, 2], [1, 2, 3, 1], []]).tolist() == [3.0, 1.0, 5.0]
