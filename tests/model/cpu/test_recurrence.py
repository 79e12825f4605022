"""The layer for training against `nn.LSTM`: outputs and every gradient, ragged batches, threads, second thoughts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from asr.model.cpu.recurrence import recurrence, recurrence_fits
from asr.model.cpu.tiles import PANEL
from asr.model.lstm import LstmLayer, reverse_within_lengths


def lstms(inputs, hidden, directions, seed=0):
    torch.manual_seed(seed)
    return [nn.LSTM(inputs, hidden, batch_first=True) for _ in range(directions)]


def expected(found, x, lengths):
    """In float64, each utterance alone, the second direction over the utterance turned round."""
    rows = []
    for row, length in enumerate(lengths.tolist()):
        own = x[row : row + 1, :length].double()
        parts = [own.new_zeros((1, length, found[0].hidden_size)) for _ in found]
        if length:
            parts[0] = found[0](own)[0]
            if len(found) == 2:
                parts[1] = found[1](own.flip(1))[0].flip(1)
        rows.append(nn.functional.pad(torch.cat(parts, dim=-1), (0, 0, 0, x.shape[1] - length)))
    return torch.cat(rows)


def weights(found):
    return [tuple(lstm.parameters()) for lstm in found]


def check(batch, inputs, hidden, directions, lengths):
    found = lstms(inputs, hidden, directions)
    lengths = torch.tensor(lengths)
    x = torch.randn(batch, int(lengths.max()), inputs, requires_grad=True)
    own = [x, *(part for direction in weights(found) for part in direction)]
    y = recurrence(x, lengths, weights(found))
    above = torch.randn_like(y)
    ours = torch.autograd.grad(y, own, above)
    exact = [nn.LSTM(inputs, hidden, batch_first=True).double() for _ in found]
    for one, other in zip(exact, found, strict=True):
        one.load_state_dict(other.state_dict())
    twin = x.detach().double().requires_grad_()
    reference = expected(exact, twin, lengths)
    theirs = torch.autograd.grad(
        reference, [twin, *(part for direction in weights(exact) for part in direction)], above.double()
    )
    torch.testing.assert_close(y.double(), reference, rtol=0, atol=2e-6)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.double() - other).norm() <= 3e-6 * other.norm() + 1e-7


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("lengths", [[12], [12, 12, 12], [3, 12, 7, 1], [1], [5, 0, 3]])
def test_outputs_and_gradients_of_utterances_alone(directions, lengths):
    check(len(lengths), 6, PANEL // 4, directions, lengths)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=19), st.integers(1, 9), st.integers(1, 3))
def test_any_batch(lengths, inputs, panels):
    check(len(lengths), inputs, panels * PANEL // 4, 2, lengths)


def test_gradients_over_three_hundred_frames():
    check(3, 40, PANEL, 2, [300, 260, 13])


def test_frames_beyond_a_length_are_zero_and_get_no_gradient():
    found = lstms(4, PANEL // 4, 2)
    x = torch.full((2, 6, 4), float("nan"))
    x[0], x[1, :2] = 1.0, 1.0
    x.requires_grad_()
    y = recurrence(x, torch.tensor([6, 2]), weights(found))
    assert torch.isfinite(y).all()
    assert (y[1, 2:] == 0).all()
    y.sum().backward()
    assert (x.grad[1, 2:] == 0).all()


def test_the_batch_changes_no_bit_of_an_utterance():
    found = lstms(5, PANEL // 2, 2)
    x, lengths = torch.randn(11, 9, 5), torch.tensor([9, 3, 8, 1, 9, 5, 2, 7, 6, 4, 9])
    together = recurrence(x, lengths, weights(found))
    for row, length in enumerate(lengths.tolist()):
        alone = recurrence(x[row : row + 1, :length], lengths[row : row + 1], weights(found))
        assert (alone[0] == together[row, :length]).all()


def test_threads_change_no_bit():
    found = lstms(5, PANEL // 2, 2)
    x, lengths = torch.randn(9, 30, 5), torch.arange(30, 21, -1)

    def gradients():
        y = recurrence(x, lengths, weights(found))
        return [y, *torch.autograd.grad(y.square().sum(), [part for each in weights(found) for part in each])]

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    one = gradients()
    torch.set_num_threads(3)
    three = gradients()
    torch.set_num_threads(before)
    for left, right in zip(one, three, strict=True):
        assert (left == right).all()


def test_a_second_backward_pass_is_refused():
    """The gates that the first one needs are overwritten by it."""
    found = lstms(3, PANEL // 4, 1)
    y = recurrence(torch.randn(1, 4, 3), torch.tensor([4]), weights(found)).sum()
    y.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once"):
        y.backward()


def test_only_needed_gradients_are_computed():
    found = lstms(3, PANEL // 4, 2)
    x = torch.randn(2, 4, 3)
    recurrence(x, torch.tensor([4, 2]), weights(found)).sum().backward()
    assert x.grad is None
    assert all(part.grad is not None for lstm in found for part in lstm.parameters())


def test_frozen_weights_stay_without_gradient():
    found = lstms(3, PANEL // 4, 2)
    for part in found[0].parameters():
        part.requires_grad_(False)
    x = torch.randn(2, 4, 3, requires_grad=True)
    recurrence(x, torch.tensor([4, 2]), weights(found)).sum().backward()
    assert x.grad is not None
    assert all(part.grad is None for part in found[0].parameters())


def test_cells_must_fill_whole_panels():
    assert recurrence_fits(PANEL // 4)
    assert not recurrence_fits(PANEL // 4 + 1)
    assert not recurrence_fits(0)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_layer_says_the_same_in_training_and_in_recognition(bidirectional):
    torch.manual_seed(1)
    layer = LstmLayer(
        6, PANEL // 4, bidirectional=bidirectional, projection=0, layer_norm=True, dropout=0.0, forget_bias=1.0
    )
    x, lengths = torch.randn(3, 8, 6), torch.tensor([8, 5, 1])
    training = layer(x, lengths)
    with torch.no_grad():
        recognition = layer(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(training[row, :length], recognition[row, :length], rtol=0, atol=5e-6)


def test_names_of_the_weights_are_those_of_earlier_models():
    layer = LstmLayer(3, PANEL // 4, bidirectional=True, projection=0, layer_norm=True, dropout=0.0, forget_bias=1.0)
    lstm = {f"{side}_lstm.{kind}_{part}_l0" for side in ("forward", "backward") for kind in ("weight", "bias")
            for part in ("ih", "hh")}  # fmt: skip
    assert set(layer.state_dict()) == lstm | {"norm.weight", "norm.bias"}


def test_reversal_agrees():
    """The recurrence from the end equals the one over a reversed copy, which other devices compute."""
    found = lstms(4, PANEL // 4, 2)
    x, lengths = torch.randn(3, 7, 4), torch.tensor([7, 2, 5])
    y = recurrence(x, lengths, weights(found))[..., PANEL // 4 :]
    other = reverse_within_lengths(found[1](reverse_within_lengths(x, lengths))[0], lengths)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(y[row, :length], other[row, :length], rtol=0, atol=5e-6)
