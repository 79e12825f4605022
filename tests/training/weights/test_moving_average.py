"""The moving average of the weights against its definition, a weighted mean written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import CheckpointError
from asr.training.weights.moving_average import MovingAverage


def weighted_mean(values, decay):
    """(1 - d) / (1 - d^n) sum d^(n-k) w_k in float64."""
    shares = np.array([decay ** (len(values) - k) for k in range(1, len(values) + 1)])
    return float(shares @ np.array(values) / shares.sum())


def model_of(value):
    model = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.constant_(model.weight, value)
    return model


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=30),
    st.sampled_from([0.1, 0.5, 0.9, 0.99, 0.9999]),
)
def test_against_the_weighted_mean(values, decay):
    """Also after the first steps, which an average that began at the random weights would get wrong."""
    model = model_of(100.0)
    average = MovingAverage(model, decay)
    for value in values:
        torch.nn.init.constant_(model.weight, value)
        average.observe()
    expected = weighted_mean(values, decay)
    assert average.weights["weight"].tolist() == [[pytest.approx(expected, abs=2e-5)] * 2]


def test_the_first_observation_is_the_weights_themselves_to_the_bit():
    model = torch.nn.LSTM(3, 4)
    average = MovingAverage(model, 0.999)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    average.observe()
    assert all(torch.equal(average.weights[name], tensor) for name, tensor in model.state_dict().items())


def test_within_applied_the_model_has_the_average_and_afterwards_its_own_weights_even_after_an_error():
    model = model_of(1.0)
    average = MovingAverage(model, 0.5)
    average.observe()
    torch.nn.init.constant_(model.weight, 4.0)
    average.observe()
    with pytest.raises(RuntimeError, match="while judging"), average.applied():
        assert model.weight.tolist() == [[3.0, 3.0]]  # (0.5 * 1 + 1 * 4) / 1.5
        raise RuntimeError("while judging")
    assert model.weight.tolist() == [[4.0, 4.0]]


def test_applying_does_not_disturb_the_average():
    model = model_of(2.0)
    average = MovingAverage(model, 0.5)
    average.observe()
    with average.applied():
        torch.nn.init.constant_(model.weight, 9.0)
    assert average.weights["weight"].tolist() == [[2.0, 2.0]]


def test_weights_that_are_no_floating_point_numbers_are_taken_as_they_are():
    model = torch.nn.BatchNorm1d(2)
    average = MovingAverage(model, 0.9)
    model.num_batches_tracked.fill_(7)
    average.observe()
    assert average.weights["num_batches_tracked"].item() == 7


def test_a_saved_average_goes_on_as_if_never_saved():
    model = model_of(1.0)
    straight, saved = MovingAverage(model, 0.9), MovingAverage(model, 0.9)
    for average in (straight, saved):
        average.observe()
    resumed = MovingAverage(model_of(50.0), 0.9)
    resumed.load_state_dict(saved.state_dict())
    resumed.model = model
    torch.nn.init.constant_(model.weight, 3.0)
    for average in (straight, resumed):
        average.observe()
    assert torch.equal(straight.weights["weight"], resumed.weights["weight"])


def test_the_average_of_another_model_is_refused():
    state = MovingAverage(torch.nn.Linear(3, 1), 0.9).state_dict()
    with pytest.raises(CheckpointError, match="belongs to another model"):
        MovingAverage(torch.nn.Linear(2, 1), 0.9).load_state_dict(state)
