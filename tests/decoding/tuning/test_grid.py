"""Tuning: the grid finds weights that undo a known mistake, the middle of equals is taken, files hold it."""

import numpy as np
import pytest
import yaml

from asr.decoding.beam import BeamOptions
from asr.decoding.from_files import DecoderRecipe
from asr.decoding.paths.log_probs import write_log_probs
from asr.decoding.results.confidence import ConfidenceModel
from asr.decoding.tuning.files import grid_values, tune_files
from asr.decoding.tuning.grid import Trial, choose_weights, tune
from asr.errors import DecodingError, UsageError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
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


def trial(alpha: float, beta: float, by_utterance: list[int]) -> Trial:
    return Trial(alpha, beta, -8.0, 15.0, sum(by_utterance), 100, 1.0, np.array(by_utterance, np.int32))


def test_of_weights_that_hardly_differ_the_middle_is_chosen():
    """Eight utterances; alpha 0.0 is an error ahead by chance, alpha 0.8 clearly worse."""
    errors = [[0, 0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 1, 1, 1, 1], [1, 1, 0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1, 1]]
    trials = [trial(0.2 * index, 0.0, row) for index, row in enumerate([*errors, [3] * 8])]
    choice = choose_weights(trials)
    assert choice.fewest == 0
    assert choice.alike.tolist() == [True, True, True, True, False]
    assert trials[choice.index].alpha in (0.2, 0.4)


def test_weights_that_undo_a_speech_defect_are_found(files):
    recipe = DecoderRecipe(files / "units.txt", 0.04, BeamOptions(beam=8), lm=files / "lm")
    found = tune(recipe, files / "dev.npz", TEXTS, alphas=[0.0, 1.0, 2.0], betas=[0.0, 1.0])
    without = [t for t in found.trials if t.alpha == 0.0]
    assert min(t.errors for t in without) == 2  # both rats
    assert found.chosen.errors == 0
    assert found.chosen.alpha > 0.0
    assert [sum(t.by_utterance) for t in found.trials] == [t.errors for t in found.trials]
    assert found.confidence.words == 9


def test_processes_change_nothing_but_the_times(files):
    recipe = DecoderRecipe(files / "units.txt", 0.04, BeamOptions(beam=8), lm=files / "lm")
    one, two = (
        tune(recipe, files / "dev.npz", TEXTS, processes=n, alphas=[0.0, 1.0], betas=[0.0], thresholds=[])
        for n in (1, 2)
    )
    assert [(t.alpha, t.beta, t.errors) for t in one.trials] == [(t.alpha, t.beta, t.errors) for t in two.trials]
    assert one.confidence == two.confidence
    assert one.chosen.alpha == two.chosen.alpha
    assert one.reason() == two.reason()


def test_of_equally_good_pruning_the_tightest_is_chosen_whatever_the_clock_says(files):
    recipe = DecoderRecipe(files / "units.txt", 0.04, BeamOptions(beam=8), lm=files / "lm")
    pairs = [(-10.0, 20.0), (-5.0, 8.0), (-8.0, 8.0), (-5.0, 12.0)]
    found = tune(recipe, files / "dev.npz", TEXTS, alphas=[1.0], betas=[0.0], thresholds=pairs)
    assert {t.errors for t in found.trials} == {0}
    assert (found.chosen.token_threshold, found.chosen.beam_threshold) == (-5.0, 8.0)
    assert found.first_round == found.trials[:1]


def test_files_hold_table_picture_settings_and_calibration(files):
    report = tune_files(
        files / "dev.npz", TEXTS, files / "out", lm=files / "lm", alphas="0:1:0.5", betas="0,1", unknown_penalty=4.0
    )
    assert "%WER 0.00 [ 0 / 9 ]" in report
    table = (files / "out" / "tuning.tsv").read_text().splitlines()
    assert table[0].split("\t")[:2] == ["alpha", "beta"]
    assert {len(row.split("\t")) for row in table} == {9}
    assert [row.split("\t")[8] != "" for row in table[1:]] == [True] * 6 + [False] * 4  # weights, then pruning
    assert len(table) == 1 + 3 * 2 + 4
    assert (files / "out" / "tuning.png").read_bytes().startswith(b"\x89PNG")
    text = (files / "out" / "tuned.yaml").read_text()
    reason = "in the middle of 4 of 6 pairs of weights within one standard error of the fewest errors (0 / 9 at"
    assert text.startswith(f"# chosen on 9 words, {reason}")
    assert f"chosen {reason}" in report
    settings = yaml.safe_load(text)["decoding"]
    assert settings["decoder"] == "beam"
    assert set(settings) == {"decoder", "alpha", "beta", "token_threshold", "beam_threshold", "unknown_penalty"}
    assert settings["unknown_penalty"] == 4.0
    assert ConfidenceModel.load(files / "out" / "confidence.json").words == 9


def test_a_chosen_value_at_the_edge_is_warned_of(files, caplog):
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
