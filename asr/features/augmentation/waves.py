"""What training does to a wave after its speed: room, noise, band, gain, padding, in the order of a recording.

The sound of a mouth meets the room, then the noise of the place, then the channel, then somebody's volume control, and
the recorder runs before and after. Each change draws from a generator of its own, so that switching one on or off
leaves the others as they were.

Shapes: N samples, M samples of an impulse response.
"""

from __future__ import annotations

import numpy as np

from asr.config.augmentation import AugmentationConfig
from asr.features.augmentation.perturbation import (
    add_noise,
    change_gain,
    faint_noise,
    limit_band,
    reverberate,
    room_response,
)
from asr.features.augmentation.room import Rooms
from asr.features.augmentation.sound_folder import SoundFolder
from asr.seeding import generator_for, uniform_in

CACHE_BYTES = 2**29  # memory for noises, and again for recorded responses


class WaveAugmenter:
    """Changes to waves, each with its probability.

    Args:
        config: which changes, how often and how much.
        sample_rate: Hz of the waves.
        seed: of the experiment.

    Raises:
        CorpusError: a folder is missing or holds no sound.
    """

    def __init__(self, config: AugmentationConfig, sample_rate: int, seed: int) -> None:
        self.config, self.sample_rate, self.seed = config, sample_rate, seed
        noise, room = config.noise, config.room
        self.noises = (
            SoundFolder(noise.folder, noise.pattern, sample_rate, CACHE_BYTES) if noise.probability > 0 else None
        )
        self.responses: SoundFolder | Rooms | None = None
        if room.probability > 0 and room.kind == "recorded":
            what = "recorded impulse responses"
            self.responses = SoundFolder(room.folder, room.pattern, sample_rate, CACHE_BYTES, what)
        elif room.probability > 0 and room.kind == "images":
            self.responses = Rooms(room.rooms, room.reverberation_seconds, sample_rate, seed)

    def __call__(self, wave: np.ndarray, name: str, epoch: int) -> np.ndarray:
        """The wave (N,) float32 of an utterance as an epoch hears it; only padding changes its length."""
        changes = {
            "room": self._room, "noise": self._noise, "band": self._band, "gain": self._gain, "padding": self._padding
        }  # fmt: skip
        for kind, change in changes.items():
            probability = getattr(self.config, kind).probability
            if probability > 0:
                generator = generator_for(self.seed, kind, epoch, name)
                if generator.random() < probability:
                    wave = change(wave, generator)
        return wave

    def describe(self) -> str:
        """What is done, in one line for the log; empty where nothing is."""
        config = self.config
        texts = []
        if config.room.probability > 0:
            texts.append(f"room {config.room.probability:.0%} ({config.room.kind})")
        if self.noises is not None:
            low, high = config.noise.snr_db
            texts.append(f"noise {config.noise.probability:.0%} ({self.noises.files} files at {low:g} to {high:g} dB)")
        if config.band.probability > 0:
            texts.append(f"band {config.band.probability:.0%}")
        if config.gain.probability > 0:
            low, high = config.gain.gain_db
            texts.append(f"gain {config.gain.probability:.0%} ({low:g} to {high:g} dB)")
        if config.padding.probability > 0:
            low, high = config.padding.seconds
            texts.append(f"padding {config.padding.probability:.0%} ({low:g} to {high:g} s a side)")
        return ", ".join(texts)

    def _room(self, wave: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        if isinstance(self.responses, SoundFolder):
            return reverberate(wave, from_direct_sound(self.responses.draw(generator)))
        if self.responses is not None:
            return reverberate(wave, self.responses.draw(generator))
        seconds = uniform_in(self.config.room.reverberation_seconds, generator)
        return reverberate(wave, room_response(self.sample_rate, seconds, generator))

    def _noise(self, wave: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        if self.noises is None:
            return wave
        snr_db = uniform_in(self.config.noise.snr_db, generator)
        return add_noise(wave, self.noises.draw(generator), snr_db, generator)

    def _band(self, wave: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        low_hz = uniform_in(self.config.band.low_hz, generator)
        return limit_band(wave, self.sample_rate, low_hz, uniform_in(self.config.band.high_hz, generator))

    def _gain(self, wave: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return change_gain(wave, uniform_in(self.config.gain.gain_db, generator))

    def _padding(self, wave: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        settings = self.config.padding
        sides = []
        for _ in range(2):
            samples = round(uniform_in(settings.seconds, generator) * self.sample_rate)
            level_db = uniform_in(settings.level_db, generator)
            silent = generator.random() < settings.silence_share
            sides.append(faint_noise(samples, -np.inf if silent else level_db, generator))
        return np.concatenate([sides[0], wave, sides[1]])


def from_direct_sound(response: np.ndarray) -> np.ndarray:
    """A response (M,) cut before its loudest sample, so that speech keeps its times, and scaled to unit energy."""
    response = response[int(np.argmax(np.abs(response))) :]
    return (response / np.sqrt(np.sum(np.square(response, dtype=np.float64)))).astype(np.float32)
