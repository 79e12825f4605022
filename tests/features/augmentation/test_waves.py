"""Changes to waves: each at its probability and in its range, by seed, epoch and utterance alone."""

import numpy as np
import pytest
import soundfile
from tests_waves import RATE, decibels, noise, power, tone, write_noises

from asr.config.augmentation import AugmentationConfig
from asr.errors import CorpusError
from asr.features.augmentation.waves import WaveAugmenter, from_direct_sound


@pytest.fixture
def augmenter(tmp_path):
    """An augmenter of some settings, with a folder of noises beside it."""
    write_noises(tmp_path / "noises", rate=RATE)

    def build(seed=1, **sections):
        if "noise" in sections:
            sections["noise"] = {"folder": str(tmp_path / "noises"), **sections["noise"]}
        return WaveAugmenter(AugmentationConfig.model_validate(sections), RATE, seed)

    return build


def heard(augmenter, count=200, wave=None):
    """What an augmenter makes of one wave as so many utterances."""
    wave = tone(1000, 0.1) if wave is None else wave
    return [augmenter(wave, f"utterance-{number}", 5) for number in range(count)]


def test_nothing_asked_for_is_nothing_done(augmenter):
    wave = tone(440)
    nothing = augmenter()
    assert nothing(wave, "a", 5) is wave
    assert nothing.describe() == ""


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", ["noise", "room", "gain", "band"])
def test_each_change_comes_at_its_probability(augmenter, kind, probability):
    settings = {"probability": probability}
    if kind == "room":
        settings |= {"rooms": 2, "reverberation_seconds": [0.05, 0.1]}
    wave = noise(samples=1600)
    changed = np.mean([each is not wave for each in heard(augmenter(**{kind: settings}), 300, wave)])
    assert changed == pytest.approx(probability, abs=0.09)  # over three standard deviations


def test_gains_fill_their_range(augmenter):
    wave = tone(1000, 0.1)
    gains = [decibels(power(each) / power(wave)) for each in heard(augmenter(gain={"probability": 1.0}))]
    assert -15 <= min(gains) < -14 and 4 < max(gains) <= 5.0001
    assert np.median(gains) == pytest.approx(-5, abs=2)


def test_ratios_of_noise_fill_their_range(augmenter):
    wave = tone(1000, 0.1)
    noisy = heard(augmenter(noise={"probability": 1.0, "snr_db": [3.0, 12.0]}))
    ratios = [decibels(power(wave) / power(each - wave)) for each in noisy]
    assert 2.99 < min(ratios) < 4 and 11 < max(ratios) < 12.01


@pytest.mark.parametrize("seconds", [0.05, 2.0])
def test_noise_is_looped_or_cut_to_the_utterance(augmenter, seconds):
    wave = tone(1000, seconds)
    noisy = augmenter(noise={"probability": 1.0, "snr_db": [7.0, 7.0]})(wave, "a", 5)
    assert noisy.shape == wave.shape
    assert decibels(power(wave) / power(noisy - wave)) == pytest.approx(7.0, abs=0.01)


@pytest.mark.parametrize("kind", ["images", "diffuse"])
def test_a_room_goes_on_sounding(augmenter, kind):
    wave = np.concatenate([noise(samples=1600), np.zeros(8000, np.float32)])
    settings = {"probability": 1.0, "kind": kind, "rooms": 5, "reverberation_seconds": [0.3, 0.4]}
    for each in heard(augmenter(room=settings), 5, wave):
        assert each.shape == wave.shape
        assert power(each[1600:3200]) > 100 * power(each[6400:8000]) > 0


def test_recorded_rooms_are_read_from_their_folder(augmenter, tmp_path):
    """The recorded response has its direct sound after a delay, which must not delay the speech."""
    response = np.zeros(2000)
    response[[300, 700]] = 0.8, -0.4
    (tmp_path / "rooms").mkdir()
    soundfile.write(tmp_path / "rooms" / "hall.wav", response, RATE, subtype="FLOAT")
    settings = {"probability": 1.0, "kind": "recorded", "folder": str(tmp_path / "rooms")}
    wave = noise(samples=3000)
    echoed = augmenter(room=settings)(wave, "a", 5)
    expected = wave.astype(np.float64)
    expected[400:] -= 0.5 * wave[:-400]
    np.testing.assert_allclose(echoed, expected / np.sqrt(1.25), atol=1e-5)


def test_a_response_begins_with_its_loudest_sample_at_unit_energy():
    response = from_direct_sound(np.array([0.0, 0.1, -2.0, 1.0], np.float32))
    np.testing.assert_allclose(response, np.array([-2.0, 1.0]) / np.sqrt(5), rtol=1e-6)


def test_the_telephone_cuts_what_lies_outside(augmenter):
    band = augmenter(band={"probability": 1.0})
    inside, outside = tone(1000, 0.5), tone(5000, 0.5)
    assert decibels(power(band(inside, "a", 5)) / power(inside)) > -0.5
    assert decibels(power(band(outside, "a", 5)[500:-500]) / power(outside)) < -40


ALL = {
    "room": {"probability": 0.5, "rooms": 3, "reverberation_seconds": [0.05, 0.1]},
    "noise": {"probability": 0.5},
    "band": {"probability": 0.5},
    "gain": {"probability": 0.5},
}


def test_draws_depend_on_seed_epoch_and_utterance_and_on_nothing_before(augmenter):
    wave = noise(samples=1600)
    names = [f"utterance-{number}" for number in range(20)]
    one, two = augmenter(**ALL), augmenter(**ALL)
    forward = {name: one(wave, name, 5) for name in names}
    backward = {name: two(wave, name, 5) for name in reversed(names)}
    assert all(np.array_equal(forward[name], backward[name]) for name in names)
    for other in (augmenter(seed=2, **ALL)(wave, names[1], 5), one(wave, names[1], 6), forward[names[2]]):
        assert not np.array_equal(other, forward[names[1]])


def test_switching_one_change_off_leaves_the_others_as_they_were(augmenter):
    wave = noise(samples=1600)
    both = augmenter(noise={"probability": 1.0}, gain={"probability": 1.0})
    quiet = augmenter(noise={"probability": 1.0})
    for name in ("a", "b", "c"):
        ratio = both(wave, name, 5) / quiet(wave, name, 5)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)  # the same noise, another gain


def test_the_log_line_says_what_is_done(augmenter):
    line = augmenter(**ALL).describe()
    assert line == "room 50% (images), noise 50% (3 files at 0 to 20 dB), band 50%, gain 50% (-15 to 5 dB)"


def test_missing_folders_are_found_before_training():
    for section in (
        {"noise": {"probability": 0.1, "folder": "/nowhere"}},
        {"room": {"probability": 0.1, "kind": "recorded", "folder": "/nowhere"}},
    ):
        with pytest.raises(CorpusError, match="/nowhere: is not a folder"):
            WaveAugmenter(AugmentationConfig.model_validate(section), RATE, 1)


def test_padding_adds_silence_or_faint_noise_to_both_sides(augmenter):
    wave = tone(1000, 0.1)
    settings = {"probability": 1.0, "seconds": [0.1, 0.5], "level_db": [-70.0, -50.0], "silence_share": 0.5}
    padded = heard(augmenter(padding=settings), 200, wave)
    added = np.array([len(each) - len(wave) for each in padded]) / RATE
    assert 0.2 <= added.min() < 0.4 and 0.8 < added.max() <= 1.0001
    first = np.array([power(each[: round(0.1 * RATE)]) for each in padded])
    assert np.mean(first == 0.0) == pytest.approx(0.5, abs=0.12)
    levels = decibels(first[first > 0])
    assert -71 < levels.min() < -67 and -53 < levels.max() < -49


def test_padding_keeps_the_speech_itself(augmenter):
    wave = tone(1000, 0.1)
    padded = augmenter(padding={"probability": 1.0, "seconds": [0.25, 0.25]})(wave, "utterance", 5)
    begin = round(0.25 * RATE)
    assert np.array_equal(padded[begin : begin + len(wave)], wave)
