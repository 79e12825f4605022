"""The door to the compiled kernels: where they are taken, and that training without them comes to the same."""

import sys

import pytest
import torch
from tests_toy import toy_config

from asr.batches.examples import Batch
from asr.model import training_kernels as door
from asr.model.acoustic import AcousticModel
from asr.training.processes.share import Share
from asr.training.step.update import Updater

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(door.compiled_kernels() is None, reason="nothing is compiled here")


@pytest.fixture
def without_the_folder(monkeypatch):
    """As if `asr/model/cpu` were not there."""
    monkeypatch.setitem(sys.modules, "asr.model.cpu", None)
    monkeypatch.delattr("asr.model.cpu")
    door.compiled_kernels.cache_clear()
    yield
    monkeypatch.undo()
    door.compiled_kernels.cache_clear()


def losses_of_a_training(updates=6):
    """A front end and layers that fit the kernels, ragged batches, no dropout."""
    config = toy_config(model={"channels": 16, "hidden": 16, "layers": 2, "dropout": 0.0, "front_end": "convolution"})
    torch.manual_seed(1)
    model = AcousticModel(config.model, 8, 5)
    updater = Updater(model, config.training, CPU)
    lengths = torch.tensor([40, 33, 12])
    batch = Batch(["a", "b", "c"], torch.randn(3, 40, 8), lengths, [[1, 2, 3], [4, 4], [2]], 0.85)
    share = Share([batch], [1], 3, 1)
    return [updater.update(share, 1e-3).loss for _ in range(updates)]


def test_training_without_the_folder_comes_to_the_same_losses(request):
    with_kernels = losses_of_a_training()
    request.getfixturevalue("without_the_folder")
    assert door.training_kernels(torch.zeros(1, 2, 3)) is None
    assert losses_of_a_training() == pytest.approx(with_kernels, rel=1e-5)
    assert with_kernels[-1] < with_kernels[0]


def test_kernels_train_in_float32_on_the_processor_alone():
    x = torch.zeros(1, 2, 3)
    assert door.training_kernels(x) is not None
    assert door.training_kernels(x.double()) is None
    assert door.training_kernels(torch.zeros(1, 0, 3)) is None
    assert door.training_kernels(torch.zeros(1, 2, 3, device="meta")) is None
    with torch.no_grad():
        assert door.training_kernels(x) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert door.training_kernels(x) is None


def test_threads_are_lent_where_the_kernels_do_the_work():
    assert door.takes_the_threads(256, CPU, "float32")
    assert not door.takes_the_threads(256, CPU, "bfloat16")
    assert not door.takes_the_threads(256, torch.device("cuda"), "float32")
    assert not door.takes_the_threads(0, CPU, "float32")
