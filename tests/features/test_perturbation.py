"""Changes to waves, measured on tones and noise with known answers."""

import numpy as np
import pytest
import soundfile

from asr.errors import CorpusError
from asr.features.perturbation import (
    NoiseFolder,
    add_noise,
    change_gain,
    limit_band,
    perturb_speed,
    reverberate,
    room_response,
)

RATE = 16000


def tone(hertz: float, seconds: float = 1.0, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def noise(seed: int = 0, samples: int = RATE) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def power(wave: np.ndarray) -> float:
    return float(np.mean(np.square(wave, dtype=np.float64)))


def loudest_hertz(wave: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(wave * np.hanning(len(wave))))) * RATE / len(wave))


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


def test_gain_is_in_range_and_never_clips():
    generator = np.random.default_rng(0)
    gains = [20 * np.log10(np.abs(change_gain(tone(440), generator, -20, 6)).max() / 0.3) for _ in range(200)]
    assert -20 <= min(gains) < -18 and 5 < max(gains) <= 6.001
    assert all(np.abs(change_gain(tone(440, level=0.9), generator, 0, 20)).max() <= 1.0 for _ in range(20))
    over = tone(440, level=1.5)  # already beyond full scale: not made louder, and not an error
    assert np.array_equal(change_gain(over, generator, 3, 3), over)
    assert len(change_gain(over[:0], generator, -3, 3)) == 0


@pytest.mark.parametrize("snr", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("length", [4000, 50_000])
def test_noise_is_added_at_the_ratio(snr, length):
    wave = tone(440)
    noisy = add_noise(wave, noise(samples=length), snr, np.random.default_rng(1))
    assert noisy.shape == wave.shape
    assert 10 * np.log10(power(wave) / power(noisy - wave)) == pytest.approx(snr, abs=0.01)


def test_silence_on_either_side_adds_nothing():
    generator = np.random.default_rng(0)
    assert np.array_equal(add_noise(tone(440), np.zeros(100, np.float32), 10, generator), tone(440))
    assert not add_noise(np.zeros(100, np.float32), noise(), 10, generator).any()
    assert len(add_noise(tone(440)[:0], noise(), 10, generator)) == 0


def test_noise_folder_draws_by_the_generator(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "x.wav", noise(ord(name), 8000), 8000)
    folder = NoiseFolder(tmp_path, RATE)
    drawn = [folder.draw(np.random.default_rng(seed)) for seed in range(20)]
    assert all(len(each) == 16000 for each in drawn)
    assert np.array_equal(drawn[0], folder.draw(np.random.default_rng(0)))
    assert len({each.tobytes() for each in drawn}) == 3


def test_an_empty_noise_folder_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="no audio"):
        NoiseFolder(tmp_path, RATE)


@pytest.mark.parametrize("seconds", [0.2, 0.6])
def test_room_decays_by_60_db_in_its_reverberation_time(seconds):
    response = room_response(RATE, seconds, np.random.default_rng(0)).astype(np.float64)
    assert np.sum(response**2) == pytest.approx(1.0, abs=1e-4)
    assert response[0] == np.abs(response).max()
    # Schroeder's backward integral, line fitted between -5 and -25 dB of the tail.
    decay = 10 * np.log10(np.cumsum(response[:0:-1] ** 2)[::-1])
    decay -= decay[0]
    fit = (decay < -5) & (decay > -25)
    slope = np.polyfit(np.flatnonzero(fit) / RATE, decay[fit], 1)[0]
    assert -60 / slope == pytest.approx(seconds, rel=0.1)


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
