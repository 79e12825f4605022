"""Settings of augmentation: what is incomplete or cannot be done is refused when the configuration is read."""

import pytest

from asr.config.augmentation import AugmentationConfig
from asr.config.experiment import load_config, save_config
from asr.errors import ConfigError


def test_nothing_is_done_to_waves_unless_asked_for():
    assert load_config().augmentation.needing_waves == []
    assert load_config().features.source == "store"


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("augmentation.gain.probability=0.1", "gain"),
        ("augmentation.band.probability=1", "band"),
        ("augmentation.room.probability=0.5", "room"),
        ("augmentation.noise={probability: 0.5, folder: noises}", "noise"),
        ("augmentation.speed_range=[0.8, 1.2]", "speed_range"),
    ],
)
def test_what_needs_waves_is_refused_on_stored_features_with_the_remedy(setting, name):
    with pytest.raises(ConfigError, match=rf"augmentation\.{name}: .*; set features\.source=audio") as error:
        load_config(None, [setting])
    assert error.value.exit_code == 2
    config = load_config(None, [setting, "features.source=audio"])
    assert config.augmentation.needing_waves == [name]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("augmentation.noise.probability=0.5", r"augmentation\.noise: .*name a folder of noise"),
        ("augmentation.noise.snr_db=[20, 0]", r"augmentation\.noise\.snr_db: .*lower bound first"),
        ("augmentation.noise.snr_db=10", r"augmentation\.noise\.snr_db"),
        ("augmentation.noise.loudness=10", r"augmentation\.noise\.loudness: unknown configuration key"),
        ("augmentation.room={kind: recorded, probability: 1}", r"augmentation\.room: .*name a folder of recorded"),
        ("augmentation.room.kind=cave", r"augmentation\.room\.kind: .*'images', 'diffuse' or 'recorded'"),
        ("augmentation.room.reverberation_seconds=[0.0, 0.5]", r"augmentation\.room: .*outside 0\.02 to 3"),
        ("augmentation.gain.probability=1.5", r"augmentation\.gain\.probability: .*less than or equal to 1"),
        ("augmentation.band.low_hz=[300, 4000]", r"augmentation\.band: .*low_hz must lie below high_hz"),
        ("augmentation.speed_range=[1.0]", r"augmentation: .*is not two factors from 0\.25 to 4"),
        ("augmentation.speed_range=[0.1, 1.0]", r"augmentation: .*is not two factors from 0\.25 to 4"),
    ],
)
def test_mistakes_are_named(setting, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, ["features.source=audio", setting])


def test_what_is_saved_loads_as_the_same(tmp_path):
    settings = ["features.source=audio", "augmentation.gain={probability: 0.5, gain_db: [-3, 3]}"]
    config = load_config(None, settings)
    save_config(config, tmp_path / "c.yaml")
    assert load_config(tmp_path / "c.yaml") == config


def test_the_slowest_speed_is_never_above_the_recorded_one():
    assert AugmentationConfig(speeds=[1.1, 1.3]).slowest == 1.0
    assert AugmentationConfig(speeds=[0.9, 1.3]).slowest == 0.9
    assert AugmentationConfig(speeds=[0.9], speed_range=[0.7, 1.4]).slowest == 0.7
    assert AugmentationConfig(speeds=[]).slowest == 1.0
