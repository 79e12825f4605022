"""The cache gives back exactly what was put in, or nothing; processes share it; it stays within its memory."""

import multiprocessing
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.features.wave_cache import WaveCache, is_whole_steps


def steps(seed, samples):
    return (np.random.default_rng(seed).integers(-32768, 32768, samples) / 32768).astype(np.float32)


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(0, 2000), st.booleans())
def test_what_is_kept_is_exact_and_fits_the_memory(lengths, limit, whole_steps):
    cache = WaveCache(lengths, limit, whole_steps=whole_steps)
    waves = [steps(number, length) for number, length in enumerate(lengths)]
    kept = [cache.put(number, wave) for number, wave in enumerate(waves)]
    for number, wave in enumerate(waves):
        found = cache.get(number)
        assert (found is not None) == kept[number]
        if found is not None:
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, wave)
    taken = sum(length for length, there in zip(lengths, kept, strict=True) if there) * (2 if whole_steps else 4)
    assert taken <= limit
    assert kept == sorted(kept, reverse=True)  # the first ones have the places


def test_an_empty_place_gives_nothing():
    assert WaveCache([10], 1000).get(0) is None
    assert WaveCache([10], 0).get(0) is None
    assert WaveCache([], 1000).get(0) is None


def test_a_wave_longer_than_its_place_is_not_kept():
    cache = WaveCache([10, 10], 1000)
    assert not cache.put(0, steps(0, 11))
    assert cache.put(1, steps(1, 10))
    assert cache.get(0) is None


def test_waves_that_are_not_of_16_bits_are_not_rounded():
    cache = WaveCache([3, 3], 1000, whole_steps=True)
    assert not cache.put(0, np.array([0.1, 0.2, 0.3], np.float32))
    assert not cache.put(1, np.array([0.0, 1.0, 0.0], np.float32))  # full scale is one step beyond
    assert cache.get(0) is cache.get(1) is None


@pytest.mark.parametrize(
    ("values", "whole"), [([0.0, -1.0, 32767 / 32768], True), ([1.0], False), ([0.5 + 1e-5], False), ([], True)]
)
def test_whole_steps_are_those_of_16_bits(values, whole):
    assert is_whole_steps(np.array(values, np.float32)) is whole


def test_the_caller_may_change_what_it_got():
    cache = WaveCache([4], 1000)
    cache.put(0, steps(0, 4))
    cache.get(0)[:] = 9.0
    np.testing.assert_array_equal(cache.get(0), steps(0, 4))


def test_a_wave_that_was_only_half_written_is_not_given_out():
    """As after a process was killed in between: the mark says there is a wave, its bytes say otherwise."""
    cache = WaveCache([100], 1000)
    cache.put(0, steps(0, 100))
    cache._samples[50:] = 0
    assert cache.get(0) is None


@pytest.mark.skipif(sys.platform != "linux", reason="memory is inherited only by forked processes")
def test_what_one_process_decodes_all_others_find():
    cache = WaveCache([20] * 4, 10_000)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=cache.put, args=(number, steps(number, 20))) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    for number in range(4):
        np.testing.assert_array_equal(cache.get(number), steps(number, 20))


def test_a_pickled_cache_holds_nothing_and_still_works():
    cache = WaveCache([20], 10_000)
    cache.put(0, steps(0, 20))
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.get(0) is None
    assert not copy.put(0, steps(0, 20))
