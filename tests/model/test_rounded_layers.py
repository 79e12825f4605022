"""Layers within autocast to bfloat16: rounded factors and float32 sums where the processor can, else PyTorch's own.

The reference computes in float64 and rounds the two factors of every product, frame by frame, forward and backward.
"""

import pytest
import torch
from torch import nn

from asr.model import bfloat16
from asr.model.bfloat16 import AVAILABLE
from asr.model.cpu import convolution, lstm_function
from asr.model.cpu.convolution import convolutions
from asr.model.cpu.dropout import Dropout
from asr.model.cpu.linear import Linear
from asr.model.cpu.lstm_function import recurrence, trains_with_kernels
from asr.model.cpu.tiles import PANEL
from asr.model.lstm import LstmLayer

on_such_processors = pytest.mark.skipif(not AVAILABLE, reason="this processor does not multiply bfloat16")
CPU = torch.device("cpu")


def lowered():
    return torch.autocast("cpu", torch.bfloat16)


def rounded(x):
    """To float32 first, as the kernels have it."""
    return x.float().to(torch.bfloat16).double()


class RoundedProduct(torch.autograd.Function):
    """x @ w with every factor of it and of its gradients rounded."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return rounded(x) @ rounded(w)

    @staticmethod
    def backward(ctx, above):
        x, w = ctx.saved_tensors
        return rounded(above) @ rounded(w).t(), rounded(x).t() @ rounded(above)


def reference(x, lengths, weights):
    """Each utterance alone and in float64; the second direction over the utterance turned round."""
    outputs = []
    for row, length in enumerate(lengths.tolist()):
        sides = []
        for number, (w_i, w_h, b_i, b_h) in enumerate(weights):
            frames = x[row, :length].flip(0) if number else x[row, :length]
            state = cell = x.new_zeros((1, w_h.shape[1]))
            found = []
            for frame in frames:
                gates = RoundedProduct.apply(frame[None], w_i.t()) + b_i + b_h
                gates = gates + RoundedProduct.apply(state, w_h.t())
                i, f, g, o = gates.chunk(4, dim=1)
                cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
                state = o.sigmoid() * cell.tanh()
                found.append(state)
            side = torch.cat(found)
            sides.append(side.flip(0) if number else side)
        outputs.append(nn.functional.pad(torch.cat(sides, dim=1), (0, 0, 0, x.shape[1] - length)))
    return torch.stack(outputs)


def lstms(inputs, hidden, directions, seed=0):
    torch.manual_seed(seed)
    found = [nn.LSTM(inputs, hidden, batch_first=True) for _ in range(directions)]
    return [tuple(lstm.parameters()) for lstm in found]


def flat(weights):
    return [part for direction in weights for part in direction]


def everything(x, lengths, weights, above):
    y = recurrence(x, lengths, weights)
    return [y, *torch.autograd.grad(y, [x, *flat(weights)], above)]


@on_such_processors
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(("inputs", "hidden"), [(7, PANEL // 4), (16, PANEL // 2), (1, PANEL + 8)])
@pytest.mark.parametrize("lengths", [[9], [1], [3, 9, 7, 1], [5] * 9])
def test_outputs_and_gradients_of_utterances_alone(directions, inputs, hidden, lengths):
    """A sum near a tie may be rounded the other way than in float64: 2^-8 of one factor of many, which norms allow."""
    weights, lengths = lstms(inputs, hidden, directions), torch.tensor(lengths)
    x = torch.randn(len(lengths), int(lengths.max()), inputs, requires_grad=True)
    above = torch.randn(len(lengths), x.shape[1], directions * hidden)
    with lowered():
        ours = everything(x, lengths, weights, above)
    exact = everything(x, lengths, weights, above)
    twin = x.detach().double().requires_grad_()
    same = [tuple(part.detach().double().requires_grad_() for part in direction) for direction in weights]
    y = reference(twin, lengths, same)
    theirs = [y, *torch.autograd.grad(y, [twin, *flat(same)], above.double(), materialize_grads=True)]
    for mine, other, plain in zip(ours, theirs, exact, strict=True):
        assert mine.dtype == torch.float32
        assert (mine.double() - other).norm() <= 1e-3 * other.norm() + 1e-7
        assert (mine - plain).norm() <= 2.0**-6 * plain.norm() + 1e-7  # some roundings of at most 2^-9 each


@on_such_processors
def test_factors_are_indeed_rounded():
    weights, lengths = lstms(12, PANEL // 4, 2), torch.tensor([10, 6])
    x, above = torch.randn(2, 10, 12, requires_grad=True), torch.randn(2, 10, PANEL // 2)
    with lowered():
        ours = everything(x, lengths, weights, above)
    for mine, plain in zip(ours, everything(x, lengths, weights, above), strict=True):
        assert (mine - plain).norm() > 2.0**-12 * plain.norm()


@on_such_processors
def test_frames_beyond_a_length_are_zero_and_get_no_gradient():
    weights = lstms(4, PANEL // 4, 2)
    x = torch.full((2, 6, 4), float("nan"))
    x[0], x[1, :2] = 1.0, 1.0
    x.requires_grad_()
    with lowered():
        y = recurrence(x, torch.tensor([6, 2]), weights)
    assert torch.isfinite(y).all()
    assert (y[1, 2:] == 0).all()
    y.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad[1, 2:] == 0).all()


@on_such_processors
def test_the_batch_changes_no_bit_of_an_utterance():
    weights = lstms(5, PANEL // 2, 2)
    x, lengths = torch.randn(11, 9, 5), torch.tensor([9, 3, 8, 1, 9, 5, 2, 7, 6, 4, 9])
    with lowered():
        together = recurrence(x, lengths, weights)
        for row, length in enumerate(lengths.tolist()):
            alone = recurrence(x[row : row + 1, :length], lengths[row : row + 1], weights)
            assert (alone[0] == together[row, :length]).all()


@on_such_processors
def test_threads_and_repetition_change_no_bit():
    weights, lengths = lstms(5, PANEL // 2, 2), torch.arange(30, 21, -1)
    x, above = torch.randn(9, 30, 5, requires_grad=True), torch.randn(9, 30, PANEL)
    before, found = torch.get_num_threads(), []
    for threads in (1, 3, 1):
        torch.set_num_threads(threads)
        with lowered():
            found.append(everything(x, lengths, weights, above))
    torch.set_num_threads(before)
    for one, three, again in zip(*found, strict=True):
        assert (one == three).all() and (one == again).all()


@on_such_processors
@pytest.mark.parametrize("rows", [1, 37])
def test_linear(rows):
    torch.manual_seed(1)
    layer = Linear(45, 9)
    x, above = torch.randn(rows, 45, requires_grad=True), torch.randn(rows, 9)
    with lowered():
        y = layer(x)
    ours = [y, *torch.autograd.grad(y, [x, layer.weight, layer.bias], above)]
    twin, weight = x.detach().double().requires_grad_(), layer.weight.detach().double().requires_grad_()
    product = RoundedProduct.apply(twin, weight.t())
    gradients = torch.autograd.grad(product, [twin, weight], above.double())
    theirs = [product + layer.bias.double(), *gradients, above.double().sum(0)]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine.double(), other.detach(), rtol=1e-5, atol=1e-5)


@on_such_processors
def test_convolutions_and_dropout_stay_in_float32():
    torch.manual_seed(2)
    layers = nn.Conv2d(1, PANEL, 3, stride=2, padding=1), nn.Conv2d(PANEL, PANEL, 3, stride=2, padding=1)
    x, lengths = torch.randn(2, 12, 9), torch.tensor([12, 7])
    plain = convolutions(x, lengths, *layers)
    with lowered():
        assert convolution.applies(x, PANEL)
        assert (convolutions(x, lengths, *layers) == plain).all()
        assert Dropout(0.5)(x).dtype == torch.float32


def layer_of(hidden):
    torch.manual_seed(3)
    return LstmLayer(6, hidden, bidirectional=True, projection=5, layer_norm=True, dropout=0.0, forget_bias=1.0)


@pytest.mark.parametrize("hidden", [PANEL // 4, PANEL // 4 + 1])
@pytest.mark.parametrize("available", [pytest.param(True, marks=on_such_processors), False])
def test_a_layer_learns_the_same_with_kernels_and_without(monkeypatch, hidden, available):
    """Cells that fill no panels, and other processors, take PyTorch's autocast: the same to bfloat16's precision."""
    monkeypatch.setattr(bfloat16, "AVAILABLE", available)
    used = []
    monkeypatch.setattr(lstm_function, "recurrence", lambda *args: (used.append(1), recurrence(*args))[1])
    layer = layer_of(hidden)
    x, lengths = torch.randn(3, 8, 6), torch.tensor([8, 5, 1])
    inside = (torch.arange(8)[None, :] < lengths[:, None])[..., None]
    above = torch.randn(3, 8, 5) * inside
    exact = layer(x, lengths)
    exact = [exact * inside, *torch.autograd.grad(exact, list(layer.parameters()), above)]
    used.clear()
    with lowered():
        y = layer(x, lengths).float()
    found = [y * inside, *torch.autograd.grad(y, list(layer.parameters()), above)]
    assert bool(used) == (available and hidden % (PANEL // 4) == 0)
    for mine, other in zip(found, exact, strict=True):
        assert (mine - other).norm() <= 0.05 * other.norm() + 1e-4


@pytest.mark.parametrize("available", [True, False])
def test_what_trains_with_kernels(monkeypatch, available):
    monkeypatch.setattr(bfloat16, "AVAILABLE", available)
    assert trains_with_kernels(PANEL, CPU, "float32")
    assert trains_with_kernels(PANEL, CPU, "bfloat16") == available
    assert not trains_with_kernels(PANEL + 1, CPU, "bfloat16")
    assert not trains_with_kernels(PANEL, CPU, "float16")
    assert not trains_with_kernels(PANEL, torch.device("cuda"), "bfloat16")
    x = torch.zeros(1, 2, 3)
    with lowered():
        assert lstm_function.applies(x, PANEL) == available
        with torch.no_grad():
            assert not lstm_function.applies(x, PANEL)
    with torch.autocast("cpu", torch.float16):
        assert not lstm_function.applies(x, PANEL)
