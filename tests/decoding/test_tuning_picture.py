"""The picture of a tuning is drawn for any grid, and says which weights were chosen."""

import matplotlib.image
import pytest

from asr.decoding.confidence import ConfidenceModel
from asr.decoding.tuning import Trial, Tuning
from asr.decoding.tuning_picture import draw_tuning


def grid(alphas, betas):
    return [
        Trial(alpha, beta, -8.0, 15.0, errors=10 + place, words=100, milliseconds=1.0)
        for place, (alpha, beta) in enumerate((alpha, beta) for alpha in alphas for beta in betas)
    ]


@pytest.mark.parametrize(
    ("alphas", "betas"),
    [([0.0], [0.0]), ([0.0, 0.5], [1.0]), ([0.5], [-1.0, 0.0, 1.0]), ([n / 10 for n in range(16)], range(12))],
    ids=["one setting", "a row", "a column", "more cells than figures fit"],
)
def test_any_grid_is_drawn(tmp_path, alphas, betas):
    trials = grid(alphas, betas)
    draw_tuning(Tuning(trials, trials[0], ConfidenceModel()), tmp_path / "tuning.png")
    height, width, channels = matplotlib.image.imread(tmp_path / "tuning.png").shape
    assert height > 100
    assert width > 100
    assert channels in (3, 4)


def test_trials_of_other_pruning_and_holes_in_the_grid_do_not_disturb(tmp_path):
    trials = grid([0.0, 0.5], [0.0, 1.0])[:3]
    pruned = [Trial(0.5, 0.0, -5.0, 8.0, 9, 100, 0.5)]
    draw_tuning(Tuning([*trials, *pruned], pruned[0], ConfidenceModel()), tmp_path / "tuning.png")
    assert (tmp_path / "tuning.png").stat().st_size > 1000
