"""The compiled activation function of the recurrence against NumPy's, and the continued fraction behind it."""

from fractions import Fraction

import numpy as np

from asr.model.cpu.recurrence_kernel import SATURATED, _add_sigmoid, _add_tanh, lambert


def test_tanh_is_exact_to_single_precision():
    x = np.linspace(-12.0, 12.0, 200_001).astype(np.float32)
    ours = x.copy()
    _add_tanh(ours, np.zeros_like(x))
    exact = np.tanh(x.astype(np.float64))
    assert np.abs(ours - exact).max() < 5e-7
    inner = (np.abs(x) < float(SATURATED)) & (x != 0)
    assert (np.abs(ours - exact)[inner] / np.abs(exact[inner])).max() < 5e-7
    assert np.abs(ours).max() < 1.0
    assert ours[100_000] == 0.0


def test_sigmoid_is_exact_to_single_precision():
    x = np.linspace(-30.0, 30.0, 200_001).astype(np.float32)
    ours = (x / 2).astype(np.float32)
    _add_sigmoid(ours, x - ours)
    assert np.abs(ours - 1 / (1 + np.exp(-x.astype(np.float64)))).max() < 5e-7
    assert ours.min() >= 0 and ours.max() <= 1


def test_not_a_number_stays_one():
    """A diverged model must be seen to have diverged."""
    x = np.array([np.nan, 1.0], np.float32)
    _add_tanh(x, np.zeros_like(x))
    assert np.isnan(x[0]) and not np.isnan(x[1])


def test_infinity_saturates():
    x = np.array([np.inf, -np.inf], np.float32)
    _add_tanh(x, np.zeros_like(x))
    assert x[0] > 0.999999 and x[1] < -0.999999


def test_the_continued_fraction_cut_early_is_the_known_one():
    """Three levels: x (15 + x^2) / (15 + 6 x^2)."""
    above, below = lambert(3)
    assert above == (np.float32(1), np.float32(Fraction(1, 15)))
    assert below == (np.float32(1), np.float32(Fraction(6, 15)))


def test_more_levels_are_nearer():
    def error(levels):
        above, below = lambert(levels)
        y = 9.0
        value = 3.0 * sum(c * y**k for k, c in enumerate(above)) / sum(c * y**k for k, c in enumerate(below))
        return abs(value - np.tanh(3.0))

    assert error(3) > error(5) > error(7)
    assert error(13) < 1e-7
