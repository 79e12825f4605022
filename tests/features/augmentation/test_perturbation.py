"""Changes to waves, measured on tones and noise with known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_waves import RATE, decibels, loudest_hertz, noise, power, reverberation_time, tone

from asr.features.augmentation.perturbation import (
    add_noise,
    change_gain,
    limit_band,
    perturb_speed,
    reverberate,
    room_response,
)


@pytest.mark.parametrize("speed", [0.9, 1.1, 0.75, 2.0])
def test_speed_moves_length_and_pitch(speed):
    faster = perturb_speed(tone(1000), speed)
    assert faster.dtype == np.float32
    assert abs(len(faster) - RATE / speed) <= 1
    assert loudest_hertz(faster) == pytest.approx(1000 * speed, abs=2)


def test_speeding_up_filters_what_would_fold_back():
    faster = perturb_speed(tone(7600), 1.1)  # 8360 Hz has no place below 8 kHz
    assert power(faster[500:-500]) < 1e-6 * power(tone(7600))


def test_speed_one_is_the_wave_itself_and_none_is_none():
    wave = tone(440)
    assert perturb_speed(wave, 1.0) is wave
    assert len(perturb_speed(wave[:0], 1.1)) == 0


@settings(deadline=None)
@given(st.floats(-40, 40))
def test_gain_is_exact(gain_db):
    wave = noise(samples=500)
    louder = change_gain(wave, gain_db)
    assert louder.dtype == np.float32
    assert decibels(power(louder) / power(wave)) == pytest.approx(gain_db, abs=1e-4)
    np.testing.assert_allclose(louder / wave, louder[0] / wave[0], rtol=1e-5)  # nothing is clipped


def test_gain_of_nothing_is_nothing():
    assert len(change_gain(tone(440)[:0], -3.0)) == 0


@pytest.mark.parametrize("snr", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("length", [4000, 50_000])
def test_noise_is_added_at_the_ratio(snr, length):
    wave = tone(440)
    noisy = add_noise(wave, noise(samples=length), snr, np.random.default_rng(1))
    assert noisy.shape == wave.shape
    assert decibels(power(wave) / power(noisy - wave)) == pytest.approx(snr, abs=0.01)


def test_silence_on_either_side_adds_nothing():
    generator = np.random.default_rng(0)
    assert np.array_equal(add_noise(tone(440), np.zeros(100, np.float32), 10, generator), tone(440))
    assert not add_noise(np.zeros(100, np.float32), noise(), 10, generator).any()
    assert len(add_noise(tone(440)[:0], noise(), 10, generator)) == 0


@pytest.mark.parametrize("seed", range(20))
def test_noise_that_is_mostly_silence_is_still_heard_at_the_ratio(seed):
    """A bark of a tenth of a second in five: wherever the stretch is drawn, it begins with sound."""
    bark = np.concatenate([np.zeros(2 * RATE, np.float32), noise(samples=RATE // 10), np.zeros(3 * RATE, np.float32)])
    wave = tone(440, seconds=0.3)
    noisy = add_noise(wave, bark, 5.0, np.random.default_rng(seed))
    assert decibels(power(wave) / power(noisy - wave)) == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("seconds", [0.2, 0.6])
def test_room_decays_by_60_db_in_its_reverberation_time(seconds):
    response = room_response(RATE, seconds, np.random.default_rng(0)).astype(np.float64)
    assert np.sum(response**2) == pytest.approx(1.0, abs=1e-4)
    assert response[0] == np.abs(response).max()
    assert reverberation_time(response[1:]) == pytest.approx(seconds, rel=0.1)


def test_reverberation_against_direct_convolution():
    wave, response = noise(samples=500), room_response(RATE, 0.02, np.random.default_rng(0))
    expected = np.convolve(wave, response)[:500]
    np.testing.assert_allclose(reverberate(wave, response), expected, atol=1e-6)
    assert len(reverberate(wave[:0], response)) == 0


@pytest.mark.parametrize(("hertz", "passes"), [(50, False), (100, False), (1000, True), (3000, True), (4000, False)])
def test_telephone_band(hertz, passes):
    through = limit_band(tone(hertz), RATE)
    assert through.shape == (RATE,)
    ratio = 10 * np.log10(power(through[1000:-1000]) / power(tone(hertz)[1000:-1000]))
    assert abs(ratio) < 0.1 if passes else ratio < -20


def test_band_limiting_does_not_delay():
    wave = tone(1000)
    np.testing.assert_allclose(limit_band(wave, RATE)[1000:-1000], wave[1000:-1000], atol=2e-3)


def test_a_top_beyond_nyquist_cuts_nothing_there():
    through = limit_band(tone(1500), 4000, high_hz=3400.0)  # the tone is 375 Hz at this rate
    assert power(through[1000:-1000]) == pytest.approx(power(tone(1500)), rel=0.2)


def test_telephone_band_of_noise_leaves_a_thousandth_outside():
    spectrum = np.abs(np.fft.rfft(limit_band(noise(samples=4 * RATE), RATE).astype(np.float64))) ** 2
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    outside = spectrum[(hertz < 200) | (hertz > 3500)].sum()
    assert decibels(outside / spectrum.sum()) < -30
