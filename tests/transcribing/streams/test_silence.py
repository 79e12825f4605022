"""Long silences are left out, what is loud is not, and times are those of the recording."""

import numpy as np
import pytest

from asr.transcribing.streams.silence import SilenceFilter, in_recording

RATE = 8000


def noise(seconds, level, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def filtered(wave, block=10.0):
    passed = SilenceFilter(RATE)
    size = round(block * RATE)
    kept = list(passed(wave[at : at + size] for at in range(0, len(wave), size)))
    return np.concatenate(kept), passed.skipped


@pytest.mark.parametrize("floor", [0.0, 1e-4, 1e-3])
@pytest.mark.parametrize("block", [0.3, 4.0, 10.0, 100.0])
def test_a_long_silence_is_left_out_but_for_its_edges(floor, block):
    wave = np.concatenate([noise(12, 0.1), noise(30, floor, 1), noise(12, 0.1, 2)])
    kept, skipped = filtered(wave, block)
    left_out = sum(end - start for start, end in skipped)
    assert len(kept) == len(wave) - round(left_out * RATE)
    assert 27 < left_out < 29.5 and skipped[0][0] >= 12.4 and skipped[-1][1] <= 41.6
    np.testing.assert_array_equal(kept[: 12 * RATE], wave[: 12 * RATE])
    np.testing.assert_array_equal(kept[-12 * RATE :], wave[-12 * RATE :])


def test_short_pauses_steady_noise_and_faint_speech_stay():
    pauses = np.concatenate([part for seed in range(9) for part in (noise(3, 0.1, seed), noise(1.5, 1e-4, seed))])
    faint = np.concatenate([noise(10, 0.1), noise(2, 1e-4), noise(10, 3e-3, 1), noise(2, 1e-4), noise(10, 0.1, 2)])
    for wave in (pauses, noise(60, 0.05), faint):
        kept, skipped = filtered(wave)
        assert sum(end - start for start, end in skipped) <= 2.1
        assert len(kept) >= len(wave) - 2.2 * RATE


def test_times_in_the_recording():
    skipped = [(2.0, 5.0), (9.0, 10.0)]
    assert [in_recording(time, skipped) for time in (1.0, 2.0, 2.5, 5.9, 6.5)] == [1.0, 2.0, 5.5, 8.9, 10.5]
