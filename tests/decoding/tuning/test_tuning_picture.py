"""The picture of a tuning is drawn for any grid, and says which weights were chosen."""

from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from asr.decoding.results.confidence import ConfidenceModel
from asr.decoding.tuning.choice import Choice
from asr.decoding.tuning.files import draw_tuning
from asr.decoding.tuning.grid import Trial, Tuning


def tuning(alphas, betas, more=()):
    trials = [Trial(alpha, beta, -8.0, 15.0, 10, 100, 1.0) for alpha in alphas for beta in betas]
    excess = np.arange(len(trials))
    choice = Choice(0, 0, excess, np.full(len(trials), 1.0))  # the first two are alike
    return Tuning([*trials, *more], (*trials, *more)[-1 if more else 0], ConfidenceModel(), choice)


def red_pixels(path):
    """Number of pixels in the colour of the frame and the dots."""
    red, green, blue = np.moveaxis(matplotlib.image.imread(path)[..., :3], 2, 0)
    return int(((red > 0.9) & (green < 0.1) & (blue < 0.1)).sum())


@pytest.mark.parametrize(
    ("alphas", "betas"),
    [([0.0], [0.0]), ([0.0, 0.5], [1.0]), ([0.5], [-1.0, 0.0, 1.0]), ([n / 10 for n in range(16)], range(12))],
    ids=["one setting", "a row", "a column", "more cells than figures fit"],
)
def test_any_grid_is_drawn(tmp_path, alphas, betas):
    draw_tuning(tuning(alphas, betas), tmp_path / "tuning.png")
    height, width, channels = matplotlib.image.imread(tmp_path / "tuning.png").shape
    assert height > 100
    assert width > 100
    assert channels in (3, 4)


def test_trials_of_other_pruning_do_not_disturb(tmp_path):
    pruned = [Trial(0.5, 0.0, -5.0, 8.0, 9, 100, 0.5)]
    draw_tuning(tuning([0.0, 0.5], [0.0, 1.0], pruned), tmp_path / "tuning.png")
    assert red_pixels(tmp_path / "tuning.png") > 0


def test_settings_that_the_set_cannot_tell_from_the_best_have_dots(tmp_path):
    one = tuning([0.0, 0.5], [0.0, 1.0])
    draw_tuning(one, tmp_path / "two.png")
    all_alike = replace(one, choice=replace(one.choice, standard_errors=np.full(4, 9.0)))
    draw_tuning(all_alike, tmp_path / "four.png")
    assert red_pixels(tmp_path / "four.png") > red_pixels(tmp_path / "two.png")
