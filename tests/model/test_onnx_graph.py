"""The exported graph against the network in torch, for every kind of network, alone and in padded batches."""

import numpy as np
import onnx
import pytest
import torch
from tests_model import model_config

from asr.errors import ModelError
from asr.features.normalisation import Normaliser
from asr.model.directory import build_model, save_model
from asr.model.files import ONNX_INT8, read_model_files, read_weights
from asr.model.onnx_graph import int8_bytes, onnx_bytes, token_lines
from asr.model.onnx_network import OnnxNetwork
from asr.model.torch_network import TorchNetwork
from asr.units import BLANK_SYMBOL, Units

UNITS = Units("characters", [BLANK_SYMBOL, " ", *"abcd"])
NETWORKS = [
    {},
    {"front_end": "stacking"},
    {"front_end": "stacking", "time_reduction": 1},
    {"front_end": "stacking", "time_reduction": 3, "layer_norm": False},
    {"time_reduction": 1, "layers": 1},
    {"time_reduction": 6, "projection": 7},
    {"time_reduction": 4, "layer_norm": False, "projection": 9},
    {"bidirectional": False, "time_reduction": 3},
    {"bidirectional": False, "front_end": "stacking", "projection": 5},
]


def written(folder, **model):
    """A model folder with random weights, biases included."""
    torch.manual_seed(sum(map(ord, str(model))))
    config = model_config(**model)
    weights = build_model(config, UNITS).state_dict()
    weights = {name: 0.4 * torch.randn_like(tensor) for name, tensor in weights.items()}
    save_model(folder, weights, config, UNITS, Normaliser("utterance"), "")
    return folder


def matrices(lengths, features=20):
    generator = np.random.default_rng(len(lengths))
    return [generator.standard_normal((length, features)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("model", NETWORKS, ids=str)
def test_log_probabilities_of_torch_at_any_batch_size(tmp_path, model):
    folder = written(tmp_path / "model", **model)
    ours, reference = OnnxNetwork(read_model_files(folder), threads=1), TorchNetwork(folder, "cpu", exact=True)
    utterances = matrices([37, 1, 64, 2, 50, 13, 7, 41])
    alone = [ours([matrix])[0] for matrix in utterances]
    expected = reference(utterances)
    for one, batched, torch_rows in zip(alone, ours(utterances), expected, strict=True):
        assert one.shape == torch_rows.shape and one.dtype == np.float32
        np.testing.assert_allclose(one, torch_rows, atol=1e-4, rtol=0)
        np.testing.assert_allclose(batched, torch_rows, atol=1e-4, rtol=0)


def test_empty_utterances_may_share_a_batch(tmp_path):
    network = OnnxNetwork(read_model_files(written(tmp_path / "model")))
    utterances = matrices([0, 20, 0])
    outputs = network(utterances)
    assert [len(output) for output in outputs] == [0, 10, 0]
    np.testing.assert_allclose(outputs[1], network([utterances[1]])[0], atol=1e-5)
    assert [output.shape for output in network(matrices([0, 0]))] == [(0, 6)] * 2


def test_the_graph_is_valid_and_says_what_others_read(tmp_path):
    files = read_model_files(written(tmp_path / "model"))
    model = onnx.load_model_from_string(onnx_bytes(files.config, 6, read_weights(files.directory)))
    onnx.checker.check_model(model, full_check=True)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert (said["vocab_size"], said["subsampling_factor"], said["normalize_type"]) == ("6", "2", "per_feature")
    assert [value.name for value in model.graph.input] == ["audio_signal", "length"]
    assert [value.name for value in model.graph.output] == ["logprobs"]


def test_quantised_weights_are_a_third_as_large_and_nearly_the_same(tmp_path):
    files = read_model_files(written(tmp_path / "model", hidden=64, input_size=64))
    weights = read_weights(files.directory)
    small = int8_bytes(files.config, 6, weights)
    assert len(small) < 0.45 * len(onnx_bytes(files.config, 6, weights))
    (files.directory / ONNX_INT8).write_bytes(small)
    utterances = matrices([30, 12])
    for exact, quantised in zip(OnnxNetwork(files)(utterances), OnnxNetwork(files, int8=True)(utterances), strict=True):
        np.testing.assert_allclose(np.exp(quantised), np.exp(exact), atol=0.2)


def test_a_graph_of_another_configuration_or_a_damaged_one_is_named(tmp_path):
    first, other = written(tmp_path / "a"), written(tmp_path / "b", hidden=11)
    (first / "model.onnx").write_bytes((other / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"does not fit config\.yaml"):
        OnnxNetwork(read_model_files(first))
    (first / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="is damaged"):
        OnnxNetwork(read_model_files(first))


def test_a_folder_without_a_graph_is_built_from_its_weights(tmp_path):
    folder = written(tmp_path / "model")
    utterances = matrices([30])
    expected = OnnxNetwork(read_model_files(folder))(utterances)
    (folder / "model.onnx").unlink()
    np.testing.assert_array_equal(OnnxNetwork(read_model_files(folder))(utterances)[0], expected[0])


def test_tokens_name_the_blank_and_mark_words_as_others_expect():
    assert token_lines(UNITS)[:3] == ["<blk> 0\n", "▁ 1\n", "a 2\n"]
    assert token_lines(Units("words", [BLANK_SYMBOL, "<unk>", "yes"]))[2] == "▁yes 2\n"
