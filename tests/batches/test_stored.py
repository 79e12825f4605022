"""Input from the store: read by id and speed, normalised, padded; what was not stored is named."""

import numpy as np
import pytest
import torch
from tests_toy import BINS, toy_config

from asr.batches.stored import StoredSource
from asr.corpus.utterance import Utterance
from asr.errors import FeatureError
from asr.features.computing import speed_id
from asr.features.normalisation import CmvnStatistics, Normaliser
from asr.features.store import FeatureStore, FeatureStoreWriter

SPEAKER = CmvnStatistics(10, np.full(BINS, 20.0), np.full(BINS, 90.0))  # mean 2, deviation sqrt(5)
UTTERANCES = [Utterance(name, "none.wav", 0.0, 0.1, text="a", speaker="s") for name in ("u", "v")]


@pytest.fixture
def store(tmp_path):
    """Two utterances, the first also at another speed."""
    random = np.random.default_rng(0)
    with FeatureStoreWriter(tmp_path, BINS, "float32", toy_config().features) as writer:
        for name, frames in (("u", 10), ("v", 7), (speed_id("u", 1.1), 9)):
            writer.append(name, random.standard_normal((frames, BINS)).astype(np.float32))
    return FeatureStore.open(tmp_path)


def test_a_batch_is_padded_with_zeros(store):
    padded, lengths = StoredSource(UTTERANCES, store, Normaliser("none")).load(["v", "u"], [1.0, 1.1], None)
    assert lengths.tolist() == [7, 9]
    np.testing.assert_array_equal(padded[0, :7], store["v"])
    np.testing.assert_array_equal(padded[1], store["sp1.1-u"])
    assert not padded[0, 7:].any()


def test_a_speaker_at_another_speed_is_another_speaker(store):
    source = StoredSource(UTTERANCES, store, Normaliser("speaker", speakers={"s": SPEAKER}))
    padded, _ = source.load(["u"], [1.0], None)
    torch.testing.assert_close(padded[0], torch.from_numpy((store["u"] - 2) / 5**0.5).float())
    quick, _ = source.load(["u"], [1.1], None)  # whose statistics are not there: normalised by itself
    torch.testing.assert_close(quick[0].mean(0), torch.zeros(BINS), atol=1e-5, rtol=0)


def test_frames_are_those_stored_and_the_features_pass_through(store):
    source = StoredSource(UTTERANCES, store, Normaliser("none"))
    assert (source.frames("u", 1.0), source.frames("u", 1.1)) == (10, 9)
    loaded = source.load(["u"], [1.0], None)
    assert source.features(["u"], *loaded) == loaded
    assert not source.late


def test_what_is_not_stored_is_named_with_the_remedy(store):
    source = StoredSource(UTTERANCES, store, Normaliser("none"))
    with pytest.raises(FeatureError, match=r"sp0\.9-u: is not in the store; run 'asr features --speeds' with 0\.9"):
        source.frames("u", 0.9)
    with pytest.raises(FeatureError, match="ghost: and 1 more are not in the store"):
        StoredSource([*UTTERANCES, Utterance("ghost", "", 0, 1), Utterance("g2", "", 0, 1)], store, Normaliser("none"))
