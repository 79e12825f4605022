"""The convolutions for training against PyTorch's in float64: outputs, gradients, ragged batches, where they apply."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from asr.model.cpu.convolution import convolutions, convolutions_fit
from asr.model.cpu.tiles import PANEL
from asr.model.front_end import STRIDES, ConvolutionalFrontEnd, ceil_divide


def layers(channels, strides, seed=0):
    torch.manual_seed(seed)
    return [
        nn.Conv2d(inputs, channels, 3, stride=(stride, 2), padding=1)
        for inputs, stride in zip((1, channels), strides, strict=True)
    ]


def expected(x, lengths, found):
    """In float64, each utterance alone; channels last and zeros after it."""
    longest = ceil_divide(ceil_divide(torch.tensor(x.shape[1]), found[0].stride[0]), found[1].stride[0])
    rows = []
    for row, length in enumerate(lengths.tolist()):
        if length == 0:
            rows.append(None)
            continue
        own = x[row, :length].double()[None, None]
        for layer in found:
            own = torch.relu(nn.functional.conv2d(own, *layer_weights(layer), stride=layer.stride, padding=1))
        own = own[0].permute(1, 2, 0)
        rows.append(nn.functional.pad(own, (0, 0, 0, 0, 0, int(longest) - len(own))))
    empty = torch.zeros_like(next(row for row in rows if row is not None))
    return torch.stack([empty if row is None else row for row in rows])


def layer_weights(layer):
    return [layer.weight.double(), layer.bias.double()]


def check(lengths, bins, channels, strides, seed=0):
    found = layers(channels, strides, seed)
    lengths = torch.tensor(lengths)
    x = torch.randn(len(lengths), int(lengths.max()), bins)
    parts = [part for layer in found for part in (layer.weight, layer.bias)]
    y, reference = convolutions(x, lengths, *found), expected(x, lengths, found)
    torch.testing.assert_close(y.double(), reference, rtol=0, atol=3e-6)
    # Where a sum is all but zero, its sign is a matter of rounding and with it what the ReLU lets through.
    above = torch.randn_like(y) * (reference.abs() > 1e-5)
    ours = torch.autograd.grad(y, parts, above)
    theirs = torch.autograd.grad(reference, parts, above.double())
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).norm() <= 1e-5 * other.norm() + 1e-6


@pytest.mark.parametrize("strides", sorted(set(STRIDES.values())))
@pytest.mark.parametrize("bins", [1, 5, 13, 40])
def test_outputs_and_gradients_of_utterances_alone(strides, bins):
    check([17, 9, 1, 16], bins, PANEL, strides)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 23), min_size=1, max_size=5).filter(any),
    st.integers(1, 24),
    st.sampled_from(sorted(STRIDES.values())),
    st.integers(0, 9),
)
def test_any_batch(lengths, bins, strides, seed):
    check(lengths, bins, PANEL, strides, seed)


def test_more_channels_than_a_panel_has():
    check([11, 6], 20, 3 * PANEL, (2, 2))


def test_the_batch_changes_no_bit_and_padding_is_not_read():
    found = layers(PANEL, (2, 2))
    lengths = torch.tensor([21, 8, 13])
    x = torch.randn(3, 21, 10)
    together = convolutions(x, lengths, *found)
    for row, length in enumerate(lengths.tolist()):
        alone = convolutions(x[row : row + 1, :length], lengths[row : row + 1], *found)
        assert (together[row, : alone.shape[1]] == alone[0]).all()
        assert (together[row, alone.shape[1] :] == 0).all()
        x[row, length:] = float("nan")
    assert (convolutions(x, lengths, *found) == together).all()


def test_threads_change_no_bit():
    found = layers(PANEL, (2, 1))
    x, lengths = torch.randn(5, 14, 9), torch.tensor([14, 3, 9, 12, 1])
    parts = [part for layer in found for part in layer.parameters()]

    def gradients():
        y = convolutions(x, lengths, *found)
        return [y, *torch.autograd.grad(y.square().sum(), parts)]

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    one = gradients()
    torch.set_num_threads(3)
    three = gradients()
    torch.set_num_threads(before)
    for left, right in zip(one, three, strict=True):
        assert (left == right).all()


def test_a_model_that_is_no_number_is_seen_to_be_none():
    found = layers(PANEL, (1, 1))
    with torch.no_grad():
        found[0].bias[3] = float("nan")
    y = convolutions(torch.randn(1, 6, 6), torch.tensor([6]), *found)
    assert torch.isnan(y).all()


def test_channels_must_fill_whole_panels_and_the_input_needs_no_gradient():
    x = torch.zeros(1, 2, 3)
    assert convolutions_fit(x, PANEL)
    assert not convolutions_fit(x, PANEL + 1)
    assert not convolutions_fit(x.clone().requires_grad_(), PANEL)


@pytest.mark.parametrize("reduction", sorted(STRIDES))
def test_the_front_end_says_the_same_in_training_and_in_recognition(reduction):
    torch.manual_seed(1)
    front_end = ConvolutionalFrontEnd(20, PANEL, 24, reduction, layer_norm=True)
    x, lengths = torch.randn(3, 26, 20), torch.tensor([26, 11, 2])
    training, frames = front_end(x, lengths)
    with torch.no_grad():
        recognition, same = front_end(x, lengths)
    assert (frames == same).all()
    for row, count in enumerate(frames.tolist()):
        torch.testing.assert_close(training[row, :count], recognition[row, :count], rtol=0, atol=5e-6)


def test_the_front_end_has_the_same_gradients_in_both_ways():
    """Asking for the input's gradient takes the way over PyTorch's convolutions."""
    torch.manual_seed(2)
    front_end = ConvolutionalFrontEnd(20, PANEL, 24, 4, layer_norm=True)
    x, lengths = torch.randn(2, 26, 20), torch.tensor([26, 13])
    inside = torch.arange(7)[None, :] < torch.tensor([7, 4])[:, None]
    above = torch.randn(2, 7, 24) * inside[..., None]
    found = []
    for source in (x, x.clone().requires_grad_()):
        y, _ = front_end(source, lengths)
        found.append(torch.autograd.grad(y, list(front_end.parameters()), above))
    for one, other in zip(*found, strict=True):
        assert (one - other).norm() <= 1e-5 * other.norm() + 1e-6
