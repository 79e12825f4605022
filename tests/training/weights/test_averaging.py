"""Which epochs are averaged, and that their average is the arithmetic mean."""

import pytest
import torch

from asr.errors import CheckpointError
from asr.training.weights.averaging import (
    EpochResult,
    average_weights,
    choose_epochs,
    epoch_path,
    prune_epochs,
    save_epoch,
)

HISTORY = [EpochResult(0, 50.0, 2.0), EpochResult(1, 20.0, 1.0), EpochResult(2, 20.0, 0.9), EpochResult(3, 30.0, 0.5)]


def test_best_means_lowest_dev_wer_then_lowest_loss():
    assert choose_epochs(HISTORY, 1, "best") == [2]
    assert choose_epochs(HISTORY, 2, "best") == [1, 2]
    assert choose_epochs(HISTORY, 9, "best") == [0, 1, 2, 3]


def test_last_means_newest():
    assert choose_epochs(HISTORY, 2, "last") == [2, 3]


def test_the_average_is_the_mean(tmp_path):
    for epoch, value in enumerate((1.0, 2.0, 6.0)):
        save_epoch(tmp_path, epoch, {"w": torch.full((2, 2), value)})
    mean = average_weights([epoch_path(tmp_path, epoch) for epoch in range(3)])
    assert mean["w"].tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert mean["w"].dtype == torch.float32


def test_epochs_that_cannot_be_averaged_any_more_are_removed(tmp_path):
    for epoch in range(3):
        save_epoch(tmp_path, epoch, {"w": torch.zeros(1)})
    prune_epochs(tmp_path, [0, 2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0000.safetensors", "epoch-0002.safetensors"]


def test_weights_of_different_models_are_refused(tmp_path):
    save_epoch(tmp_path, 0, {"w": torch.zeros(1)})
    save_epoch(tmp_path, 1, {"w": torch.zeros(2)})
    with pytest.raises(CheckpointError, match="belongs to another model"):
        average_weights([epoch_path(tmp_path, 0), epoch_path(tmp_path, 1)])


def test_damaged_or_missing_weights_are_named(tmp_path):
    epoch_path(tmp_path, 0).write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match=r"epoch-0000\.safetensors: cannot be read"):
        average_weights([epoch_path(tmp_path, 0)])
    with pytest.raises(CheckpointError, match="no epoch weights were given"):
        average_weights([])
