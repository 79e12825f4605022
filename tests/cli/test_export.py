"""`asr export`: one folder with model, language model, lexicon and tuned search; whole or not at all."""

import pytest
import yaml

from asr.__main__ import run


@pytest.fixture
def tuned(tmp_path):
    """A folder as `asr tune` leaves it."""
    folder = tmp_path / "tuned"
    folder.mkdir()
    settings = {"decoding": {"decoder": "beam", "alpha": 0.7, "beta": 1.5, "token_threshold": -6.0}}
    (folder / "tuned.yaml").write_text(yaml.safe_dump(settings))
    return folder


def export(model, out, *more):
    return run(["export", "--model", str(model), "--out", str(out), *map(str, more)])


def decoding(folder):
    return yaml.safe_load((folder / "config.yaml").read_text())["decoding"]


def test_tuned_settings_are_taken_over(model_folder, tuned, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in model_folder.iterdir()}
    assert export(model_folder, tmp_path / "out", "--tuned", tuned, "--beam-size", "7") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}\n"
    settings = decoding(tmp_path / "out")
    chosen = {"decoder": "beam", "beam": 7, "alpha": 0.7, "beta": 1.5, "token_threshold": -6.0}
    assert {key: settings[key] for key in chosen} == chosen
    assert {path.name: path.read_bytes() for path in model_folder.iterdir()} == before
    assert decoding(model_folder)["decoder"] == "greedy"


def test_everything_else_of_the_model_comes_along(model_folder, tmp_path):
    assert export(model_folder, tmp_path / "out") == 0
    for name in ("model.safetensors", "units.txt", "card.md"):
        assert (tmp_path / "out" / name).read_bytes() == (model_folder / name).read_bytes()
    old, new = (yaml.safe_load((folder / "config.yaml").read_text()) for folder in (model_folder, tmp_path / "out"))
    assert old.pop("decoding") != new.pop("decoding")
    assert old == new


def test_a_lexicon_goes_into_the_folder(model_folder, tmp_path):
    (tmp_path / "words.txt").write_text("ab\ncab\n")
    assert export(model_folder, tmp_path / "out", "--lexicon", tmp_path / "words.txt") == 0
    assert (tmp_path / "out" / "lexicon.txt").read_text() == "ab\ncab\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        ("alpha: 1\n", "decoding"),
        ("decoding: [", "expected"),
        ("decoding: {alpha: -1}\n", "alpha"),
        ("decoding: {alfa: 1}\n", "alfa"),
    ],
)
def test_what_asr_tune_did_not_write_is_refused(model_folder, tuned, tmp_path, content, reason, capsys):
    (tuned / "tuned.yaml").unlink()
    if content is not None:
        (tuned / "tuned.yaml").write_text(content)
    assert export(model_folder, tmp_path / "out", "--tuned", tuned) == 2
    error = capsys.readouterr().err
    assert "is not what 'asr tune' writes" in error
    assert reason in error
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_the_older_export(model_folder, tmp_path, capsys):
    assert export(model_folder, tmp_path / "out") == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert export(model_folder, tmp_path / "out", "--lexicon", tmp_path / "none.txt") == 1
    assert "none.txt" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_folder_of_something_else_is_not_overwritten(model_folder, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert export(model_folder, tmp_path / "out") == 2
    assert "exists and is not a model folder; choose another --out" in capsys.readouterr().err
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
