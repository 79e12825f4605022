"""Windows and their seams: nothing that was said is lost or doubled, whatever the windows say at their edges."""

import numpy as np
import pytest

from asr.decoding.paths.greedy import collapse
from asr.transcribing.streams.windows import Windowing, joined, pieces, seam, windows_of

UNITS = 12


def spoken(generator, frames):
    """Log-probabilities (T, V) with a unit every few frames, as CTC's peaks come; and the units."""
    path = np.zeros(frames, np.int64)
    at = generator.integers(1, 6)
    while at < frames - 2:
        path[at : at + generator.integers(1, 3)] = generator.integers(1, UNITS)
        at += generator.integers(3, 14)
    return path


def log_probs_of(path, generator):
    """Peaks of different height over noise."""
    logits = generator.normal(0, 0.5, (len(path), UNITS))
    logits[np.arange(len(path)), path] += generator.uniform(4, 9, len(path))
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def heard_in_windows(path, length, overlap, generator):
    """What windows over the same speech say: peaks a frame early or late at times, nonsense at their edges."""
    for begin in range(0, max(1, len(path) - overlap), length - overlap):
        part = path[begin : begin + length].copy()
        edge = overlap // 8
        if begin:
            part[:edge] = generator.integers(0, UNITS, edge)
        if begin + length < len(path):
            part[-edge:] = generator.integers(0, UNITS, edge)
        yield log_probs_of(part, generator)


def test_no_unit_is_lost_or_doubled_at_a_thousand_seams():
    generator = np.random.default_rng(1)
    seams = 0
    while seams < 1000:
        path = spoken(generator, int(generator.integers(100, 6000)))
        length, overlap = int(generator.integers(200, 800)), 100
        windows = list(heard_in_windows(path, length, overlap, generator))
        seams += len(windows) - 1
        whole = np.concatenate(list(joined(iter(windows), overlap)))
        assert len(whole) == len(path)
        assert collapse(whole.argmax(axis=1))[0] == collapse(path)[0]
        cut = [collapse(piece.argmax(axis=1))[0] for piece in pieces([whole], 300)]
        assert [unit for units in cut for unit in units] == collapse(path)[0]


@pytest.mark.parametrize("block", [1, 7, 50, 1000])
def test_windows_cover_everything_with_their_overlap(block):
    matrix = np.arange(430, dtype=np.float32)[:, None]
    windows = list(windows_of((matrix[at : at + block] for at in range(0, 430, block)), 100, 20))
    assert [len(window) for window in windows] == [100, 100, 100, 100, 100, 30]
    assert [int(window[0, 0]) for window in windows] == [0, 80, 160, 240, 320, 400]
    assert [len(window) for window in windows_of([matrix[:100]], 100, 20)] == [100]
    assert list(windows_of([matrix[:0]], 100, 20)) == []


def test_a_seam_lies_where_both_windows_are_silent():
    left = np.full((40, 3), -9.0, np.float32)
    right = left.copy()
    left[:, 1], right[:, 2] = -1e-3, -1e-3  # they disagree but for frames 24 to 29
    for rows in (left, right):
        rows[24:30] = [-1e-3, -9.0, -9.0]
    assert 25 <= seam(left, right) <= 28
    assert seam(left[:0], right[:0]) == 0


def test_lengths_are_multiples_of_the_time_reduction():
    assert Windowing(30.0, 4.0).frames(0.01, 4) == (3000, 400)
    length, overlap = Windowing(1.0, 5.0).frames(0.0125, 3)
    assert length % 3 == overlap % 3 == 0 and overlap < length


def test_pieces_are_cut_where_nothing_is_blank_too():
    rows = np.full((50, 3), -9.0, np.float32)
    rows[:, 1] = -1e-3
    parts = list(pieces([rows[:30], rows[30:]], 20))
    assert sum(map(len, parts)) == 50 and max(map(len, parts)) <= 20
