"""Connected spoken digits, synthetic: 1 to 7 English digits an utterance, spoken by espeak-ng, made on the spot.

No recording and no person is behind this corpus: it needs no download, and what it teaches is synthetic speech.
Every manifest line carries `"synthetic": true` beside the voice and the accent; the speaker is the voice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.audio.reading import encode_audio, resample
from asr.corpus.manifest import load_manifest
from asr.corpus.sources.espeak import SAMPLE_RATE as SPOKEN_RATE
from asr.corpus.sources.espeak import Speech, library_version, speak, voice_variants
from asr.corpus.splits import SPLITS, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import AsrError, UsageError
from asr.files import atomic_directory, atomic_write
from asr.progress import track
from asr.seeding import generator_for

log = logging.getLogger("asr")

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MOST_DIGITS = 7
# espeak-ng calls the English of Great Britain plain "en".
ACCENTS = ("en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
# Variants that no person sounds like: whispers, robots, long echoes, bare synthesiser models.
UNNATURAL = (" ", "caleb", "croak", "demon", "fast", "klatt", "ricishaymax", "robo", "storm", "tweaky", "whisper")
SAMPLE_RATE = 16000
PAUSES = (" ", " ", " ", ", ", ". ")  # between digits; punctuation is what espeak-ng pauses at
RATES = (120, 220)  # words a minute
PITCHES = (20, 80)  # espeak-ng's scale
LEVELS_DB = (-24.0, -1.0)  # peak below full scale
NOISE_DB = (10.0, 45.0)  # signal-to-noise ratio
NOISE_COLOURS = (0.0, 0.5, 1.0)  # exponent of 1/f in amplitude: white, pink, brown
FFT_STEP = 4096  # lengths with large prime factors transform slowly
MARGINS = (0.1, 0.5)  # seconds of background before and after


@dataclass(frozen=True, slots=True)
class Recipe:
    """One utterance before it is spoken."""

    id: str
    digits: tuple[int, ...]
    voice: str
    accent: str
    speech: Speech


def prepare(
    out_dir: str | Path,
    *,
    train: int = 1500,
    dev: int = 150,
    test: int = 300,
    seed: int = 1,
) -> dict[str, int]:
    """Speak the corpus into `out_dir/audio` (16 kHz FLAC) and write its three manifests.

    The same arguments give the same bytes. What is already there from the same arguments is kept.

    Args:
        out_dir: folder of the manifests and the audio.
        train, dev, test: utterances of each split; no voice is in two of them.
        seed: of every draw.

    Raises:
        MissingExtraError: espeakng-loader is not installed.
        UsageError: a split of no utterances.
    """
    sizes = dict(zip(SPLITS, (train, dev, test), strict=True))
    if min(sizes.values()) < 1:
        raise UsageError("utterances", f"are {sizes}", "ask for at least one in each split")
    out_dir = Path(out_dir)
    settings = {"sizes": sizes, "seed": seed, "espeak-ng": library_version(), "version": 1}
    if _is_prepared(out_dir, settings):
        log.info("%s: already holds these digits", out_dir)
        return sizes
    voices = split_voices(seed)
    recipes = {name: [_recipe(seed, name, n, voices[name]) for n in range(size)] for name, size in sizes.items()}
    with atomic_directory(out_dir / "audio") as folder:
        spoken = _speak_all([recipe for name in SPLITS for recipe in recipes[name]], seed)
        durations = {}
        for identifier, samples in track(spoken, "speaking digits", total=sum(sizes.values())):
            (folder / f"{identifier}.flac").write_bytes(encode_audio(samples, SAMPLE_RATE, "FLAC"))
            durations[identifier] = len(samples) / SAMPLE_RATE
    audio = (out_dir / "audio").absolute()
    counts = write_splits(out_dir, {n: [_utterance(r, audio, durations) for r in recipes[n]] for n in SPLITS})
    with atomic_write(out_dir / "settings.json") as stream:
        json.dump(settings, stream)
    return counts


def split_voices(seed: int) -> dict[str, list[str]]:
    """Voice variants of train, dev and test; variants of one person's voice (iven, iven2, ...) stay together."""
    families: dict[str, list[str]] = {}
    for variant in voice_variants():
        if not any(part in variant.lower() for part in UNNATURAL):
            families.setdefault(_family(variant), []).append(variant)
    names = sorted(families)
    generator_for(seed, "digits", "voices").shuffle(names)
    split: dict[str, list[str]] = {name: [] for name in SPLITS}
    for position, name in enumerate(names):
        part = {3: "test", 6: "dev"}.get(position % 8, "train")
        split[part] += families[name]
    return split


def _family(variant: str) -> str:
    name = variant.lower().rstrip("0123456789")
    return name if len(name) > 1 else variant  # f1 ... f5 and m1 ... m8 are different people


def _recipe(seed: int, split: str, number: int, voices: Sequence[str]) -> Recipe:
    identifier = f"digits-{split}-{number:05d}"
    draw = generator_for(seed, "digits", identifier)
    digits = tuple(int(digit) for digit in draw.integers(0, 10, draw.integers(1, MOST_DIGITS + 1)))
    # Voices take turns, so that all are heard; the accent is drawn.
    voice = voices[number % len(voices)]
    accent = ACCENTS[draw.integers(len(ACCENTS))]
    text = "".join(WORDS[digit] + PAUSES[draw.integers(len(PAUSES))] for digit in digits).strip(" ,.")
    rate, pitch = int(draw.integers(*RATES)), int(draw.integers(*PITCHES))
    return Recipe(identifier, digits, voice, accent, Speech(text, f"{accent}+{voice}", rate, pitch))


def _speak_all(recipes: Sequence[Recipe], seed: int) -> Iterator[tuple[str, np.ndarray]]:
    for recipe, spoken in zip(recipes, speak(recipe.speech for recipe in recipes), strict=True):
        samples = resample(spoken.astype(np.float32) / 32768, SPOKEN_RATE, SAMPLE_RATE)
        yield recipe.id, _record(samples, generator_for(seed, "digits", recipe.id, "recording"))


def _record(samples: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Put speech (N,) into a quiet or noisy room at a random level."""
    before, after = (round(seconds * SAMPLE_RATE) for seconds in draw.uniform(*MARGINS, 2))
    samples = np.pad(samples, (before, after))
    samples *= 10 ** (draw.uniform(*LEVELS_DB) / 20) / max(float(np.abs(samples).max()), 1e-3)
    noise = _coloured_noise(len(samples), NOISE_COLOURS[draw.integers(len(NOISE_COLOURS))], draw)
    speech_power = float(np.mean(np.square(samples[before : len(samples) - after])))
    return samples + noise * np.float32(np.sqrt(speech_power / 10 ** (draw.uniform(*NOISE_DB) / 10)))


def _coloured_noise(count: int, exponent: float, draw: np.random.Generator) -> np.ndarray:
    """Noise (count,) of unit power whose amplitude falls with frequency as f ** -exponent above 50 Hz."""
    longer = -(-count // FFT_STEP) * FFT_STEP
    spectrum = np.fft.rfft(draw.standard_normal(longer))
    hertz = np.fft.rfftfreq(longer, 1 / SAMPLE_RATE)
    noise = np.fft.irfft(spectrum * np.maximum(hertz, 50.0) ** -exponent, longer)[:count]
    return (noise / np.sqrt(np.mean(np.square(noise)))).astype(np.float32)


def _utterance(recipe: Recipe, audio: Path, durations: dict[str, float]) -> Utterance:
    return Utterance(
        id=recipe.id,
        audio=str(audio / f"{recipe.id}.flac"),
        start=0.0,
        duration=durations[recipe.id],
        text=" ".join(WORDS[digit] for digit in recipe.digits).upper(),
        speaker=recipe.voice,
        extra={"synthetic": True, "voice": recipe.voice, "accent": recipe.accent},
    )


def _is_prepared(out_dir: Path, settings: dict[str, object]) -> bool:
    """Whether the manifests and all their audio are there, made with the same settings."""
    try:
        if json.loads((out_dir / "settings.json").read_text()) != settings:
            return False
        manifests = [load_manifest(out_dir / f"{name}.jsonl") for name in SPLITS]
    except (OSError, ValueError, AsrError):
        return False
    return all(Path(utterance.audio).is_file() for manifest in manifests for utterance in manifest)
