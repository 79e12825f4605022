"""Learning one batch by heart: a sound recipe does, a broken one is told why not."""

from dataclasses import replace

import pytest
from tests_toy import toy_config

from asr.errors import TrainingError, UsageError
from asr.training.checks.overfit import Overfitting, causes, overfit_one_batch

LEARNT = Overfitting(4, 500, 12.0, first_loss=5.0, loss=0.5, blank_rate=0.6, gradient_norm=2.0, tightest=0.5)


def overfit(data, **sections):
    return overfit_one_batch(toy_config(**sections), data, updates=sections.pop("updates", 200), threads=1)


def test_a_sound_recipe_knows_its_batch_long_before_the_last_update(toy_data):
    """Also with everything on that would make it hard: dropout, augmentation, smoothing, an average."""
    result = overfit(
        toy_data,
        model={"dropout": 0.9},
        augmentation={"first_epoch": 0, "time_masks": 50, "time_mask_share": 0.9},
        training={"label_smoothing": 0.9, "ema": 0.999},
    )
    assert result.wer == 0
    assert result.updates < 200
    assert result.utterances == 4
    assert result.loss < 0.5 * result.first_loss
    assert f"{result.updates} updates: WER 0.00 %" in result.line


def test_it_writes_nothing(toy_data, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    overfit(toy_data)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("rate", [1e-7, 10.0])
def test_a_learning_rate_far_off_is_named_with_exit_code_one(toy_data, rate):
    with pytest.raises(TrainingError, match=r"likely causes: .*training\.learning_rate") as caught:
        overfit_one_batch(toy_config(training={"learning_rate": rate}), toy_data, updates=30, threads=1)
    assert caught.value.exit_code == 1


def test_a_text_that_cannot_fit_its_frames_is_named_before_anything_is_trained(toy_data):
    manifest = toy_data / "train.jsonl"
    manifest.write_text(manifest.read_text().replace('"text": "', '"text": "' + "ab" * 60, 1))
    with pytest.raises(TrainingError, match="cannot emit their text"):
        overfit(toy_data)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({"loss": float("nan")}, "the loss is not finite"),
        ({"loss": float("inf")}, "the loss is not finite"),
        ({"loss": 4.9}, "the loss hardly fell"),
        ({"blank_rate": 1.0, "loss": 2.0}, "nothing but blanks yet"),
        ({"tightest": 0.95}, "a text needs 95 % of its output frames: lower model.time_reduction (now 2)"),
        ({"gradient_norm": 900.0}, "gradients of norm 900 are clipped to 5"),
        ({}, "too few updates, too small a model"),
    ],
)
def test_each_symptom_has_its_cause(seen, told):
    assert told in causes(replace(LEARNT, **seen), toy_config())


def test_what_was_not_seen_is_not_blamed():
    assert "blanks" not in causes(LEARNT, toy_config())
    assert "not finite" not in causes(replace(LEARNT, tightest=0.9), toy_config())


def test_no_updates_are_refused(toy_data):
    with pytest.raises(UsageError, match="at least 1"):
        overfit_one_batch(toy_config(), toy_data, updates=0)
