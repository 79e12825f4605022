"""espeak-ng through its helper process: the same speech is always the same samples, whatever was said before."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from asr.corpus.sources import espeak
from asr.corpus.sources.espeak import SAMPLE_RATE, Speech, speak, voice_variants
from asr.errors import CorpusError, MissingExtraError

# Voices whose samples depended on history or on the clock before each got its own process and seed: flutter, echo,
# breath noise.
VOICES = ("f2", "f4", "sandro", "victor", "grandma", "linda", "m3")


@pytest.fixture(scope="module", autouse=True)
def _needs_the_extra():
    pytest.importorskip("espeakng_loader")


def test_order_and_process_do_not_matter():
    speeches = [Speech("one, two", f"en-us+{voice}", 150 + i, 40 + i) for i, voice in enumerate(VOICES)]
    forward = list(speak(speeches))
    backward = list(speak(speeches[::-1]))[::-1]
    alone = [next(iter(speak([speech]))) for speech in speeches[:2]]
    for one, other in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(forward, alone, strict=False):
        np.testing.assert_array_equal(one, other)


def test_voice_rate_pitch_and_text_are_heard():
    plain, fast, high, other, longer = speak(
        [
            Speech("seven", "en-us+m3"),
            Speech("seven", "en-us+m3", rate=300),
            Speech("seven", "en-us+m3", pitch=90),
            Speech("seven", "en-us+f4"),
            Speech("seven. seven", "en-us+m3"),
        ]
    )
    assert plain.dtype == np.int16
    assert 0.2 < len(plain) / SAMPLE_RATE < 2.0
    assert np.abs(plain).max() > 1000
    assert len(fast) < 0.8 * len(plain)
    assert fundamental(high) > 1.2 * fundamental(plain)
    assert fundamental(other) > 1.2 * fundamental(plain)
    assert len(longer) > 1.8 * len(plain)


def fundamental(samples: np.ndarray) -> float:
    """Rough voice pitch in Hz: the highest peak of the autocorrelation between 60 and 400 Hz."""
    centred = samples.astype(np.float64)
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    shortest, longest = SAMPLE_RATE // 400, SAMPLE_RATE // 60
    return SAMPLE_RATE / (shortest + int(np.argmax(correlation[shortest:longest])))


def test_an_unknown_voice_is_named():
    with pytest.raises(CorpusError, match=r"xx-nowhere: espeak-ng cannot say 'one'"):
        list(speak([Speech("one", "xx-nowhere")]))


def test_there_are_enough_variants():
    assert len(voice_variants()) >= 60


def test_without_the_package_the_extra_is_named(monkeypatch):
    real_import = builtins.__import__

    def without(name, *rest):
        if name == "espeakng_loader":
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'asr\[digits\]'"):
        espeak.voice_variants()
