"""The gates computed from the weights give the network's own hidden state."""

import numpy as np
import pytest
import torch
from tests_model import model_config

from asr.errors import UsageError
from asr.model.directory import build_model
from asr.model.gates import inside, layer_inside, longest_memory
from asr.units import BLANK_SYMBOL, Units


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model(model_config(), Units("characters", [BLANK_SYMBOL, "a", "b"])).eval()


def test_the_equations_are_pytorchs():
    torch.manual_seed(1)
    lstm = torch.nn.LSTM(5, 7, batch_first=True)
    frames = torch.randn(11, 5)
    state = inside(lstm, frames.numpy())
    hidden, (_, cell) = lstm(frames[None])
    np.testing.assert_allclose(state.hidden, hidden[0].detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(state.cell[-1], cell[0, 0].detach().numpy(), atol=1e-6)
    assert ((state.forget > 0) & (state.forget < 1)).all()


@pytest.mark.parametrize("layer", [1, 2])
def test_a_layer_of_a_model(model, layer):
    features, frames = torch.randn(1, 40, 20), torch.tensor([40])
    state, difference = layer_inside(model, features, frames, layer)
    assert state.cell.shape[1] == 10
    assert difference < 1e-5
    assert 0 <= longest_memory(state) < 10


@pytest.mark.parametrize("layer", [0, 3])
def test_a_layer_that_is_not_there(model, layer):
    with pytest.raises(UsageError, match=rf"{layer} is not in 1..2"):
        layer_inside(model, torch.randn(1, 40, 20), torch.tensor([40]), layer)
