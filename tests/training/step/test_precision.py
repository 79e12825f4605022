"""Autocast and loss scaling: what is lowered, what stays float32, and what a machine that cannot do it says."""

import pytest
import torch
from tests_toy import toy_config

from asr.batches.examples import Batch
from asr.errors import TrainingError
from asr.model.acoustic import AcousticModel
from asr.training.step.loss import batch_losses
from asr.training.step.precision import autocast, gradient_scaler

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_products_are_lowered_and_ctc_is_not(precision):
    config = toy_config()
    model = AcousticModel(config.model, 8, 5)
    seen = []
    model.front_end.linear.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    batch = Batch(["a"], torch.randn(1, 20, 8), torch.tensor([20]), [[1, 2]], 0.2)
    with torch.backends.mkldnn.flags(enabled=False), autocast(precision, CPU):
        losses, log_probs, _ = batch_losses(model, batch, config.training, CPU)
    assert seen == [getattr(torch, precision)]
    assert log_probs.dtype == losses.dtype == torch.float32
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_float32_lowers_nothing():
    with autocast("float32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_only_float16_scales_its_loss():
    assert gradient_scaler("float32", CPU) is None
    with torch.backends.mkldnn.flags(enabled=False):
        assert gradient_scaler("bfloat16", CPU) is None
        assert gradient_scaler("float16", CPU).get_scale() > 1


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_processor_without_such_lstms_is_told_what_to_use(monkeypatch, precision):
    def refuse(*_):
        raise RuntimeError("could not create a primitive descriptor for the LSTM forward propagation primitive")

    monkeypatch.setattr(torch.nn.LSTM, "forward", refuse)
    with pytest.raises(TrainingError, match=rf"training\.precision: this CPU has no LSTM in {precision}; use float32"):
        gradient_scaler(precision, CPU)


def test_asking_the_processor_draws_no_random_number():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with torch.backends.mkldnn.flags(enabled=False):
        gradient_scaler("float16", CPU)
    assert torch.equal(torch.rand(3), expected)
