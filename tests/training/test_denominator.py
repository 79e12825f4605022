"""CTC-CRF as an experiment's criterion: begun from a CTC model, its denominator made, kept, given; the same bits."""

import json
import logging

import pytest
import torch
from tests_toy import toy_config

from asr.batches.sets import load_sets
from asr.cli import app
from asr.corpus.manifest import load_manifest
from asr.errors import TrainingError
from asr.lm.files import load_lm
from asr.lm.training import train_lm
from asr.model.directory import load_trained
from asr.training.denominator import FOLDER, denominator_for
from asr.training.experiment import train_experiment
from asr.training.trainer import Trainer
from asr.units import Units

CPU = torch.device("cpu")
CRF = toy_config(
    model={"layers": 2, "dropout": 0.2, "intermediate_layers": [1]},
    training={
        "criterion": "ctc-crf", "epochs": 2, "learning_rate": 2e-3, "accumulate": 2, "save_steps": 1,
        "label_smoothing": 0.02, "ema": 0.5,
    },
)  # fmt: skip


class Stop(Exception):
    """Stands for a power cut."""


@pytest.fixture(scope="module")
def ctc(tmp_path_factory):
    """A data folder and a CTC model trained on it."""
    from tests_toy import write_toy_data

    folder = tmp_path_factory.mktemp("ctc")
    data = write_toy_data(folder / "data")
    config = toy_config(model={"layers": 2}, training={"epochs": 6})
    train_experiment(config, data, folder / "exp", device="cpu", threads=1)
    return data, folder / "exp" / "model"


def train(ctc, experiment, config=CRF, **options):
    data, init = ctc
    return train_experiment(config, data, experiment, device="cpu", threads=1, init=init, **options)


def journal(experiment, kind):
    lines = map(json.loads, (experiment / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def made(ctc, config=CRF, **options):
    """The denominator of an experiment on the toy data."""
    data, _ = ctc
    units = Units.load(data / "units.txt")
    sets = load_sets(config, data, units, CPU)
    return denominator_for(config, sets[0], units, **options)


def test_from_a_ctc_model_training_goes_on_and_stops_change_no_bit(ctc, tmp_path, monkeypatch, caplog):
    """Every switch with a state is on; the training is cut after its second update and resumed."""
    caplog.set_level(logging.INFO, logger="asr")
    train(ctc, tmp_path / "straight")
    assert "denominator: 3-gram of 5 units" in caplog.text
    assert "hardly learns" not in caplog.text
    losses = [line["loss"] for line in journal(tmp_path / "straight", "dev")]
    assert losses[-1] < losses[0]
    assert min(losses) >= 0
    original = Trainer._update

    def stopping(self, *arguments):
        if self.progress.step == 2:
            raise Stop
        original(self, *arguments)

    with monkeypatch.context() as context:
        context.setattr(Trainer, "_update", stopping)
        with pytest.raises(Stop):
            train(ctc, tmp_path / "exp")
    train(ctc, tmp_path / "exp", resume=True)
    for name in ("model/model.safetensors", f"{FOLDER}/slots.npy"):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "exp" / name).read_bytes()
    assert journal(tmp_path / "straight", "dev")[-1]["loss"] == journal(tmp_path / "exp", "dev")[-1]["loss"]
    assert "trained with CTC-CRF" in (tmp_path / "exp" / "model" / "card.md").read_text()
    assert load_trained(tmp_path / "exp" / "model").config.training.criterion == "ctc-crf"


def test_a_resume_takes_the_denominator_that_is_kept(ctc, tmp_path):
    first = made(ctc, experiment=tmp_path)
    other = CRF.model_copy(update={"training": CRF.training.model_copy(update={"denominator_order": 2})})
    assert made(ctc, other, experiment=tmp_path, resume=True).describe() == first.describe()
    assert made(ctc, other, experiment=tmp_path).describe() != first.describe()


def test_the_ngram_of_the_texts_is_that_of_asr_lm_train(ctc, tmp_path):
    data, _ = ctc
    units = Units.load(data / "units.txt")
    train_lm([data / "train.jsonl"], tmp_path / "lm", order=3, unit="units", units=units)
    given = CRF.training.model_copy(update={"denominator": str(tmp_path / "lm")})
    named = made(ctc, CRF.model_copy(update={"training": given}))
    own = made(ctc)
    targets = [units.encode(utterance.text) for utterance in load_manifest(data / "dev.jsonl")]
    assert named.log_prior(targets) == pytest.approx(own.log_prior(targets), rel=1e-6)
    assert named.describe() == own.describe()


def test_the_kept_ngram_can_be_read_by_everything_that_reads_ngrams(ctc, tmp_path):
    made(ctc, experiment=tmp_path)
    assert load_lm(tmp_path / FOLDER).unit == "units"


def test_ctc_needs_no_denominator(ctc, tmp_path):
    assert made(ctc, toy_config(), experiment=tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_random_weights_are_warned_of(ctc, tmp_path, caplog):
    data, _ = ctc
    train_experiment(CRF, data, tmp_path / "exp", device="cpu", threads=1, stop_after=1)
    assert "ctc-crf hardly learns from random weights" in caplog.text


def test_texts_between_the_audio_of_shards_are_not_fetched_for_it(ctc):
    data, _ = ctc
    with pytest.raises(TrainingError, match="asr lm train --unit units"):
        denominator_for(CRF, object(), Units.load(data / "units.txt"))


def test_one_line_of_configuration(ctc, tmp_path):
    """The command line: a CTC model, and `--set training.criterion=ctc-crf`."""
    from typer.testing import CliRunner

    data, init = ctc
    config = init / "config.yaml"
    arguments = ["train", "--data", data, "--config", config, "--exp", tmp_path / "exp", "--init", init, "--threads", 1]
    settings = ["--device", "cpu", "--set", "training.criterion=ctc-crf", "--set", "training.epochs=1"]
    result = CliRunner().invoke(app, [str(each) for each in (*arguments, *settings)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "exp" / "model" / "model.safetensors").is_file()
