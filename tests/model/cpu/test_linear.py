"""The linear layer against `nn.Linear` in float64: outputs, gradients, and where it hands over."""

import copy

import pytest
import torch

from asr.model.cpu.linear import Linear


def pair(inputs, outputs):
    torch.manual_seed(1)
    ours = Linear(inputs, outputs)
    exact = torch.nn.Linear(inputs, outputs).double()
    exact.load_state_dict(ours.state_dict())
    return ours, exact


@pytest.mark.parametrize("shape", [(7,), (2, 9), (3, 1, 4)])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (20, 30), (33, 65)])
def test_outputs_and_gradients(shape, inputs, outputs):
    ours, exact = pair(inputs, outputs)
    x = torch.randn(*shape, inputs, requires_grad=True)
    twin = x.detach().double().requires_grad_()
    above = torch.randn(*shape, outputs)
    y, reference = ours(x), exact(twin)
    y.backward(above)
    reference.backward(above.double())
    torch.testing.assert_close(y.double(), reference, rtol=0, atol=3e-6)
    torch.testing.assert_close(x.grad.double(), twin.grad, rtol=0, atol=1e-5)
    for one, other in zip(ours.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=0, atol=1e-5)


def test_a_gradient_that_is_spread_out_in_memory():
    """As log-softmax or a sum hand it down: expanded, without memory of its own."""
    ours, exact = pair(4, 6)
    x = torch.randn(5, 4)
    ours(x).sum().backward()
    exact(x.double()).sum().backward()
    torch.testing.assert_close(ours.weight.grad.double(), exact.weight.grad, rtol=0, atol=1e-5)


def test_frames_beyond_the_lengths_take_no_part():
    """Not even where they are no numbers; those within have the bits that they have without lengths."""
    ours, _ = pair(5, 9)
    lengths = torch.tensor([4, 0, 2])
    inside = torch.arange(4)[None, :] < lengths[:, None]
    x = torch.randn(3, 4, 5)
    plain = x.clone().requires_grad_()
    y = ours(plain)
    above = torch.randn_like(y) * inside[..., None]
    expected = [y, *torch.autograd.grad(y, [plain, *ours.parameters()], above)]
    x[~inside] = float("nan")
    x.requires_grad_()
    y = ours(x, lengths)
    found = [y, *torch.autograd.grad(y, [x, *ours.parameters()], above)]
    for one, other in zip(found[:2], expected[:2], strict=True):
        assert (one[inside] == other[inside]).all()
    for one, other in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_recognition_double_precision_and_autocast_use_torch():
    ours, exact = pair(8, 8)
    x = torch.randn(3, 8)
    plain = torch.nn.functional.linear(x, ours.weight, ours.bias)
    with torch.no_grad():
        assert (ours(x) == plain).all()
    with torch.autocast("cpu", torch.float16):
        assert ours(x).dtype == torch.float16
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert ours(x).dtype == torch.bfloat16
    assert (copy.deepcopy(ours).double()(x.double()) == exact(x.double())).all()


def test_no_frames():
    assert Linear(3, 2)(torch.zeros(2, 0, 3)).shape == (2, 0, 2)
