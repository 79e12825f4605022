"""What a resume may find changed, and what it refuses: nothing that would change the result goes unsaid."""

import shutil

import pytest
import yaml
from tests_toy import toy_config, write_toy_data

from asr.corpus.manifest import load_manifest, write_manifest
from asr.errors import CheckpointError, TrainingError
from asr.training.checkpoint import load_newest
from asr.training.experiment import train_experiment
from asr.training.lock import training_lock

CONFIG = toy_config(training={"epochs": 2, "average": 1})


def train(data, experiment, config=CONFIG, **options):
    return train_experiment(config, data, experiment, device="cpu", threads=1, **options)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with data and an experiment that stopped after its first epoch."""
    root = tmp_path_factory.mktemp("begun")
    write_toy_data(root / "data")
    train(root / "data", root / "exp", stop_after=1)
    return root


@pytest.fixture
def root(begun, tmp_path):
    """A copy to change."""
    shutil.copytree(begun, tmp_path / "root")
    return tmp_path / "root"


def change(root, name, edit):
    utterances = list(load_manifest(root / "data" / f"{name}.jsonl"))
    write_manifest(root / "data" / f"{name}.jsonl", edit(utterances))


def retold(utterances):
    first, *rest = utterances
    return [type(first)(**{**{k: getattr(first, k) for k in first.__slots__}, "text": "a b"}), *rest]


@pytest.mark.parametrize("name", ["train", "dev"])
@pytest.mark.parametrize("edit", [lambda all: all[1:], retold], ids=["one fewer", "another text"])
def test_other_data_are_refused_and_nothing_is_overwritten(root, name, edit):
    before = {path: path.read_bytes() for path in (root / "exp").rglob("*") if path.is_file() and path.name != ".lock"}
    change(root, name, edit)
    with pytest.raises(CheckpointError, match=f"was trained on other data.*{name}"):
        train(root / "data", root / "exp", resume=True)
    assert {path: path.read_bytes() for path in before} == before


def test_the_order_of_a_manifest_is_no_change(root):
    change(root, "train", lambda utterances: utterances[::-1])
    train(root / "data", root / "exp", resume=True)


def test_features_that_were_computed_again_are_told_of(root, caplog):
    from asr.features.store import FeatureStore, FeatureStoreWriter

    folder = root / "data" / "features" / "train"
    store = FeatureStore.open(folder, CONFIG.features)
    matrices = {name: store[name].copy() for name in store.index.ids}
    with FeatureStoreWriter(folder, store.bins, "float32", CONFIG.features) as writer:
        for name, matrix in matrices.items():
            writer.append(name, matrix + 1e-4)
    train(root / "data", root / "exp", resume=True)
    assert "recordings of the training set changed since the checkpoint" in caplog.text


@pytest.mark.parametrize("setting", [("model", "hidden", 16), ("training", "epochs", 1), ("batching", "seconds", 9.0)])
def test_a_refused_resume_leaves_the_configuration(root, setting):
    section, key, value = setting
    before = (root / "exp" / "config.yaml").read_bytes()
    changed = toy_config(**{"training": {"epochs": 2, "average": 1}, section: {"epochs": 2, "average": 1, key: value}
                            if section == "training" else {key: value}})  # fmt: skip
    with pytest.raises(CheckpointError, match=f"{section}.{key}"):
        train(root / "data", root / "exp", changed, resume=True)
    assert (root / "exp" / "config.yaml").read_bytes() == before


def test_epochs_may_grow(root, caplog):
    """Also of a training that is done; the learning rate follows the longer schedule."""
    caplog.set_level("INFO")
    assert train(root / "data", root / "exp", resume=True).epochs == 2
    longer = toy_config(training={"epochs": 4, "average": 1})
    assert train(root / "data", root / "exp", longer, resume=True).epochs == 4
    assert "training.epochs grows: the learning rate follows the schedule of 4 epochs" in caplog.text
    assert yaml.safe_load((root / "exp" / "config.yaml").read_text())["training"]["epochs"] == 4
    assert load_newest(root / "exp" / "checkpoints")["config"]["training"]["epochs"] == 4


def test_a_folder_in_which_another_training_runs_is_refused(root):
    with training_lock(root / "exp"), pytest.raises(TrainingError, match="another training runs in it"):
        train(root / "data", root / "exp", resume=True)
