"""Training the LSTM language model: it learns, it is reproducible, it resumes to the same bits."""

import pytest
import torch

from asr.errors import CheckpointError, ConfigError, TrainingError, UsageError
from asr.lm.lstm import LstmLanguageModel, LstmLmConfig
from asr.training import lstm_lm as language_model
from asr.training.lstm_lm import load_lm_config, train_from_texts, train_lstm_lm

TEXT = [["a", "b"] * 3, ["b", "a", "b"], ["a", "b", "a", "b"], ["b", "a"]] * 12
DEV = TEXT[:4]
CONFIG = LstmLmConfig(
    embedding=8,
    hidden=8,
    layers=2,
    dropout=0.1,
    epochs=6,
    batch_tokens=40,
    save_steps=3,
    learning_rate=0.02,
    patience=0,
)


def weights_of(folder):
    return LstmLanguageModel.load(folder).network.state_dict()


def test_learns_that_letters_alternate(tmp_path):
    """Guessing among a, b and </s> has perplexity 3; which of the four sentences it is, 4 ** (4 / 19) = 1.34."""
    perplexity = train_lstm_lm(TEXT, DEV, CONFIG.model_copy(update={"epochs": 20}), tmp_path / "lm")
    assert 1.33 < perplexity < 1.6
    model = LstmLanguageModel.load(tmp_path / "lm")
    assert model.score([["a", "b"]])[0] > model.score([["a", "a"]])[0] + 2


class Killed(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("saves", [1, 2, 5, 9])
def test_a_killed_and_resumed_run_ends_in_the_same_bits(tmp_path, monkeypatch, saves):
    train_lstm_lm(TEXT, DEV, CONFIG, tmp_path / "whole")
    save, done = language_model.save_checkpoint, []

    def kill_after(*arguments):
        save(*arguments)
        done.append(arguments)
        if len(done) == saves:
            raise Killed

    monkeypatch.setattr(language_model, "save_checkpoint", kill_after)
    with pytest.raises(Killed):
        train_lstm_lm(TEXT, DEV, CONFIG, tmp_path / "killed")
    torch.manual_seed(12345)
    train_lstm_lm(TEXT, DEV, CONFIG, tmp_path / "killed", resume=True)
    whole, resumed = weights_of(tmp_path / "whole"), weights_of(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_an_earlier_training_is_not_overwritten(tmp_path):
    train_lstm_lm(TEXT, DEV, CONFIG, tmp_path / "lm")
    with pytest.raises(CheckpointError, match="--resume"):
        train_lstm_lm(TEXT, DEV, CONFIG, tmp_path / "lm")


def test_resuming_with_other_text_is_an_error(tmp_path):
    train_lstm_lm(TEXT, DEV, CONFIG, tmp_path / "lm")
    with pytest.raises(CheckpointError, match="other settings or another text"):
        train_lstm_lm(TEXT[1:], DEV, CONFIG, tmp_path / "lm", resume=True)


def test_patience_stops_and_the_best_epoch_is_kept(tmp_path):
    """A dev set that contradicts the text only gets worse: two epochs without a better perplexity end the training."""
    config = CONFIG.model_copy(update={"epochs": 40, "patience": 2, "learning_rate": 0.1})
    contrary = [["a", "a", "a"], ["b", "b", "b"]]
    perplexity = train_lstm_lm(TEXT, contrary, config, tmp_path / "lm")
    checkpoints = language_model.load_newest(tmp_path / "lm" / "checkpoints")
    seen = checkpoints["position"]["perplexities"]
    assert len(seen) < 40
    assert perplexity == min(seen) == seen[-3]


def test_a_loss_that_is_not_finite_stops(tmp_path):
    config = CONFIG.model_copy(update={"learning_rate": 1e30, "warmup_share": 0.0})
    with pytest.raises(TrainingError, match="update"):
        train_lstm_lm(TEXT, DEV, config, tmp_path / "lm")
    assert not (tmp_path / "lm" / "model.safetensors").exists()


def test_texts_are_read_and_spelled_by_unit(tmp_path):
    (tmp_path / "text.txt").write_text("ab ba\nabab\n" * 8)
    config = load_lm_config(None, ["epochs=1", "embedding=4", "hidden=4"], "characters")
    train_from_texts([tmp_path / "text.txt"], [tmp_path / "text.txt"], config, tmp_path / "lm")
    assert LstmLanguageModel.load(tmp_path / "lm").words[3:] == ["a", "b", "<space>"]
    with pytest.raises(UsageError, match="--dev"):
        train_from_texts([tmp_path / "text.txt"], [], config, tmp_path / "other")


def test_settings_come_from_file_then_command_line(tmp_path):
    (tmp_path / "lm.yaml").write_text("hidden: 7\nlayers: 3\n")
    config = load_lm_config(tmp_path / "lm.yaml", ["layers=1"], "words")
    assert (config.hidden, config.layers, config.unit) == (7, 1, "words")


@pytest.mark.parametrize("setting", ["nothing=1", "layers=0", "dropout=x"])
def test_wrong_settings_name_the_key(setting):
    with pytest.raises(ConfigError, match=setting.split("=")[0]):
        load_lm_config(None, [setting], "words")


def test_unreadable_settings_file_is_an_error(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    for name in ("list.yaml", "missing.yaml"):
        with pytest.raises(ConfigError, match=name):
            load_lm_config(tmp_path / name, [], "words")
