"""Tuning: the grid finds weights that undo a known mistake, ties go to the middle of a valley, files hold it."""

import numpy as np
import pytest
import yaml

from asr.decoding.automaton import build_model
from asr.decoding.beam import BeamOptions
from asr.decoding.confidence import ConfidenceModel
from asr.decoding.kneser_ney import train_ngrams
from asr.decoding.log_probs import write_log_probs
from asr.decoding.recipe import DecoderRecipe
from asr.decoding.tuning import Trial, choose_weights, tune
from asr.decoding.tuning_files import grid_values, tune_files
from asr.errors import DecodingError, UsageError
from asr.units import BLANK_SYMBOL, Units

UNITS = Units("characters", [BLANK_SYMBOL, " ", *"aceortx"])
TEXTS = {"u1": "a cat", "u2": "a rat ate", "u3": "cat ate a rat"}


def slurred(text: str) -> np.ndarray:
    """Log-probabilities of a speaker who says x where r is meant, a little more clearly than r."""
    probs = np.full((2 * len(text), len(UNITS)), 1e-3)
    for place, letter in enumerate(text):
        probs[2 * place, UNITS.ids[letter]] = 1.0
        probs[2 * place + 1, 0] = 1.0
        if letter == "r":
            probs[2 * place, UNITS.ids["r"]], probs[2 * place, UNITS.ids["x"]] = 0.3, 0.7
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def files(tmp_path):
    UNITS.save(tmp_path / "units.txt")
    model = train_ngrams([text.split() for text in TEXTS.values()] * 9 + [["a", "xat"]], order=2)
    build_model(model).save(tmp_path / "lm")
    rows = ((name, slurred(text)) for name, text in TEXTS.items())
    write_log_probs(tmp_path / "dev.npz", rows, units=tmp_path / "units.txt", seconds_per_frame=0.04)
    return tmp_path


def trial(alpha: float, beta: float, errors: int) -> Trial:
    return Trial(alpha, beta, -8.0, 15.0, errors, 100, 1.0)


def test_ties_go_to_the_middle_of_the_valley():
    errors = [[9, 5, 5, 9], [9, 5, 4, 5], [9, 9, 4, 5], [4, 9, 5, 5]]  # rows: beta; the lone 4 has bad neighbours
    grid = [trial(0.1 * a, float(b), errors[b][a]) for b in range(4) for a in range(4)]
    best = choose_weights(grid)
    assert (round(best.alpha, 1), best.beta, best.errors) in [(0.2, 1.0, 4), (0.2, 2.0, 4)]


def test_weights_that_undo_a_speech_defect_are_found(files):
    recipe = DecoderRecipe(files / "units.txt", 0.04, BeamOptions(beam=8), lm=files / "lm")
    found = tune(recipe, files / "dev.npz", TEXTS, alphas=[0.0, 1.0, 2.0], betas=[0.0, 1.0])
    without = [t for t in found.trials if t.alpha == 0.0]
    assert min(t.errors for t in without) == 2  # both rats
    assert found.chosen.errors == 0
    assert found.chosen.alpha > 0.0
    assert found.confidence.words == 9


def test_processes_change_nothing_but_the_times(files):
    recipe = DecoderRecipe(files / "units.txt", 0.04, BeamOptions(beam=8), lm=files / "lm")
    one, two = (
        tune(recipe, files / "dev.npz", TEXTS, processes=n, alphas=[0.0, 1.0], betas=[0.0], thresholds=[])
        for n in (1, 2)
    )
    assert [(t.alpha, t.beta, t.errors) for t in one.trials] == [(t.alpha, t.beta, t.errors) for t in two.trials]
    assert one.confidence == two.confidence


def test_files_hold_table_picture_settings_and_calibration(files):
    report = tune_files(
        files / "dev.npz", TEXTS, files / "out", lm=files / "lm", alphas="0:1:0.5", betas="0,1", unknown_penalty=4.0
    )
    assert "%WER 0.00 [ 0 / 9 ]" in report
    table = (files / "out" / "tuning.tsv").read_text().splitlines()
    assert table[0].split("\t")[:2] == ["alpha", "beta"]
    assert len(table) == 1 + 3 * 2 + 4
    assert (files / "out" / "tuning.png").read_bytes().startswith(b"\x89PNG")
    settings = yaml.safe_load((files / "out" / "tuned.yaml").read_text())["decoding"]
    assert settings["decoder"] == "beam"
    assert set(settings) == {"decoder", "alpha", "beta", "token_threshold", "beam_threshold", "unknown_penalty"}
    assert settings["unknown_penalty"] == 4.0
    assert ConfidenceModel.load(files / "out" / "confidence.json").words == 9


def test_a_best_value_at_the_edge_is_warned_of(files, caplog):
    tune_files(files / "dev.npz", TEXTS, files / "out", lm=files / "lm", alphas="0.01,0.02", betas="0")
    assert "is at the edge of those tried" in caplog.text


@pytest.mark.parametrize(("text", "values"), [("0:1:0.5", [0.0, 0.5, 1.0]), ("1", [1.0]), ("0.1,0.3", [0.1, 0.3])])
def test_grids_are_ranges_or_lists(text, values):
    assert grid_values(text, "--alphas") == values


@pytest.mark.parametrize("text", ["", "0:1", "0:1:0", "a,b", "0:1:-1", "0:1e9:1"])
def test_a_grid_that_makes_no_sense_names_its_option(text):
    with pytest.raises(UsageError, match="--alphas"):
        grid_values(text, "--alphas")


def test_missing_references_and_nothing_to_tune_are_errors(files):
    recipe = DecoderRecipe(files / "units.txt", 0.04, lm=files / "lm")
    with pytest.raises(DecodingError, match="2 utterances without a reference"):
        tune(recipe, files / "dev.npz", {"u1": "a"})
    with pytest.raises(DecodingError, match="have no words"):
        tune(recipe, files / "dev.npz", dict.fromkeys(TEXTS, ""))
    with pytest.raises(UsageError, match="no weight to tune"):
        tune_files(files / "dev.npz", TEXTS, files / "out")
