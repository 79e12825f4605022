"""Splitting batches that do not fit: nothing lost, nothing padded more than needed, and one utterance named."""

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.batches.examples import Batch
from asr.errors import TrainingError
from asr.training.step.splitting import BatchSplitter, halves, padded_frames, stretched


def batch_of(lengths):
    features = torch.zeros(len(lengths), max(lengths), 2)
    for row, length in enumerate(lengths):
        features[row, :length] = row + 1
    names = [f"u{row}" for row in range(len(lengths))]
    return Batch(names, features, torch.tensor(lengths), [[row] for row in range(len(lengths))], sum(lengths) / 100)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=9))
def test_halves_hold_every_utterance_once_with_its_own_frames_and_text(lengths):
    batch = batch_of(lengths)
    first, second = halves(batch)
    assert first.ids + second.ids == batch.ids
    assert first.targets + second.targets == batch.targets
    assert abs(len(first.ids) - len(second.ids)) <= 1
    assert first.seconds + second.seconds == pytest.approx(batch.seconds)
    for half in (first, second):
        assert half.features.shape[1] == max(half.lengths)
        assert half.seconds == pytest.approx(float(half.lengths.sum()) / 100)
        for row, name in enumerate(half.ids):
            place = batch.ids.index(name)
            length = lengths[place]
            assert half.lengths[row] == length
            assert torch.equal(half.features[row, :length], batch.features[place, :length])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.integers(1, 200))
def test_pieces_are_smaller_than_what_did_not_fit_or_single(lengths, too_large):
    splitter = BatchSplitter()
    splitter.too_large = too_large
    batch = batch_of(lengths)
    pieces = splitter.fitting(batch)
    assert [name for piece in pieces for name in piece.ids] == batch.ids
    assert all(padded_frames(piece) < too_large or len(piece.ids) == 1 for piece in pieces)


def test_before_anything_ran_out_of_memory_a_batch_is_left_as_it_is():
    batch = batch_of([5, 6])
    assert BatchSplitter().fitting(batch) == [batch]


def test_what_did_not_fit_is_remembered_and_told_with_its_seconds_and_utterances(caplog):
    splitter = BatchSplitter()
    splitter.learn(batch_of([10, 20, 30]))
    splitter.learn(batch_of([50, 50, 50, 50]))  # a larger one says nothing new
    assert splitter.too_large == 90
    assert "out of memory on a batch of 3 utterances, 0.6 s of audio" in caplog.text
    assert "Utterances: u0 u1 u2" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert len(splitter.fitting(batch_of([29, 29, 29]))) == 1
    assert len(splitter.fitting(batch_of([30, 30, 30]))) == 2


def test_a_single_utterance_that_does_not_fit_is_named():
    with pytest.raises(TrainingError, match=r"u0: does not fit the memory even alone \(1\.5 s\)"):
        BatchSplitter().learn(batch_of([150]))


def test_stretching_makes_every_utterance_longer_within_the_bound():
    batch = batch_of([10, 20])
    longer = stretched(batch, 1.25, most_frames=1000)
    assert longer.features.shape == (2, 25, 2)
    assert longer.lengths.tolist() == [12, 25]
    assert longer.seconds == pytest.approx(batch.seconds * 1.25)
    assert stretched(batch, 1.25, most_frames=44).features.shape == (2, 22, 2)
    assert stretched(batch, 1.25, most_frames=10).features.shape == (2, 20, 2)


def test_no_stretching_changes_nothing():
    batch = batch_of([10, 20])
    same = stretched(batch, 1.0, most_frames=10**6)
    assert torch.equal(same.features, batch.features)
    assert torch.equal(same.lengths, batch.lengths)
