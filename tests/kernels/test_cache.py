"""Compiled code is valid for the contents of what was compiled, wherever it is kept."""

from __future__ import annotations

import pytest

from asr.kernels.cache import PACKAGE, PackageLocator, sources_digest


@pytest.fixture
def package(tmp_path):
    """A package whose kernel takes a number from another file, and a file that has nothing to do with it."""
    folder = tmp_path / "asr"
    (folder / "pictures").mkdir(parents=True)
    (folder / "kernel.py").write_text("from numba import njit\nfrom asr.number import N\n")
    (folder / "number.py").write_text("N = 1\n")
    (folder / "pictures" / "draw.py").write_text("COLOUR = 'red'\n")
    sources_digest.cache_clear()
    yield folder
    sources_digest.cache_clear()


def digest(package):
    sources_digest.cache_clear()
    return sources_digest(package)


def test_the_digest_follows_what_is_compiled_and_what_that_imports_and_nothing_else(package):
    before = digest(package)
    (package / "pictures" / "draw.py").write_text("COLOUR = 'blue'\n")
    assert digest(package) == before
    (package / "number.py").write_text("N = 2\n")
    assert digest(package) != before
    (package / "number.py").write_text("N = 1\n")
    assert digest(package) == before


def test_a_state_of_the_sources_has_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr("asr.kernels.cache.config.CACHE_DIR", str(tmp_path))

    def function():
        pass

    first = PackageLocator(function, str(PACKAGE / "decoding" / "search" / "frame.py")).get_cache_path()
    assert first == str(tmp_path / "decoding-search" / sources_digest())
    monkeypatch.setattr("asr.kernels.cache.sources_digest", lambda: "other")
    assert PackageLocator(function, str(PACKAGE / "decoding" / "search" / "frame.py")).get_cache_path() != first


def test_functions_of_others_are_left_to_numba(tmp_path):
    assert PackageLocator.from_function(digest, str(tmp_path / "theirs.py")) is None
