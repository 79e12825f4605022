"""Mean and variance normalisation per utterance, per speaker and over a set, alone and in batches."""

import numpy as np
import pytest
import torch

from asr.config.sections import FeatureConfig
from asr.errors import FeatureError
from asr.features.normalisation import (
    GLOBAL,
    SPEAKERS,
    CmvnStatistics,
    Normaliser,
    _normalise_masked,
    load_statistics,
    normalise,
    normalise_batch,
    save_statistics,
)


def matrices(*frames: int, bins: int = 8) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [(random.normal(12, 4, (count, bins)) + random.normal(0, 3, bins)).astype(np.float32) for count in frames]


def batch(rows: list[np.ndarray], padding: float = 7.0) -> tuple[torch.Tensor, torch.Tensor]:
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(m) for m in rows], True, padding)
    return padded, torch.tensor([len(m) for m in rows])


def test_utterance_has_zero_mean_and_unit_variance():
    normalised = normalise(matrices(200)[0])
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(0), 1, atol=1e-5)


def test_statistics_against_numpy_on_the_concatenation():
    parts = matrices(30, 1, 111)
    merged = sum((CmvnStatistics.of(part) for part in parts), CmvnStatistics.empty(8))
    whole = np.concatenate(parts).astype(np.float64)
    assert merged.count == 142
    np.testing.assert_allclose(merged.mean, whole.mean(0), rtol=1e-12)
    np.testing.assert_allclose(merged.deviation, whole.std(0), rtol=1e-9)


def test_sums_are_float64_so_that_a_large_offset_does_not_matter():
    matrix = matrices(50_000, bins=2)[0] * np.float32(0.01) + np.float32(1000)
    np.testing.assert_allclose(CmvnStatistics.of(matrix).deviation, matrix.astype(np.float64).std(0), rtol=1e-4)


@pytest.mark.parametrize("frames", [0, 1, 50])
def test_constant_features_become_zeros(frames):
    constant = np.full((frames, 4), -15.942385, np.float32)
    assert np.array_equal(np.abs(normalise(constant)) < 0.01, np.ones((frames, 4), bool))


def test_float16_features_are_normalised_in_float32():
    half = matrices(100)[0].astype(np.float16)
    np.testing.assert_array_equal(normalise(half), normalise(half.astype(np.float32)))


def test_a_batch_is_bit_equal_to_each_alone_and_zero_in_the_padding():
    rows = matrices(10, 70, 1, 33)
    features, frames = batch(rows)
    normalised = normalise_batch(features, frames)
    for row, matrix in enumerate(rows):
        np.testing.assert_array_equal(normalised[row, : len(matrix)].numpy(), normalise(matrix))
        assert not normalised[row, len(matrix) :].any()


def test_the_masked_form_for_accelerators_is_the_same():
    rows = [*matrices(10, 70, 33), np.full((20, 8), 3.0, np.float32)]
    features, frames = batch(rows, padding=float("nan"))
    given = [None, CmvnStatistics.of(rows[2]), None, None]
    torch.testing.assert_close(
        _normalise_masked(features, frames, given), normalise_batch(features, frames, given), atol=1e-5, rtol=0
    )


def test_known_and_unknown_speakers():
    first, second = matrices(40, 60)
    speaker = CmvnStatistics.of(first) + CmvnStatistics.of(second)
    normaliser = Normaliser("speaker", speakers={"anna": speaker})
    np.testing.assert_array_equal(normaliser(torch.from_numpy(first), "anna").numpy(), normalise(first, speaker))
    np.testing.assert_array_equal(normaliser(torch.from_numpy(first), "ben").numpy(), normalise(first))
    both = normaliser.batch(*batch([first, second]), ["anna", "ben"])
    np.testing.assert_array_equal(both[0, :40].numpy(), normalise(first, speaker))
    np.testing.assert_array_equal(both[1].numpy(), normalise(second))


def test_every_kind_does_what_it_says():
    matrix, other = matrices(40, 60)
    overall = CmvnStatistics.of(other)
    features = torch.from_numpy(matrix)
    np.testing.assert_array_equal(Normaliser("none")(features).numpy(), matrix)
    np.testing.assert_array_equal(Normaliser("utterance", overall)(features, "anna").numpy(), normalise(matrix))
    np.testing.assert_array_equal(Normaliser("global", overall)(features).numpy(), normalise(matrix, overall))
    with pytest.raises(FeatureError, match="statistics"):
        Normaliser("global")


def test_statistics_survive_the_disk(tmp_path):
    statistics = {"zoë": CmvnStatistics.of(matrices(9)[0]), "anna": CmvnStatistics.of(matrices(20)[0])}
    save_statistics(statistics, tmp_path / SPEAKERS)
    loaded = load_statistics(tmp_path / SPEAKERS)
    assert list(loaded) == ["anna", "zoë"]
    for name, each in statistics.items():
        assert loaded[name].count == each.count
        np.testing.assert_array_equal(loaded[name].sum, each.sum)
        np.testing.assert_array_equal(loaded[name].squares, each.squares)


def test_normaliser_of_a_directory(tmp_path):
    matrix = matrices(40)[0]
    overall, anna = CmvnStatistics.of(matrix), CmvnStatistics.of(matrix[:20])
    overall.save(tmp_path / GLOBAL)
    save_statistics({"anna": anna}, tmp_path / SPEAKERS)
    features = torch.from_numpy(matrix)
    by_set = Normaliser.of_directory(tmp_path, FeatureConfig(normalisation="global"))
    np.testing.assert_array_equal(by_set(features).numpy(), normalise(matrix, overall))
    by_speaker = Normaliser.of_directory(tmp_path, FeatureConfig(normalisation="speaker"))
    np.testing.assert_array_equal(by_speaker(features, "anna").numpy(), normalise(matrix, anna))


@pytest.mark.parametrize("content", [None, b"", b"not a zip file", b"PK\x03\x04cut"])
def test_missing_or_broken_statistics_are_feature_errors(tmp_path, content):
    if content is not None:
        (tmp_path / GLOBAL).write_bytes(content)
    with pytest.raises(FeatureError, match=r"global\.npz"):
        CmvnStatistics.load(tmp_path / GLOBAL)


def test_speakers_are_not_taken_for_a_whole_set(tmp_path):
    save_statistics({"anna": CmvnStatistics.empty(2)}, tmp_path / GLOBAL)
    with pytest.raises(FeatureError, match="speakers"):
        CmvnStatistics.load(tmp_path / GLOBAL)
