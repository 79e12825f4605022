"""Memory: the prediction against what autograd really keeps, and what the system says of this process."""

import sys
from pathlib import Path

import pytest
import torch
from tests_toy import toy_config

from asr.model.ctc import ctc_loss
from asr.model.directory import build_model
from asr.training.cost.memory import (
    FLOAT,
    PeakMemory,
    activation_floats,
    estimate_memory,
    expected_peak,
    memory_limit,
    read_status,
)
from asr.units import BLANK_SYMBOL, Units

CPU = torch.device("cpu")
UNITS = Units("characters", [BLANK_SYMBOL, *"abcdefgh"])


def kept_by_autograd(model, features, lengths):
    """Bytes of different tensors, weights left out, that a forward pass keeps for the backward pass."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no address comes twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        log_probs, frames = model(features, lengths)
        ctc_loss(log_probs, frames, [[1, 2]] * len(lengths)).sum()
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize(
    "sizes",
    [
        {"front_end": "convolution", "channels": 16, "time_reduction": 4},
        {"front_end": "stacking", "time_reduction": 2},
        {"front_end": "stacking", "bidirectional": False},
        {"front_end": "stacking", "layers": 4, "hidden": 96},
        {"front_end": "stacking", "dropout": 0.0, "layer_norm": False},
    ],
    ids=lambda sizes: " ".join(map(str, sizes.values())),
)
def test_activations_are_those_that_autograd_keeps(sizes):
    """Within a factor of two: a matrix library keeps some room that it never touches, and needs some going back."""
    sizes = {"layers": 2, "hidden": 64, "input_size": 64, "dropout": 0.1, **sizes}
    config = toy_config(model=sizes, features={"mel_bins": 40}, augmentation={"frequency_mask_bins": 8})
    model = build_model(config, UNITS).train()
    frames = 400
    features = torch.randn(4, frames, 40, generator=torch.Generator().manual_seed(1))
    kept = kept_by_autograd(model, features, torch.full((4,), frames))
    predicted = estimate_memory(model, config, 4 * frames / 100).activations
    assert 0.5 < predicted / kept < 2


def test_the_parts_are_the_weights_and_multiples_of_them():
    config = toy_config()
    model = build_model(config, UNITS)
    memory = estimate_memory(model, config, 10.0)
    assert memory.weights == FLOAT * model.parameter_count()
    assert memory.gradients == memory.weights
    assert memory.optimizer == 2 * memory.weights
    assert memory.total == 4 * memory.weights + memory.activations + memory.retained


def test_activations_grow_with_the_audio_and_nothing_else_does():
    config = toy_config()
    model = build_model(config, UNITS)
    short, long = (estimate_memory(model, config, seconds) for seconds in (10.0, 40.0))
    assert long.activations == 4 * short.activations
    assert (long.weights, long.optimizer) == (short.weights, short.optimizer)


@pytest.mark.parametrize(
    "more",
    [{"hidden": 48}, {"layers": 2}, {"input_size": 48}, {"projection": 96}, {"time_reduction": 1}],
    ids=lambda more: next(iter(more)),
)
def test_a_larger_model_keeps_more(more):
    assert activation_floats(toy_config(model=more), 100, 9) > activation_floats(toy_config(), 100, 9)


def test_the_peak_only_rises_and_sees_a_large_tensor():
    memory = PeakMemory(CPU)
    before = memory.observe()
    tensor = torch.ones(16 * 2**20)  # 64 MiB
    during = memory.observe()
    del tensor
    assert memory.observe() >= during >= before
    if sys.platform == "linux":
        assert during >= memory.begin + 60 * 2**20


def test_the_kernel_s_own_words(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t    2048 kB\nRssFile:\t 512 kB\nThreads:\t4\n")
    assert read_status(status) == {"VmHWM": 2048 * 1024, "RssFile": 512 * 1024}
    assert read_status(tmp_path / "elsewhere") == {}


def test_another_system_has_no_such_file(monkeypatch):
    """There the process's own peak stands in, in bytes or kilobytes as that system counts."""
    monkeypatch.setattr("asr.training.cost.memory.read_status", dict)
    peak = PeakMemory(CPU).bytes
    assert 20e6 < peak < memory_limit(CPU)


def test_the_limit_is_no_more_than_the_machine_has():
    if not Path("/proc/meminfo").exists():
        pytest.skip("needs Linux")
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert 0 < memory_limit(CPU) <= 1024 * int(total.split()[1])


def test_freed_memory_stays_with_the_process_on_a_processor_only():
    assert expected_peak(10**9, 10**8, CPU) == 10**9 + 175 * 10**6
    assert expected_peak(10**9, 10**8, "cuda") == 11 * 10**8, "a GPU's allocator uses again what was freed"
