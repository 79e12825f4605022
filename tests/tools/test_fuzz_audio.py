"""Changed audio files: a few hundred here, 20,000 with the tool itself."""

import logging
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import fuzz_audio


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_changed_files_are_read_or_refused(tmp_path, capfd):
    counts, faults = fuzz_audio.fuzz(seed=1, count=300, seconds=30.0, keep=tmp_path / "faults")
    assert faults == []
    assert counts.total() == 300
    assert counts["read"] > 50  # not all are so broken that nothing is tried
    assert counts["refused"] > 50


def test_every_whole_file_is_read(tmp_path):
    for name, data in fuzz_audio.whole_files(1).items():
        (tmp_path / "audio").write_bytes(data)
        assert fuzz_audio.outcome(tmp_path / "audio") == "read", name


def test_the_same_seed_makes_the_same_files():
    one, two, other = (list(fuzz_audio.mutants(seed, 20)) for seed in (3, 3, 4))
    assert one[:1] == two[:1]
    assert [data for name, data in one if "opus" not in name and "ogg" not in name] == [
        data for name, data in two if "opus" not in name and "ogg" not in name
    ]
    assert one != other


def test_a_file_that_takes_too_long_is_a_fault_and_kept(tmp_path, monkeypatch):
    def waiting(path):
        if path.read_bytes()[:4] == b"RIFF":
            raise fuzz_audio.TooSlow
        return "refused"

    monkeypatch.setattr(fuzz_audio, "outcome", waiting)
    counts, faults = fuzz_audio.fuzz(seed=1, count=20, seconds=30.0, keep=tmp_path / "faults")
    assert counts["fault"] == len(faults) == len(list((tmp_path / "faults").iterdir())) > 0
    assert "TooSlow" in faults[0]
