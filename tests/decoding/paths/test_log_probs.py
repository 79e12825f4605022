"""The cache of log-probabilities: what goes in comes out, in order; a damaged file is an error, not a surprise."""

import numpy as np
import pytest

from asr.decoding.paths.log_probs import LogProbs, check_log_probs, read_log_probs, read_meta, write_log_probs
from asr.errors import DecodingError


def rows(frames: int, units: int, seed: int = 0) -> np.ndarray:
    probs = np.random.default_rng(seed).dirichlet(np.ones(units), frames)
    return np.log(probs).astype(np.float32)


def test_round_trip_keeps_values_order_and_meta(tmp_path):
    utterances = [("b/1", rows(3, 5, 1)), ("a", rows(0, 5)), ("ü", rows(7, 5, 2))]
    path = tmp_path / "dev.npz"
    assert write_log_probs(path, iter(utterances), units="units.txt", seconds_per_frame=0.04) == 3
    meta = read_meta(path)
    assert (meta.units, meta.seconds_per_frame, meta.ids) == ("units.txt", 0.04, ["b/1", "a", "ü"])
    for (wanted_id, wanted), (got_id, got) in zip(utterances, read_log_probs(path), strict=True):
        assert wanted_id == got_id
        np.testing.assert_array_equal(wanted, got)


def test_half_precision_stays_within_the_tolerance_of_the_check(tmp_path):
    write_log_probs(tmp_path / "x.npz", [("a", rows(50, 1000))], units="u", seconds_per_frame=0.1, dtype="float16")
    ((_, read),) = read_log_probs(tmp_path / "x.npz")
    check_log_probs(read, 1000)


def test_a_doubled_id_leaves_no_file(tmp_path):
    with pytest.raises(DecodingError, match="twice"):
        write_log_probs(tmp_path / "x.npz", [("a", rows(1, 2))] * 2, units="u", seconds_per_frame=0.1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "text", "cut"])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "x.npz"
    if damage != "missing":
        write_log_probs(path, [("a", rows(100, 5))], units="u", seconds_per_frame=0.1)
        whole = path.read_bytes()
        path.write_bytes(b"hello" if damage == "text" else whole[: len(whole) // 2])
    with pytest.raises(DecodingError, match=r"x\.npz"):
        list(read_log_probs(path))


def test_the_error_names_the_first_bad_frame():
    log_probs = rows(6, 4)
    log_probs[3] += 0.5
    with pytest.raises(DecodingError, match=r"utt-7: frame 3 sums to 1\.649"):
        check_log_probs(log_probs, 4, "utt-7")


def test_a_cache_is_read_in_any_order_one_utterance_at_a_time(tmp_path):
    rows = {name: np.full((2, 3), index, np.float32) for index, name in enumerate("abc")}
    write_log_probs(tmp_path / "cache.npz", rows.items(), units="units.txt", seconds_per_frame=0.04)
    found = LogProbs(["c", "nowhere", "a"], tmp_path / "cache.npz")
    assert len(found) == 2
    assert [(name, int(array[0, 0])) for name, array in found] == [("c", 2), ("a", 0)]
