"""The compiled loss against PyTorch's in float64: values, gradients, long and lopsided targets, what it declines."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.model import ctc
from asr.model.ctc import ctc_loss
from asr.units import required_frames


def exact(logits, lengths, targets):
    """Losses and the gradient of their sum, in float64."""
    twin = logits.detach().double().requires_grad_()
    losses = torch.nn.functional.ctc_loss(
        twin.log_softmax(-1).transpose(0, 1),
        torch.tensor([unit for target in targets for unit in target], dtype=torch.long),
        lengths,
        torch.tensor([len(target) for target in targets]),
        reduction="none",
    )
    losses.sum().backward()
    return losses.detach(), twin.grad


def ours(logits, lengths, targets):
    own = logits.detach().clone().requires_grad_()
    losses = ctc_loss(own.log_softmax(-1), lengths, targets)
    losses.sum().backward()
    return losses.detach(), own.grad


def check(logits, lengths, targets):
    for found, expected in zip(ours(logits, lengths, targets), exact(logits, lengths, targets), strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=5e-6)


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def declined(monkeypatch):
    """How many utterances have been left to PyTorch, one number a batch that has any."""
    counts, original = [], ctc._by_torch

    def counted(log_probs, lengths, targets):
        counts.append(len(targets))
        return original(log_probs, lengths, targets)

    monkeypatch.setattr(ctc, "_by_torch", counted)
    return counts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(1, 4), max_size=6), st.integers(0, 9)), min_size=1, max_size=4))
def test_any_batch(parts):
    targets = [target for target, _ in parts]
    lengths = torch.tensor([max(1, required_frames(target) + more) for target, more in parts])
    check(2 * draw(len(parts), len(parts), int(lengths.max()) + 2, 5), lengths, targets)


@pytest.mark.parametrize("sharpness", [0.0, 1.0, 10.0, 30.0])
def test_an_utterance_of_ten_seconds(sharpness, declined):
    target = torch.randint(1, 30, (120,), generator=torch.Generator().manual_seed(1)).tolist()
    check(sharpness * draw(2, 1, 250, 30), torch.tensor([250]), [target])
    assert declined == []


@pytest.mark.parametrize("lead", [4.0, 8.0])
def test_a_model_that_says_only_blanks(lead, declined):
    """The first minutes of every training; the labels of a minute of speech are less probable than exp(-708) then."""
    target = torch.randint(1, 30, (600,), generator=torch.Generator().manual_seed(1)).tolist()
    logits = draw(3, 1, 1500, 30)
    logits[..., 0] += lead
    check(logits, torch.tensor([1500]), [target])
    assert declined == []


def test_what_is_beyond_float64_is_left_to_pytorch(declined):
    """Neighbours in the batch keep their bits."""
    target = torch.randint(1, 30, (120,), generator=torch.Generator().manual_seed(1)).tolist()
    logits = draw(2, 2, 250, 30)
    lengths = torch.tensor([250, 250])
    alone = ours(logits[:1], lengths[:1], [target])
    logits[1] *= 300
    losses, gradient = ours(logits, lengths, [target, target])
    assert declined == [1]
    assert losses[0] == alone[0][0]
    assert (gradient[0] == alone[1][0]).all()
    expected, slope = exact(logits, lengths, [target, target])
    assert losses[1].item() == pytest.approx(expected[1].item(), rel=1e-6)
    assert (gradient[1] - slope[1]).abs().max() < 5e-6


def test_a_target_without_a_path_is_infinite_and_its_neighbour_is_not():
    log_probs = draw(4, 2, 3, 4).log_softmax(-1)
    losses = ctc_loss(log_probs, torch.tensor([3, 3]), [[1, 1, 2], [1, 2]])
    assert torch.isinf(losses[0])
    assert torch.isfinite(losses[1])


def test_not_a_number_stays_one():
    log_probs = draw(5, 2, 6, 4).log_softmax(-1)
    log_probs[0, 2, 1] = float("nan")
    losses = ctc_loss(log_probs, torch.tensor([6, 6]), [[1, 2], [1, 2]])
    assert torch.isnan(losses[0])
    assert torch.isfinite(losses[1])


def test_what_lies_beyond_a_length_is_not_read_and_gets_no_gradient():
    log_probs = draw(6, 1, 8, 4).log_softmax(-1)
    short = ctc_loss(log_probs[:, :5], torch.tensor([5]), [[3, 1]])
    log_probs[:, 5:] = float("nan")
    log_probs.requires_grad_()
    loss = ctc_loss(log_probs, torch.tensor([5]), [[3, 1]])
    loss.sum().backward()
    assert loss.item() == short.item()
    assert (log_probs.grad[:, 5:] == 0).all()


def test_each_frame_is_shared_among_the_units():
    """The gradient is minus the probability that a frame belongs to a unit, so it sums to minus one."""
    log_probs = draw(7, 2, 9, 6).log_softmax(-1).requires_grad_()
    ctc_loss(log_probs, torch.tensor([9, 9]), [[1, 2, 2], []]).sum().backward()
    np.testing.assert_allclose(log_probs.grad.sum(-1), -1.0, atol=1e-6)
    assert (log_probs.grad[1, :, 1:] == 0).all()
    assert (log_probs.grad[0, :, 3:] == 0).all()


def test_a_gradient_can_be_taken_twice_and_scaled():
    log_probs = draw(8, 1, 7, 4).log_softmax(-1).requires_grad_()
    loss = ctc_loss(log_probs, torch.tensor([7]), [[1, 3]])
    (once,) = torch.autograd.grad(loss, log_probs, torch.tensor([1.0]), retain_graph=True)
    (twice,) = torch.autograd.grad(loss, log_probs, torch.tensor([2.0]))
    assert (twice == 2 * once).all()


def test_threads_and_neighbours_change_no_bit():
    logits, lengths = draw(9, 5, 20, 6), torch.tensor([20, 7, 12, 3, 20])
    targets = [[1, 2, 3], [5, 5], [], [4], [2, 1, 2, 1]]
    one = ours(logits, lengths, targets)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    three = ours(logits, lengths, targets)
    torch.set_num_threads(before)
    for left, right in zip(one, three, strict=True):
        assert (left == right).all()
    for row in range(5):
        assert ours(logits[row : row + 1], lengths[row : row + 1], targets[row : row + 1])[0][0] == one[0][row]


@pytest.mark.parametrize(("length", "target"), [(7, [1]), (6, [4]), (6, [-1])])
def test_lengths_and_labels_outside_the_matrix_are_refused(length, target):
    with pytest.raises(ValueError, match="outside"):
        ctc_loss(draw(1, 1, 6, 4).log_softmax(-1), torch.tensor([length]), [target])
