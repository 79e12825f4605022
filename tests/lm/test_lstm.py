"""The LSTM language model: probabilities, batches, vocabulary, saving."""

import numpy as np
import pytest
import torch
from slow_ngrams import made_up_text

from asr.errors import DecodingError
from asr.lm.files import is_lstm
from asr.lm.lstm import LstmLanguageModel, LstmLmConfig, LstmNetwork, build_vocabulary, cut_batches, pad

CONFIG = LstmLmConfig(embedding=6, hidden=5, layers=2, dropout=0.4)


@pytest.fixture
def model():
    torch.manual_seed(0)
    words = build_vocabulary(made_up_text(50, 12), 10)
    return LstmLanguageModel(words, LstmNetwork(CONFIG, len(words)), CONFIG)


def test_vocabulary_keeps_the_most_frequent_words():
    text = [["b", "a", "b"], ["a", "c", "<unk>"]]
    assert build_vocabulary(text, 2) == ["<unk>", "<s>", "</s>", "a", "b"]


@pytest.mark.parametrize(("text", "reason"), [([], "empty"), ([["<unk>"]], "empty"), ([["a", "<s>"]], "<s>")])
def test_vocabulary_of_broken_text_is_an_error(text, reason):
    with pytest.raises(DecodingError, match=reason):
        build_vocabulary(text, 5)


def test_inputs_are_shifted_targets():
    inputs, targets = pad([[5, 6], [7]])
    assert inputs.tolist() == [[1, 5, 6], [1, 7, 2]]
    assert targets.tolist() == [[5, 6, 2], [7, 2, -100]]


def test_scores_equal_a_lstm_written_from_the_gate_equations(model):
    """Hochreiter & Schmidhuber (1997) with forget gates (Gers et al. 2000), float64, one sentence."""
    weights = {name: tensor.double().numpy() for name, tensor in model.network.state_dict().items()}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    ids = model.encode(["w0", "w1", "w0"])
    states = [(np.zeros(5), np.zeros(5)) for _ in range(2)]
    expected = []
    for token, target in zip([1, *ids], [*ids, 2], strict=True):
        x = weights["embedding.weight"][token]
        for layer in range(2):
            hidden, cell = states[layer]
            gates = weights[f"lstm.weight_ih_l{layer}"] @ x + weights[f"lstm.bias_ih_l{layer}"]
            gates += weights[f"lstm.weight_hh_l{layer}"] @ hidden + weights[f"lstm.bias_hh_l{layer}"]
            i, f, g, o = np.split(gates, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            x = sigmoid(o) * np.tanh(cell)
            states[layer] = (x, cell)
        logits = weights["embedding.weight"] @ (weights["projection.weight"] @ x + weights["projection.bias"])
        logits += weights["bias"]
        expected.append(logits[target] - np.log(np.exp(logits).sum()))
    np.testing.assert_allclose(model.word_scores(["w0", "w1", "w0"]), expected, atol=1e-5)


def test_the_batch_changes_nothing(model, monkeypatch):
    sentences = [*made_up_text(30, 20, seed=4), [], ["zebra"]]
    together = model.batch_scores(sentences)
    monkeypatch.setattr("asr.lm.lstm.LOGITS_PER_BATCH", 1)
    for sentence, scores in zip(sentences, together, strict=True):
        assert len(scores) == len(sentence) + 1
        np.testing.assert_allclose(scores, model.word_scores(sentence), atol=1e-5)
    np.testing.assert_allclose(model.score(sentences), [scores.sum() for scores in together], atol=1e-4)


def test_unknown_words_share_one_probability(model):
    assert model.word_scores(["zebra"])[0] == model.word_scores(["giraffe"])[0]
    assert model.unknown(["w0", "zebra"]).tolist() == [False, True]


def test_batches_hold_every_sentence_once_and_respect_the_size():
    lengths = [3, 9, 1, 4, 4, 20]
    batches = cut_batches(range(6), lengths, 12)
    assert sorted(index for batch in batches for index in batch) == list(range(6))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 12 for batch in batches)


def test_saved_model_is_the_same(model, tmp_path):
    model.save(tmp_path / "lm")
    loaded = LstmLanguageModel.load(tmp_path / "lm")
    assert is_lstm(tmp_path / "lm")
    assert (loaded.words, loaded.config) == (model.words, model.config)
    assert np.array_equal(loaded.word_scores(["w0", "w1"]), model.word_scores(["w0", "w1"]))


@pytest.mark.parametrize("damage", ["model.safetensors", "config.yaml", "words.txt"])
def test_damaged_folder_is_an_error(model, tmp_path, damage):
    model.save(tmp_path / "lm")
    (tmp_path / "lm" / damage).write_text("x: [\n")
    with pytest.raises(DecodingError, match="not a whole LSTM"):
        LstmLanguageModel.load(tmp_path / "lm")
    (tmp_path / "lm" / damage).unlink()
    with pytest.raises(DecodingError, match="not a whole LSTM"):
        LstmLanguageModel.load(tmp_path / "lm")
