"""What is told about a recording follows from what is in it."""

import json

import numpy as np
import pytest

from asr.decoding.results.hypothesis import Word
from asr.transcribing.inspection.explain import explain
from asr.transcribing.transcript import Transcript, cut_at_pauses

RATE = 16000


def speech_like(seconds=4.0, level=0.2, noise=0.0005, seed=0):
    """Bursts of wide-band noise with pauses between them."""
    generator = np.random.default_rng(seed)
    size = int(seconds * RATE)
    bursts = np.repeat(np.resize([1, 1, 1, 0], 8), size // 8 + 1)[:size]
    sound = np.clip(level * generator.normal(size=size), -0.95, 0.95) * bursts
    return (sound + noise * generator.normal(size=size)).astype(np.float32)


def said(count=8, confidence=0.95, seconds=4.0):
    words = [Word(f"w{n}", n * seconds / count, (n + 0.5) * seconds / count, confidence) for n in range(count)]
    return Transcript(" ".join(word.text for word in words), seconds, cut_at_pauses(words))


def log_probs(frames=100, units=5, sure=0.99):
    values = np.full((frames, units), (1 - sure) / (units - 1))
    values[:, 0] = sure
    return np.log(values).astype(np.float32)


def causes(samples, transcript=None):
    return " ".join(explain(samples, RATE, log_probs(), said() if transcript is None else transcript).causes)


def test_a_good_recording():
    assert causes(speech_like()) == "Nothing stands out: sound and confidence are good."


@pytest.mark.parametrize(
    ("samples", "cause"),
    [
        (np.clip(speech_like(level=0.2) * 12, -1, 1), "Clipped"),
        (speech_like(noise=0.12), "Noise: speech is only"),
        (speech_like(noise=0.03), "Some noise"),
        (speech_like(level=0.003, noise=0.00001), "Quiet"),
        (np.zeros(4 * RATE, np.float32), "no sound to speak of"),
        (speech_like() + 0.08, "offset of"),
    ],
    ids=["clipped", "noise", "some noise", "quiet", "silence", "offset"],
)
def test_faults_of_the_sound(samples, cause):
    assert cause in causes(samples.astype(np.float32))


def test_a_telephone():
    import soxr

    narrow = soxr.resample(soxr.resample(speech_like(), RATE, 8000), 8000, RATE)
    assert "Narrow band: nothing above 4" in causes(narrow)


@pytest.mark.parametrize(
    ("transcript", "cause"),
    [
        (said(40), "Fast:"),
        (said(1), "Few words for"),
        (Transcript("", 4.0), "No word was recognised"),
        (said(8, confidence=0.3), "The sound is good, yet 100 % of the words are unsure"),
    ],
    ids=["fast", "few", "none", "unsure"],
)
def test_faults_of_the_transcript(transcript, cause):
    assert cause in causes(speech_like(), transcript)


def test_numbers_of_the_recogniser():
    transcript = said(8, confidence=0.3)
    explanation = explain(speech_like(), RATE, log_probs(sure=0.96), transcript, file_rate=44100)
    heard = explanation.recognised
    assert heard.words == 8
    assert heard.words_a_second == pytest.approx(8 / explanation.sound.speech_seconds)
    assert heard.blank_share == 1
    assert heard.frame_entropy == pytest.approx(-(0.96 * np.log(0.96) + 0.04 * np.log(0.01)), rel=1e-4)
    assert [word.text for word in heard.unsure] == [f"w{number}" for number in range(8)]
    content = json.loads(explanation.to_json())
    assert content["file_rate"] == 44100
    assert content["sound"]["snr_db"] == pytest.approx(explanation.sound.snr_db)
    assert "unsure      w0 (0.30) at 0.00 s" in explanation.to_txt()
    assert "at 44100 Hz (the model reads 16000 Hz)" in explanation.to_txt()


def test_nothing_at_all():
    explanation = explain(np.zeros(0, np.float32), RATE, np.zeros((0, 5), np.float32), Transcript("", 0.0))
    assert explanation.recognised.words_a_second == 0
    assert "no sound" in explanation.causes[0]
