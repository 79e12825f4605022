"""The whole acoustic model: normalised rows, invariance to the batch, the edges of length."""

import pytest
import torch
from pydantic import ValidationError

from asr.config.sections import ModelConfig
from asr.model.acoustic import AcousticModel


def build(**settings):
    torch.manual_seed(5)
    config = ModelConfig(channels=4, input_size=16, layers=2, hidden=12, **settings)
    return AcousticModel(config, bins=20, units=7).eval()


@pytest.mark.parametrize("front_end", ["convolution", "stacking"])
@pytest.mark.parametrize("reduction", [1, 2, 3, 4, 6])
def test_batch_size_and_order_change_nothing(front_end, reduction):
    model = build(front_end=front_end, time_reduction=reduction)
    lengths = torch.tensor([60, 55, 31, 30, 8, 3, 1])
    features = torch.randn(7, 60, 20)
    together, frames = model(features, lengths)
    order = torch.tensor([4, 0, 6, 2, 5, 1, 3])
    shuffled, _ = model(features[order], lengths[order])
    for place, row in enumerate(order):
        alone, _ = model(features[row : row + 1, : lengths[row]], lengths[row : row + 1])
        real = int(frames[row])
        torch.testing.assert_close(together[row, :real], alone[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(shuffled[place, :real], alone[0], rtol=0, atol=1e-5)


def test_rows_are_log_probabilities():
    log_probs, frames = build()(torch.randn(2, 21, 20), torch.tensor([21, 10]))
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 6))
    assert frames.tolist() == [6, 3]


def test_utterances_without_frames_give_no_rows():
    log_probs, frames = build()(torch.randn(2, 9, 20), torch.tensor([9, 0]))
    assert frames.tolist() == [3, 0]
    assert torch.isfinite(log_probs[0]).all()
    log_probs, frames = build()(torch.zeros(1, 0, 20), torch.tensor([0]))
    assert log_probs.shape == (1, 0, 7)
    assert frames.tolist() == [0]


def test_a_blank_bias_changes_the_blanks_beginning_and_no_other_weight():
    plain, biased = build().state_dict(), build(blank_bias=3.0).state_dict()
    assert float(biased["output.bias"][0] - plain["output.bias"][0]) == pytest.approx(3.0, abs=1e-6)
    plain["output.bias"][0] = biased["output.bias"][0]
    assert all(torch.equal(plain[name], biased[name]) for name in plain)


def test_with_a_blank_bias_every_frame_begins_as_blank():
    log_probs, frames = build(blank_bias=5.0)(torch.randn(2, 40, 20), torch.tensor([40, 33]))
    for row, real in zip(log_probs, frames.tolist(), strict=True):
        assert (row[:real].argmax(dim=-1) == 0).all()


def test_a_bias_against_the_blank_is_refused():
    with pytest.raises(ValidationError, match="blank_bias"):
        ModelConfig(blank_bias=-1.0)
