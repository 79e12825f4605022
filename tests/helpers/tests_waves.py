"""Waves with known answers: tones, noises, what one measures on them, and a toy corpus that is spoken in tones."""

import numpy as np
import soundfile
from tests_toy import LETTERS, toy_config

from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance
from asr.units import build_units

RATE = 16000
TOY_RATE = 8000
HERTZ = dict(zip(LETTERS, (400, 800, 1400, 2400), strict=True))


def tone(hertz, seconds=1.0, level=0.3, rate=RATE):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seed=0, samples=RATE):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def power(wave):
    return float(np.mean(np.square(wave, dtype=np.float64)))


def decibels(ratio):
    return 10 * np.log10(ratio)


def loudest_hertz(wave, rate=RATE):
    return float(np.argmax(np.abs(np.fft.rfft(wave * np.hanning(len(wave))))) * rate / len(wave))


def reverberation_time(response, rate=RATE, begin=-5.0, end=-25.0):
    """Seconds to fall by 60 dB: Schroeder's backward integral, and a line through it between two levels in dB."""
    decay = decibels(np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1] + 1e-30)
    decay -= decay[0]
    fit = (decay < begin) & (decay > end)
    return -60 / np.polyfit(np.flatnonzero(fit) / rate, decay[fit], 1)[0]


def toy_audio_config(**sections):
    """The toy task with its features computed from audio."""
    features = {"source": "audio", "sample_rate": TOY_RATE, "low_hz": 100.0, **sections.pop("features", {})}
    return toy_config(features=features, **sections)


def speak_tones(text, generator):
    """A text as 16-bit audio at TOY_RATE: a tone a letter, a little noise everywhere."""
    gap = np.zeros(TOY_RATE // 50)
    pieces = [gap]
    for letter in text:
        pieces += [tone(HERTZ[letter], 0.06, rate=TOY_RATE) if letter in HERTZ else np.zeros(TOY_RATE // 16), gap]
    wave = np.concatenate(pieces)
    return np.rint((wave + generator.normal(0, 0.003, len(wave))) * 32768).astype(np.int16)


def write_audio_set(folder, name, count, seed):
    """A manifest of random texts by two speakers, with audio and no features."""
    generator = np.random.default_rng(seed)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    utterances = []
    for index in range(count):
        text = " ".join("".join(generator.choice(list(LETTERS), generator.integers(1, 4))) for _ in range(2))
        wave = speak_tones(text, generator)
        path = f"audio/{name}-{index:03d}.wav"
        soundfile.write(folder / path, wave, TOY_RATE)
        duration = len(wave) / TOY_RATE
        utterances.append(Utterance(f"{name}-{index:03d}", path, 0.0, duration, text=text, speaker=f"s{index % 2}"))
    write_manifest(folder / f"{name}.jsonl", utterances)
    return utterances


def write_audio_data(folder):
    """A data folder without features: 24 training and 8 dev utterances of the toy task, spoken in tones."""
    train = write_audio_set(folder, "train", 24, seed=1)
    write_audio_set(folder, "dev", 8, seed=2)
    build_units([utterance.text for utterance in train], toy_config().units).save(folder / "units.txt")
    return folder


def write_noises(folder, count=3, seconds=0.5, rate=TOY_RATE):
    """A folder of different noises."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        soundfile.write(folder / f"{index}.wav", noise(100 + index, round(seconds * rate)), rate)
    return folder
