"""Channels are averaged, but not away."""

import numpy as np
import pytest

from asr.audio.mixing import LOOKED_AT, Mixer

RNG = np.random.default_rng(0)


def mixed(samples, **options):
    blocks = (samples[i : i + 4096] for i in range(0, len(samples), 4096))
    return np.concatenate(list(Mixer("a.wav", samples.shape[1], options.pop("chosen", None), **options)(blocks)))


def speech(count=50_000):
    return (0.1 * RNG.standard_normal(count)).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("level", [1.0, 0.3])
def test_opposite_channels_are_subtracted_and_told_of(noise, level, caplog):
    """Exactly opposite, of other levels, with noise of their own."""
    voice = speech()
    left, right = voice + noise * speech(), -level * voice + noise * speech()
    result = mixed(np.stack([left, right], axis=1))
    np.testing.assert_allclose(result, (left - right) / 2, atol=1e-6)
    assert "opposite phase" in caplog.text


@pytest.mark.parametrize("right", ["same", "dead", "other", "delayed"])
def test_other_pairs_are_averaged_without_a_word(right, caplog):
    voice = speech()
    other = {"same": voice, "dead": 0 * voice, "other": speech(), "delayed": np.roll(voice, 40)}[right]
    np.testing.assert_allclose(mixed(np.stack([voice, other], 1)), (voice + other) / 2, atol=1e-6)
    assert not caplog.records


def test_a_late_cancellation_of_many_channels_is_told_of(caplog):
    voice = speech()
    mixed(np.stack([voice, -voice, voice, -voice], axis=1))
    assert "cancel each other out; choose one with --channel" in caplog.text


def test_a_chosen_channel_is_left_alone(caplog):
    voice = speech()
    np.testing.assert_array_equal(mixed(np.stack([voice, -voice], axis=1), chosen=1), -voice)
    assert not caplog.records


def test_nothing_is_waited_for_in_a_live_recording():
    """The first block comes out before a second one is asked for; of a file, only so much is held back."""
    asked = []

    def blocks():
        for number in range(2 * LOOKED_AT // 4096):
            asked.append(number)
            yield np.full((4096, 2), 0.1, np.float32)

    next(iter(Mixer("a.wav", 2, None, live=True)(blocks())))
    assert len(asked) == 1
    asked.clear()
    next(iter(Mixer("a.wav", 2, None)(blocks())))
    assert len(asked) == LOOKED_AT // 4096
