"""Sound of known level, noise and bandwidth measures as what it is."""

import numpy as np
import pytest
import soxr

from asr.audio.measures import FLOOR_DB, measure

RATE = 16000


def tone(seconds, level_db, hz=440.0):
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)


def noise(seconds, level_db, seed=0):
    """White noise as strong as a sine of this level."""
    return 10 ** (level_db / 20) / np.sqrt(2) * np.random.default_rng(seed).normal(size=int(seconds * RATE))


def test_level_of_a_sine():
    found = measure(tone(2, -20), RATE)
    assert found.speech_db == pytest.approx(-20, abs=0.1)
    assert found.peak_db == pytest.approx(-20, abs=0.1)
    assert found.seconds == 2
    assert found.silence_share == 0


@pytest.mark.parametrize("snr", [5, 20, 40])
def test_noise_between_words(snr):
    sound = noise(4, -20 - snr)
    sound[RATE : 3 * RATE] += tone(2, -20)
    found = measure(sound, RATE)
    together = 10 * np.log10(10 ** (-20 / 10) + 10 ** ((-20 - snr) / 10))  # speech and noise
    assert found.noise_db == pytest.approx(-20 - snr, abs=1)
    assert found.snr_db == pytest.approx(together + 20 + snr, abs=1.2)


def test_silence():
    sound = np.concatenate([np.zeros(3 * RATE), tone(1, -10)])
    found = measure(sound, RATE)
    assert found.silence_share == pytest.approx(0.75, abs=0.01)
    assert found.speech_seconds == pytest.approx(1, abs=0.05)
    assert measure(np.zeros(RATE), RATE).silence_share == 1
    assert measure(np.zeros(RATE), RATE).speech_db == FLOOR_DB
    assert measure(np.zeros(0), RATE).seconds == 0


@pytest.mark.parametrize("rate", [8000, 11025, 16000])
def test_bandwidth_of_sound_that_was_narrower(rate):
    narrow = soxr.resample(noise(4, -20), RATE, rate) if rate != RATE else noise(4, -20)
    sound = soxr.resample(narrow, rate, RATE) if rate != RATE else narrow
    as_16_bit = np.round(sound * 32768) / 32768
    assert measure(as_16_bit, RATE).bandwidth_hz == pytest.approx(rate / 2, abs=300)


def test_clipping_and_offset():
    loud = np.clip(tone(1, 6), -1, 1)
    assert measure(loud, RATE).clipped_share == pytest.approx(2 / 3, abs=0.02)  # |sin| > 1/2
    assert measure(tone(1, -10) + 0.1, RATE).offset == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize("samples", [1, 10, 300])
def test_hardly_any_sound(samples):
    assert measure(np.full(samples, 0.5), RATE).seconds == samples / RATE
