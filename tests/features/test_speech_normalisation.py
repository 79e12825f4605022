"""Normalisation over the speech of an utterance: against NumPy, and the same whatever surrounds the speech."""

import numpy as np
import pytest
import torch

from asr.config.experiment import load_config
from asr.config.sections import FeatureConfig
from asr.errors import ConfigError
from asr.features.extractor import FeatureExtractor
from asr.features.normalisation import Normaliser
from asr.features.speech_normalisation import LOWEST, normalise_by_speech, speech_frames

RATE = 16000
EXTRACTOR = FeatureExtractor(FeatureConfig())


def speech(seconds=2.0, level_db=-30.0, seed=0):
    """Something like speech: noise with a falling spectrum, in syllables of a quarter of a second, pauses between."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    coloured = np.convolve(random.standard_normal(len(time)), 0.7 ** np.arange(20), "same")
    wave = coloured * np.maximum(np.sin(2 * np.pi * 2 * time), 0.001)
    return (wave / wave.std() * 10 ** (level_db / 20)).astype(np.float32)


def features(wave):
    return EXTRACTOR.single(torch.from_numpy(np.asarray(wave, np.float32))).numpy()


def noise(seconds, level_db):
    random = np.random.default_rng(1)
    return (10 ** (level_db / 20) * random.standard_normal(round(seconds * RATE))).astype(np.float32)


def click(seconds):
    wave = np.zeros(round(seconds * RATE), np.float32)
    wave[len(wave) // 2 : len(wave) // 2 + 80] = 0.5
    return wave


def test_against_the_definition():
    matrix = features(speech())
    level = np.log(np.exp(matrix.astype(np.float64)).sum(1))
    loud = matrix[level >= np.sort(level)[-30] - 4.6].astype(np.float64)
    expected = np.maximum((matrix - loud.mean(0)) / np.maximum(loud.std(0), 0.5), -4)
    np.testing.assert_allclose(normalise_by_speech(matrix), expected, atol=1e-5)


def test_the_loudest_quarter_of_a_short_utterance():
    matrix = features(speech(0.6))
    level = np.log(np.exp(matrix.astype(np.float64)).sum(1))
    assert len(level) < 120
    expected = level >= np.sort(level)[-(len(level) // 4)] - 4.6
    assert np.array_equal(speech_frames(matrix), expected)


@pytest.mark.parametrize("seconds", [0.5, 3.0])
@pytest.mark.parametrize(
    ("edge", "most"),
    [(lambda s: np.zeros(round(s * RATE)), 0.05), (lambda s: noise(s, -60), 0.1), (click, 0.25)],
    ids=["digital silence", "noise at -60 dB", "click"],
)
def test_edges_do_not_move_the_speech(edge, most, seconds):
    wave = speech()
    alone = normalise_by_speech(features(wave))
    padded = normalise_by_speech(features(np.concatenate([edge(seconds), wave, edge(seconds)])))
    begin = round(seconds * 100)
    inside = slice(3, len(alone) - 3)  # the outermost windows reach into the edge
    difference = np.abs(padded[begin : begin + len(alone)][inside] - alone[inside])
    assert np.median(difference) < most
    loud = speech_frames(features(wave))[inside]
    assert difference[loud].max() < 3 * most


def test_utterance_normalisation_is_moved_by_them():
    """What this is for: the ordinary statistics do move."""
    wave = speech()
    silence = np.zeros(round(0.5 * RATE))
    ordinary = Normaliser("utterance")
    alone = ordinary(torch.from_numpy(features(wave))).numpy()
    padded = ordinary(torch.from_numpy(features(np.concatenate([silence, wave, silence])))).numpy()
    assert np.median(np.abs(padded[50 : 50 + len(alone)] - alone)) > 0.5


def test_digital_silence_is_all_lowest():
    assert np.all(normalise_by_speech(features(np.zeros(RATE))) == LOWEST)


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_few_frames(frames):
    few = normalise_by_speech(features(speech())[:frames])
    assert few.shape == (frames, 80) and np.isfinite(few).all()


def test_loudness_does_not_matter():
    quiet, loud = (normalise_by_speech(features(speech(level_db=level))) for level in (-45, -15))
    np.testing.assert_allclose(quiet, loud, atol=2e-2)


def test_a_batch_is_normalised_as_its_utterances_are():
    rows = [torch.from_numpy(features(speech(seconds))) for seconds in (2.0, 0.7, 1.2)]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=9.0)
    batch = Normaliser("speech").batch(padded, torch.tensor([len(row) for row in rows]))
    for row, together in zip(rows, batch, strict=True):
        assert np.array_equal(together[: len(row)].numpy(), normalise_by_speech(row.numpy()))
        assert not together[len(row) :].any()


def test_cepstra_have_no_loudness_to_go_by():
    with pytest.raises(ConfigError, match="needs kind fbank"):
        load_config(None, ["features.kind=mfcc", "features.normalisation=speech"])
