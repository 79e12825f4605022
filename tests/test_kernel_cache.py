"""Compiled code on disk lives as long as the sources it was made of, all of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asr.kernel_cache import STAMP, forget_outdated

INNER = """
from pathlib import Path
from numba import njit
from asr.kernel_cache import forget_outdated

@njit(cache=True)
def probe():
    pass

GUARD

@njit(cache=True, inline="always")
def inner():
    return VALUE
"""
OUTER = """
from numba import njit
from inner import inner

@njit(cache=True)
def outer():
    return inner()

print(outer(), sum(outer.stats.cache_hits.values()))
"""


def run(folder: Path, value: int, guarded: bool) -> tuple[int, int]:
    """What a fresh process computes with this version of the inner file, and how many kernels it found compiled."""
    guard = "forget_outdated(Path(__file__).parent, probe.stats.cache_path)" if guarded else ""
    text = INNER.replace("VALUE", str(value)).replace("GUARD", guard)
    if not (folder / "inner.py").is_file() or (folder / "inner.py").read_text() != text:
        (folder / "inner.py").write_text(text)
        os.utime(folder / "inner.py", ns=(value * 10**9, value * 10**9))  # files of one moment would look alike
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(folder), *sys.path]), PYTHONDONTWRITEBYTECODE="1")
    environment.pop("NUMBA_CACHE_DIR", None)
    output = subprocess.run([sys.executable, folder / "outer.py"], env=environment, capture_output=True, check=True)
    found, hits = output.stdout.split()
    return int(found), int(hits)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_change_of_a_file_that_was_merged_into_a_kernel_compiles_it_anew(tmp_path, guarded):
    (tmp_path / "outer.py").write_text(OUTER)
    assert run(tmp_path, 1, guarded) == (1, 0)
    assert run(tmp_path, 1, guarded) == (1, 1)
    assert run(tmp_path, 2, guarded) == ((2, 0) if guarded else (1, 1))  # what numba does by itself


def test_other_files_stay_and_what_is_valid_stays(tmp_path):
    sources, kept = tmp_path / "sources", tmp_path / "kept"
    sources.mkdir()
    (sources / "a.py").write_text("1")
    forget_outdated(sources, kept)
    for name in ("a.nbi", "a.nbc", "a.pyc"):
        (kept / name).write_text("")
    forget_outdated(sources, kept)
    assert {path.name for path in kept.iterdir()} == {"a.nbi", "a.nbc", "a.pyc", STAMP}
    (sources / "b.py").write_text("2")
    forget_outdated(sources, kept)
    assert {path.name for path in kept.iterdir()} == {"a.pyc", STAMP}


def test_code_of_unknown_age_is_not_trusted(tmp_path):
    (tmp_path / "old.nbi").write_text("")
    forget_outdated(tmp_path, tmp_path)
    assert not (tmp_path / "old.nbi").exists()


def test_where_nothing_can_be_written_nothing_happens(tmp_path):
    (tmp_path / "kept").write_text("a file where the folder should be")
    forget_outdated(tmp_path, tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "a file where the folder should be"
