"""Front ends: the number of frames they give, and that a batch equals its utterances one by one."""

import pytest
import torch

from asr.model.front_end import STRIDES, ConvolutionalFrontEnd, StackingFrontEnd


def build(kind, reduction, bins=20):
    torch.manual_seed(1)
    if kind == "convolution":
        return ConvolutionalFrontEnd(bins, 4, 16, reduction, layer_norm=True)
    return StackingFrontEnd(bins, 16, reduction, layer_norm=True)


@pytest.mark.parametrize("kind", ["convolution", "stacking"])
@pytest.mark.parametrize("reduction", sorted(STRIDES))
def test_a_batch_equals_its_utterances_one_by_one(kind, reduction):
    front_end = build(kind, reduction)
    lengths = torch.tensor([37, 30, 13, 2, 1])
    x = torch.randn(5, 37, 20)
    y, frames = front_end(x, lengths)
    for row, length in enumerate(lengths):
        alone, alone_frames = front_end(x[row : row + 1, :length], lengths[row : row + 1])
        assert frames[row] == alone_frames[0] == -(-int(length) // reduction)
        assert alone.shape[1] == alone_frames[0]
        torch.testing.assert_close(y[row, : frames[row]], alone[0], rtol=0, atol=5e-6)


@pytest.mark.parametrize("kind", ["convolution", "stacking"])
def test_every_input_frame_reaches_the_output(kind):
    """A subsampling that skips frames would throw speech away."""
    front_end = build(kind, 4)
    x = torch.randn(1, 16, 20, requires_grad=True)
    front_end(x, torch.tensor([16]))[0].pow(2).sum().backward()
    assert x.grad is not None
    assert (x.grad[0].abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("bins", [13, 40, 80])
def test_any_number_of_bins(bins):
    y, _ = build("convolution", 4, bins)(torch.randn(2, 9, bins), torch.tensor([9, 4]))
    assert y.shape == (2, 3, 16)
