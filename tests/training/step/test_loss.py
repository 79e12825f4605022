"""The training loss of an utterance against its formula in NumPy, and where its parts come from."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.batches.examples import Batch
from asr.config.sections import ModelConfig, TrainingConfig
from asr.errors import ConfigError
from asr.lm.automaton import build_model as build_lm
from asr.lm.kneser_ney import train_ngrams
from asr.model.acoustic import AcousticModel
from asr.model.crf import ctc_crf_loss
from asr.model.denominator import Denominator
from asr.training.step.loss import batch_losses, divergence_from_uniform, summing_device
from asr.units import Units

CPU = torch.device("cpu")
UNITS = 4


def model_of(**settings):
    torch.manual_seed(3)
    sizes = {"front_end": "stacking", "input_size": 6, "layers": 3, "hidden": 5, "time_reduction": 2, "dropout": 0.0}
    return AcousticModel(ModelConfig(**{**sizes, **settings}), bins=3, units=UNITS)


def some_batch():
    features = torch.randn(3, 12, 3, generator=torch.Generator().manual_seed(1))
    return Batch(["a", "b", "c"], features, torch.tensor([12, 8, 5]), [[1, 2], [3], []], 0.25)


def probabilities(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def ctc_by_paths(p, target):
    """-ln of the summed probability of every path (T frames) that collapses to the target."""
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        if [unit for unit, _ in itertools.groupby(path) if unit] == list(target):
            total += math.prod(p[t, unit] for t, unit in enumerate(path))
    return -math.log(total)


def uniform_divergence(p):
    """Mean over frames of sum_v 1/V ln((1/V) / p_v)."""
    share = 1 / p.shape[1]
    return float(np.mean([sum(share * math.log(share / value) for value in frame) for frame in p]))


def expected_loss(p, target, smoothing):
    return (1 - smoothing) * ctc_by_paths(p, target) / max(1, len(target)) + smoothing * uniform_divergence(p)


def outputs_at(model, batch, layer):
    """Probabilities (T', V) of each utterance as the output layer reads layer `layer`, one utterance at a time."""
    found = []
    with torch.no_grad():
        for row, length in enumerate(batch.lengths):
            x, lengths = model.front_end(batch.features[row : row + 1, :length], batch.lengths[row : row + 1])
            for number in range(layer):
                x = model.stack.layers[number](x, lengths)
            found.append(probabilities(model.output(x)[0].double().numpy()))
    return found


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize(("layers", "weight"), [([], 0.3), ([2], 0.3), ([1, 2], 0.5), ([1], 0.0)])
def test_against_the_formula(smoothing, layers, weight):
    model, batch = model_of(intermediate_layers=layers), some_batch()
    chosen = TrainingConfig(label_smoothing=smoothing, intermediate_weight=weight)
    losses, log_probs, lengths = batch_losses(model, batch, chosen, CPU)
    assert lengths.tolist() == [6, 4, 3]
    last = outputs_at(model, batch, 3)
    lower = [outputs_at(model, batch, layer) for layer in layers]
    share = weight if layers else 0.0
    for row, target in enumerate(batch.targets):
        below = [expected_loss(output[row], target, smoothing) for output in lower]
        expected = (1 - share) * expected_loss(last[row], target, smoothing) + share * sum(below) / max(1, len(below))
        assert losses[row].item() == pytest.approx(expected, rel=1e-4)
        np.testing.assert_allclose(log_probs[row, : lengths[row]].exp().detach(), last[row], atol=1e-5)


def test_with_a_denominator_the_last_layer_has_the_other_criterion():
    """CRF and a little CTC, a label, of the last layer; the lower ones keep CTC, as does the smoothing's share."""
    ngram = build_lm(train_ngrams([["a", "b"], ["c"], ["b", "c", "a"]], 2, unit="units"))
    denominator = Denominator(ngram, Units("characters", ["<blank>", "a", "b", "c"]))
    model, batch = model_of(intermediate_layers=[1]), some_batch()
    chosen = TrainingConfig(criterion="ctc-crf", ctc_weight=0.2, label_smoothing=0.1, intermediate_weight=0.3)
    losses, _, lengths = batch_losses(model, batch, chosen, CPU, denominator)
    last, lower = outputs_at(model, batch, 3), outputs_at(model, batch, 1)
    for row, target in enumerate(batch.targets):
        log_probs = torch.from_numpy(np.log(last[row]))[None]
        crf = ctc_crf_loss(log_probs, lengths[row : row + 1], [target], denominator, 0.2).item() / max(1, len(target))
        expected = 0.7 * (0.9 * crf + 0.1 * uniform_divergence(last[row])) + 0.3 * expected_loss(
            lower[row], target, 0.1
        )
        assert losses[row].item() == pytest.approx(expected, rel=1e-4)


def test_the_lower_layers_feel_the_intermediate_loss_and_the_upper_ones_do_not():
    """With nothing but the intermediate term, layers above it get no gradient from it: compare two weights."""
    model, batch = model_of(intermediate_layers=[1]), some_batch()
    gradients = []
    for weight in (0.0, 0.5):
        model.zero_grad()
        losses, _, _ = batch_losses(model, batch, TrainingConfig(intermediate_weight=weight), CPU)
        losses.sum().backward()
        gradients.append({name: parameter.grad.clone() for name, parameter in model.named_parameters()})
    top = [name for name in gradients[0] if name.startswith(("stack.layers.1.", "stack.layers.2."))]
    assert top
    for name in top:
        torch.testing.assert_close(gradients[1][name], 0.5 * gradients[0][name])
    bottom = "stack.layers.0.forward_lstm.weight_ih_l0"
    assert not torch.allclose(gradients[1][bottom], 0.5 * gradients[0][bottom])


def test_intermediate_layers_add_no_weight_and_cost_inference_nothing():
    """The same weights in both; and inference does not even call the output layer twice."""
    plain, asked = model_of(), model_of(intermediate_layers=[1, 2])
    assert plain.state_dict().keys() == asked.state_dict().keys()
    calls = []
    asked.output.register_forward_hook(lambda *_: calls.append(1))
    batch = some_batch()
    torch.testing.assert_close(
        asked(batch.features, batch.lengths)[0], plain(batch.features, batch.lengths)[0], rtol=0, atol=0
    )
    assert calls == [1]


def test_copies_to_the_device_do_not_wait():
    """From page-locked memory a copy that does not block runs beside the GPU's work."""
    asked = []

    class Watched(torch.Tensor):
        def to(self, *arguments, **options):
            asked.append(options)
            return self.as_subclass(torch.Tensor)

    batch = some_batch()
    watched = Batch(
        batch.ids, batch.features.as_subclass(Watched), batch.lengths.as_subclass(Watched), batch.targets, 0.25
    )
    batch_losses(model_of(), watched, TrainingConfig(), CPU)
    assert asked == [{"non_blocking": True}] * 2


def test_audio_without_frames_has_empty_outputs_at_every_layer():
    outputs, lengths = model_of().at_layers(torch.zeros(2, 0, 3), torch.zeros(2, dtype=torch.long), [1, 3])
    assert [output.shape for output in outputs] == [(2, 0, UNITS)] * 2
    assert lengths.tolist() == [0, 0]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 6), st.integers(2, 7), st.integers(0, 2**31), st.floats(0.1, 8))
def test_divergence_against_numpy_whatever_lies_beyond_the_length(frames, units, seed, spread):
    logits = np.random.default_rng(seed).normal(0, spread, (1, frames, units))
    log_probs = torch.from_numpy(np.log(probabilities(logits)))
    beyond = torch.full((1, 3, units), -math.inf, dtype=torch.float64)
    found = divergence_from_uniform(torch.cat([log_probs, beyond], dim=1), torch.tensor([frames]))
    assert found.item() == pytest.approx(uniform_divergence(probabilities(logits[0])), rel=1e-6, abs=1e-9)
    assert found.item() >= -1e-9


def test_uniform_frames_and_no_frames_diverge_by_nothing():
    uniform = torch.full((2, 5, 8), math.log(1 / 8))
    assert divergence_from_uniform(uniform, torch.tensor([5, 0])).tolist() == [pytest.approx(0, abs=1e-6), 0.0]


def test_frames_beyond_a_length_have_no_gradient():
    log_probs = torch.randn(1, 6, 3).log_softmax(-1).requires_grad_()
    divergence_from_uniform(log_probs, torch.tensor([4])).sum().backward()
    assert torch.all(log_probs.grad[0, 4:] == 0)
    torch.testing.assert_close(log_probs.grad[0, :4], torch.full((4, 3), -1 / 12))


@pytest.mark.parametrize("layers", [[0], [3], [2, 1], [1, 1]])
def test_layers_that_are_not_below_the_last_are_refused(layers):
    from asr.config.experiment import load_config

    with pytest.raises(ConfigError, match="must ascend"):
        load_config(None, ["model.layers=3", f"model.intermediate_layers={layers}"])


def test_only_deterministic_training_sums_ctc_away_from_the_gpu():
    cuda = torch.device("cuda", 1)
    assert summing_device(cuda, deterministic=False) == cuda
    assert summing_device(cuda, deterministic=True) == CPU
    assert summing_device(CPU, deterministic=True) == CPU
