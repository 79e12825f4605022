"""Autocast and loss scaling: what is lowered, what stays float32, and what a machine that cannot do it says."""

import pytest
import torch
from tests_toy import toy_config

from asr.batches.examples import Batch
from asr.errors import TrainingError
from asr.model import bfloat16
from asr.model.acoustic import AcousticModel
from asr.training.step.loss import batch_losses
from asr.training.step.precision import autocast, gradient_scaler

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_products_are_lowered_and_ctc_is_not(precision, monkeypatch):
    """By PyTorch's autocast, as on processors that do not multiply bfloat16."""
    monkeypatch.setattr(bfloat16, "AVAILABLE", False)
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


@pytest.mark.skipif(not bfloat16.AVAILABLE, reason="this processor does not multiply bfloat16")
def test_where_the_processor_multiplies_bfloat16_only_factors_are_lowered():
    """Each layer's output is a float32 sum, so what lies between the products computes in float32."""
    config = toy_config()
    torch.manual_seed(1)
    model = AcousticModel(config.model, 8, 5)
    seen = []
    for layer in (model.front_end.linear, *model.stack.layers, model.output):
        layer.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    batch = Batch(["a"], torch.randn(1, 20, 8), torch.tensor([20]), [[1, 2]], 0.2)
    exact, _, _ = batch_losses(model, batch, config.training, CPU)
    assert len(seen) == 2 + config.model.layers
    with autocast("bfloat16", CPU):
        losses, log_probs, _ = batch_losses(model, batch, config.training, CPU)
    losses.sum().backward()
    assert set(seen) == {log_probs.dtype} == {losses.dtype} == {torch.float32}
    assert 0 < abs(float((losses - exact).detach())) < 0.02 * float(exact.detach())
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}


def test_float32_lowers_nothing():
    with autocast("float32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_only_float16_scales_its_loss():
    assert gradient_scaler("float32", CPU) is None
    assert gradient_scaler("bfloat16", CPU) is None
    with torch.backends.mkldnn.flags(enabled=False):
        assert gradient_scaler("float16", CPU).get_scale() > 1


def test_a_processor_without_float16_lstms_is_told_what_to_use(monkeypatch):
    def refuse(*_):
        raise RuntimeError("could not create a primitive descriptor for the LSTM forward propagation primitive")

    monkeypatch.setattr(torch.nn.LSTM, "forward", refuse)
    with pytest.raises(TrainingError, match=r"training\.precision: this CPU has no LSTM in float16; use bfloat16"):
        gradient_scaler("float16", CPU)


def test_asking_the_processor_draws_no_random_number():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with torch.backends.mkldnn.flags(enabled=False):
        gradient_scaler("float16", CPU)
    assert torch.equal(torch.rand(3), expected)
