"""Features of blocks equal those of the whole wave, whatever the blocks."""

import numpy as np
import pytest
from tests_features import speechlike

from asr.config.sections import FeatureConfig
from asr.features.filterbank import Filterbank
from asr.features.streaming import FeatureStream


@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("samples", [0, 399, 400, 401, 640, 15999, 40123])
def test_blocks_of_any_size_give_the_frames_of_the_whole(samples, snip_edges):
    filterbank = Filterbank(FeatureConfig(snip_edges=snip_edges))
    wave = speechlike(40123, 16000).numpy()[:samples]
    generator = np.random.default_rng(samples)
    stream, parts, at = FeatureStream(filterbank), [], 0
    while at < samples:
        size = int(generator.integers(1, 3000))
        parts.append(stream.push(wave[at : at + size]))
        at += size
    parts.append(stream.finish())
    np.testing.assert_allclose(np.concatenate(parts), filterbank(wave), atol=1e-6, rtol=0)


def test_memory_does_not_grow():
    stream = FeatureStream(Filterbank(FeatureConfig()))
    for _ in range(50):
        stream.push(np.zeros(16000, np.float32))
    assert len(stream._held) < 2000
