"""The LSTM stack against a NumPy one written from the gate equations, and its promise about padding."""

import numpy as np
import pytest
import torch

from asr.model.lstm import LstmStack, reverse_within_lengths


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_lstm(x, lstm):
    """One direction in float64, from Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000).

    x: (T, F). PyTorch stacks the gates as input, forget, cell, output.
    """
    weights = {name: value.detach().double().numpy() for name, value in lstm.named_parameters()}
    cells = lstm.hidden_size
    h, c, outputs = np.zeros(cells), np.zeros(cells), []
    for frame in x:
        gates = weights["weight_ih_l0"] @ frame + weights["bias_ih_l0"]
        gates = gates + weights["weight_hh_l0"] @ h + weights["bias_hh_l0"]
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs).reshape(len(x), cells)


def numpy_stack(x, stack):
    """All layers in float64; layer normalisation and projection written out."""
    for layer in stack.layers:
        y = numpy_lstm(x, layer.forward_lstm)
        if layer.backward_lstm is not None:
            y = np.concatenate([y, numpy_lstm(x[::-1], layer.backward_lstm)[::-1]], axis=1)
        if layer.projection is not None:
            y = (
                y @ layer.projection.weight.detach().double().numpy().T
                + layer.projection.bias.detach().double().numpy()
            )
        if layer.norm is not None:
            mean, variance = y.mean(1, keepdims=True), y.var(1, keepdims=True)
            y = (y - mean) / np.sqrt(variance + layer.norm.eps)
            y = y * layer.norm.weight.detach().double().numpy() + layer.norm.bias.detach().double().numpy()
        x = y
    return x


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("projection", [0, 5])
@pytest.mark.parametrize("layer_norm", [True, False])
def test_against_the_gate_equations(bidirectional, projection, layer_norm):
    torch.manual_seed(1)
    stack = LstmStack(6, 8, 3, bidirectional=bidirectional, projection=projection, layer_norm=layer_norm).eval()
    x = torch.randn(1, 23, 6)
    ours = stack(x, torch.tensor([23]))[0].detach().numpy()
    np.testing.assert_allclose(ours, numpy_stack(x[0].double().numpy(), stack), atol=5e-6)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_what_lies_in_the_padding_does_not_matter(bidirectional):
    torch.manual_seed(2)
    stack = LstmStack(4, 7, 2, bidirectional=bidirectional).eval()
    lengths = torch.tensor([12, 5, 1, 9])
    x = torch.randn(4, 12, 4)
    polluted = x.clone()
    for row, length in enumerate(lengths):
        polluted[row, length:] = 1e4
    clean, dirty = stack(x, lengths), stack(polluted, lengths)
    for row, length in enumerate(lengths):
        alone = stack(x[row : row + 1, :length], lengths[row : row + 1])[0]
        torch.testing.assert_close(clean[row, :length], dirty[row, :length], rtol=0, atol=0)
        torch.testing.assert_close(clean[row, :length], alone, rtol=0, atol=5e-6)


def test_padding_gets_no_gradient():
    torch.manual_seed(3)
    stack = LstmStack(3, 4, 2)
    x = torch.randn(2, 8, 3, requires_grad=True)
    lengths = torch.tensor([8, 3])
    y = stack(x, lengths)
    (y[0].sum() + y[1, :3].pow(2).sum()).backward()
    assert x.grad is not None
    assert x.grad[1, :3].abs().min() > 0
    assert x.grad[1, 3:].abs().max() == 0


def test_agrees_with_packed_sequences():
    """The way most toolkits do it, layer by layer with the same weights."""
    torch.manual_seed(4)
    ours = LstmStack(5, 6, 1, layer_norm=False)
    packed = torch.nn.LSTM(5, 6, bidirectional=True, batch_first=True)
    with torch.no_grad():
        for name, value in ours.layers[0].forward_lstm.named_parameters():
            packed.get_parameter(name).copy_(value)
        for name, value in ours.layers[0].backward_lstm.named_parameters():
            packed.get_parameter(name + "_reverse").copy_(value)
    x, lengths = torch.randn(3, 10, 5), torch.tensor([10, 7, 2])
    sequence = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    theirs, _ = torch.nn.utils.rnn.pad_packed_sequence(packed(sequence)[0], batch_first=True)
    mine = ours(x, lengths)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(mine[row, :length], theirs[row, :length], rtol=0, atol=5e-6)


def test_forget_gates_begin_open():
    stack = LstmStack(3, 4, 1, forget_bias=1.0)
    lstm = stack.layers[0].forward_lstm
    total = lstm.bias_ih_l0 + lstm.bias_hh_l0
    assert total[4:8].tolist() == [1.0] * 4
    assert total[:4].abs().max() <= 1.0


def test_reversing_twice_restores_every_real_frame():
    x = torch.arange(24.0).reshape(2, 6, 2)
    lengths = torch.tensor([6, 4])
    once = reverse_within_lengths(x, lengths)
    assert once[1, :4, 0].tolist() == [18.0, 16.0, 14.0, 12.0]
    twice = reverse_within_lengths(once, lengths)
    torch.testing.assert_close(twice[0], x[0])
    torch.testing.assert_close(twice[1, :4], x[1, :4])


def test_the_memory_cell_carries_one_bit_over_two_hundred_steps():
    """What gates and a memory cell promise (Hochreiter & Schmidhuber 1997): the first frame decides the last output."""
    torch.manual_seed(0)
    stack = LstmStack(2, 8, 1, bidirectional=False, layer_norm=False, forget_bias=4.0)
    head = torch.nn.Linear(8, 1)
    optimizer = torch.optim.Adam([*stack.parameters(), *head.parameters()], lr=0.02)

    def draw(count, steps):
        x = torch.zeros(count, steps, 2)
        bits = torch.randint(0, 2, (count,))
        x[:, 0, 0] = bits * 2.0 - 1
        x[:, :, 1] = torch.randn(count, steps) * 0.1  # noise that must be ignored
        return x, bits.float(), torch.full((count,), steps)

    for _ in range(60):
        x, bits, lengths = draw(32, 50)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(stack(x, lengths)[:, -1])[:, 0], bits)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, bits, lengths = draw(64, 200)  # four times longer than anything seen in training
    answers = head(stack(x, lengths)[:, -1])[:, 0] > 0
    assert (answers == bits.bool()).float().mean() == 1.0
