"""One update: split batches give the whole gradient, bad ones leave no trace, and float16 finds its scale again.

Running out of memory is injected on the CPU: the model refuses batches above a size, before or in the backward pass.
"""

import copy
import math

import pytest
import torch
from tests_toy import toy_config

from asr.batches.examples import Batch
from asr.errors import CheckpointError, TrainingError
from asr.model.acoustic import AcousticModel
from asr.training.processes.share import Share
from asr.training.step import loss as objective
from asr.training.step.update import Updater

CPU = torch.device("cpu")


def updater_of(dropout=0.0, **training):
    config = toy_config(model={"dropout": dropout}, training=training)
    torch.manual_seed(7)
    return Updater(AcousticModel(config.model, 8, 5), config.training, CPU)


def batch_of(count, seed=0, frames=40):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([frames - 3 * row for row in range(count)])
    features = torch.randn(count, frames, 8, generator=generator)
    targets = [[1 + (row + i) % 4 for i in range(3)] for row in range(count)]
    return Batch([f"u{seed}-{row}" for row in range(count)], features, lengths, targets, float(lengths.sum()) / 100)


def share_of(*batches):
    return Share(batches, list(range(len(batches))), sum(len(batch.ids) for batch in batches), len(batches))


def gradients(updater):
    return {name: parameter.grad.clone() for name, parameter in updater.model.named_parameters()}


def weights(updater):
    return {name: tensor.clone() for name, tensor in updater.model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


class RefuseGradient(torch.autograd.Function):
    """Lets a batch through and fails in the middle of its backward pass, like a real shortage of memory."""

    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def limit_memory(updater, utterances, *, when):
    """Let the model of `updater` hold at most so many utterances; returns the sizes that it was asked for."""
    asked = []

    def hook(module, arguments, output):
        asked.append(len(arguments[0]))
        if len(arguments[0]) <= utterances:
            return output
        if when == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return RefuseGradient.apply(output[0]), output[1]

    updater.model.front_end.register_forward_hook(hook)
    return asked


@pytest.mark.parametrize("when", ["forward", "backward"])
@pytest.mark.parametrize("fits", [1, 2, 3])
def test_the_gradient_of_a_split_batch_is_that_of_the_whole(when, fits):
    whole, split = updater_of(), updater_of()
    asked = limit_memory(split, fits, when=when)
    expected = whole.update(share_of(batch_of(6)), 0.01)
    found = split.update(share_of(batch_of(6)), 0.01)
    assert asked[0] == 6
    assert max(asked[-2:]) <= fits
    assert found.taken
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-4)
    assert found.seconds == expected.seconds
    reference = gradients(whole)
    for name, gradient in gradients(split).items():
        torch.testing.assert_close(gradient, reference[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("when", ["forward", "backward"])
def test_accumulated_batches_before_the_one_that_did_not_fit_count_once(when):
    """The failing backward pass has already added to some gradients: all of the group begins again."""
    whole, split = updater_of(), updater_of()
    limit_memory(split, 3, when=when)
    batches = [batch_of(2, seed=1), batch_of(6, seed=2), batch_of(3, seed=3)]
    whole.update(share_of(*batches), 0.01)
    split.update(share_of(*batches), 0.01)
    reference = gradients(whole)
    for name, gradient in gradients(split).items():
        torch.testing.assert_close(gradient, reference[name], rtol=1e-4, atol=1e-6)


def test_what_did_not_fit_once_is_split_beforehand_from_then_on(caplog):
    updater = updater_of()
    asked = limit_memory(updater, 3, when="forward")
    updater.update(share_of(batch_of(6)), 0.01)
    assert "out of memory on a batch of 6 utterances" in caplog.text
    asked.clear()
    updater.update(share_of(batch_of(6, seed=4)), 0.01)
    assert asked == [3, 3]


def test_a_single_utterance_that_does_not_fit_is_named_and_leaves_the_weights():
    updater = updater_of()
    before = weights(updater)
    limit_memory(updater, 0, when="backward")
    with pytest.raises(TrainingError, match=r"u0-0: does not fit the memory even alone \(0\.4 s\)"):
        updater.update(share_of(batch_of(4)), 0.01)
    assert same(weights(updater), before)


def test_a_rehearsal_changes_nothing():
    """Weights, gradients, optimiser, random numbers and the update that follows: bit for bit as without it."""
    plain, rehearsed = updater_of(dropout=0.3), updater_of(dropout=0.3)
    torch.manual_seed(11)
    expected = torch.rand(2)
    torch.manual_seed(11)
    rehearsed.rehearse(batch_of(6, seed=9))
    assert torch.equal(torch.rand(2), expected)
    assert all(parameter.grad is None for parameter in rehearsed.model.parameters())
    assert not rehearsed.optimizer.state
    for seed in range(3):
        assert plain.update(share_of(batch_of(4, seed)), 0.01) == rehearsed.update(share_of(batch_of(4, seed)), 0.01)
        rehearsed.rehearse(batch_of(6, seed=9))
    assert same(weights(plain), weights(rehearsed))


def test_a_rehearsal_finds_what_does_not_fit():
    updater = updater_of()
    asked = limit_memory(updater, 3, when="backward")
    updater.rehearse(batch_of(6))
    assert asked == [6, 3, 3]
    assert updater.splitter.too_large == 6 * 40


def nan_at(monkeypatch, *calls):
    """Make the losses of these batches, counted from 1, not a number."""
    original, count = objective.ctc_loss, []

    def sometimes_nan(*arguments):
        count.append(1)
        return original(*arguments) * (math.nan if len(count) in calls else 1.0)

    monkeypatch.setattr(objective, "ctc_loss", sometimes_nan)


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("bad", [1, 2])
def test_one_bad_batch_of_a_group_spoils_the_update_and_nothing_else(monkeypatch, bad, precision):
    with torch.backends.mkldnn.flags(enabled=False):
        updater = updater_of(precision=precision, ema=0.9)
        while not updater.update(share_of(batch_of(3)), 0.01).taken:
            pass  # float16 begins with a scale that is too high
        before = weights(updater)
        steps = updater.optimizer.state_dict()["state"][0]["step"].item()
        scale = updater.state_dict().get("scaler", {}).get("scale")
        nan_at(monkeypatch, bad)
        result = updater.update(share_of(batch_of(3, seed=1), batch_of(2, seed=2)), 0.01)
        assert not result.taken
        assert not result.overflow
        assert math.isnan(result.loss)
        assert same(weights(updater), before)
        assert updater.optimizer.state_dict()["state"][0]["step"].item() == steps
        assert updater.average.observations == 1
        assert updater.state_dict().get("scaler", {}).get("scale") == scale
        assert updater.update(share_of(batch_of(3, seed=3)), 0.01).taken


def test_an_infinite_gradient_of_a_finite_loss_is_bad_without_a_scale_to_blame():
    updater = updater_of()
    updater.model.output.weight.register_hook(lambda gradient: gradient * math.inf)
    result = updater.update(share_of(batch_of(3)), 0.01)
    assert math.isfinite(result.loss)
    assert not result.taken
    assert not result.overflow


def test_float16_overflows_lower_the_scale_until_an_update_is_taken_and_are_not_called_bad():
    with torch.backends.mkldnn.flags(enabled=False):
        updater = updater_of(precision="float16")
        updater.scaler.update(2.0**30)  # no gradient times this is below 65504
        before = weights(updater)
        results = []
        while not results or not results[-1].taken:
            results.append(updater.update(share_of(batch_of(3)), 0.01))
        assert len(results) > 3
        assert all(result.overflow for result in results[:-1])
        assert updater.scaler.get_scale() == 2.0 ** (30 - len(results) + 1)
        assert not same(weights(updater), before)


def test_an_overflow_that_no_scale_explains_is_bad():
    with torch.backends.mkldnn.flags(enabled=False):
        updater = updater_of(precision="float16")
        updater.model.output.weight.register_hook(lambda gradient: gradient * math.inf)
        results = [updater.update(share_of(batch_of(3)), 0.01) for _ in range(18)]
        assert [result.overflow for result in results] == [True] * 16 + [False] * 2
        assert not any(result.taken for result in results)


def test_the_scaled_gradient_is_divided_before_it_is_clipped():
    """float16's update is float32's up to its rounding; a norm left scaled would be thousands of times as large."""
    with torch.backends.mkldnn.flags(enabled=False):
        half = updater_of(precision="float16")
        half.scaler.update(1024.0)
        found = half.update(share_of(batch_of(3)), 0.01)
    full = updater_of()
    expected = full.update(share_of(batch_of(3)), 0.01)
    assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=0.02)
    reference = weights(full)
    for name, tensor in weights(half).items():
        torch.testing.assert_close(tensor, reference[name], rtol=0, atol=0.021)  # Adam's first step is 0.01 a weight


def test_the_moving_average_follows_the_steps_and_is_what_is_judged():
    updater = updater_of(ema=0.5)
    seen = []
    for seed in range(3):
        updater.update(share_of(batch_of(3, seed)), 0.05)
        seen.append(weights(updater))
    with updater.judged_weights():
        judged = weights(updater)
    for name, tensor in judged.items():
        expected = (0.25 * seen[0][name] + 0.5 * seen[1][name] + seen[2][name]) / 1.75
        torch.testing.assert_close(tensor, expected, rtol=1e-4, atol=1e-6)
    assert same(weights(updater), seen[-1])


def test_without_an_average_the_weights_themselves_are_judged():
    updater = updater_of()
    before = weights(updater)
    with updater.judged_weights():
        assert same(weights(updater), before)
    assert updater.state_dict().keys() == {"optimizer"}


@pytest.mark.parametrize(("missing", "training"), [("ema", {"ema": 0.9}), ("scaler", {"precision": "float16"})])
def test_a_state_that_lacks_what_is_needed_is_refused(missing, training):
    with torch.backends.mkldnn.flags(enabled=False):
        state = updater_of().state_dict()
        with pytest.raises(CheckpointError, match=f"holds no {missing}"):
            updater_of(**training).load_state_dict(state)


def test_saved_and_loaded_it_goes_on_bit_for_bit():
    with torch.backends.mkldnn.flags(enabled=False):
        straight = updater_of(dropout=0.3, precision="float16", ema=0.9)
        for seed in range(3):
            straight.update(share_of(batch_of(3, seed)), 0.01)
        resumed = updater_of(dropout=0.3, precision="float16", ema=0.9)
        resumed.model.load_state_dict(straight.model.state_dict())
        resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
        for seed in range(3, 6):
            expected = straight.update(share_of(batch_of(3, seed)), 0.01)
            assert resumed.update(share_of(batch_of(3, seed)), 0.01) == expected
        assert same(weights(straight), weights(resumed))
        assert same(straight.average.weights, resumed.average.weights)
        assert straight.scaler.state_dict() == resumed.scaler.state_dict()
