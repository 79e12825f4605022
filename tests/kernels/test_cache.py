"""Compiled code is kept for the contents of what was compiled; what is damaged, missing or read-only is no trouble."""

from __future__ import annotations

import logging

import pytest

from asr.kernels import cache
from asr.kernels.cache import PACKAGE, CompilingNotice, folders, sources_digest
from asr.kernels.compile import compiled


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


def double():
    """A fresh function each time, as a fresh process has it."""

    def double(value):
        return 2 * value

    return compiled(nogil=True)(double)


def counts(function):
    return function.stats.cache_hits.total(), function.stats.cache_misses.total()


@pytest.fixture
def kept(monkeypatch, tmp_path):
    monkeypatch.setattr("asr.kernels.cache.config.CACHE_DIR", str(tmp_path))
    return tmp_path


def test_a_second_process_compiles_nothing(kept):
    for expected in ((0, 1), (1, 0)):
        function = double()
        assert function(4) == 8
        assert counts(function) == expected


def test_each_signature_and_each_state_of_the_sources_has_code_of_its_own(kept, monkeypatch):
    first = double()
    assert (first(4), first(0.5)) == (8, 1.0)
    assert len(list(kept.rglob("*.bin"))) == 2
    monkeypatch.setattr(cache, "sources_digest", lambda: "other")
    changed = double()
    assert changed(4) == 8
    assert counts(changed) == (0, 1)
    assert len(list(kept.iterdir())) == 2, "what another process may be loading stays"


@pytest.mark.parametrize(
    "damage", [lambda code: b"", lambda code: code[:-7], lambda code: code[:90] + b"x" + code[91:]]
)
def test_a_damaged_file_is_compiled_anew_and_replaced(kept, damage, caplog):
    double()(4)
    (file,) = kept.rglob("*.bin")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    again = double()
    assert again(4) == 8
    assert counts(again) == (0, 1)
    assert "is damaged" in caplog.text
    third = double()
    third(4)
    assert counts(third) == (1, 0)


def test_a_read_only_installation_is_used_for_what_it_has_and_the_rest_goes_to_the_user(monkeypatch, tmp_path):
    installed, own = tmp_path / "installed", tmp_path / "own"
    monkeypatch.setattr(cache, "folders", lambda: [installed])
    double()(4)
    (file,) = installed.iterdir()
    monkeypatch.setattr(cache, "folders", lambda: [file / "not a folder", installed, own])
    function = double()
    function(4)
    assert counts(function) == (1, 0)
    monkeypatch.setattr(cache, "folders", lambda: [file / "not a folder", own])
    double()(0.5)
    assert len(list(own.iterdir())) == 1


def test_where_nothing_can_be_kept_functions_still_run(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "folders", lambda: [tmp_path / "file" / "below"])
    assert double()(4) == 8


def test_code_lies_in_the_package_or_with_the_user_or_where_numba_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("asr.kernels.cache.config.CACHE_DIR", "")
    installed, own = folders()
    assert installed.parent == PACKAGE / "__pycache__"
    assert own.name == installed.name == f"kernels-{sources_digest()}"
    monkeypatch.setattr("asr.kernels.cache.config.CACHE_DIR", str(tmp_path))
    assert folders() == [tmp_path / f"kernels-{sources_digest()}"]


class Compiled:
    """A function of this package or another one, as numba's events name it."""

    def __init__(self, module):
        function = type("Function", (), {"__module__": module})
        self.data = {"dispatcher": type("Dispatcher", (), {"py_func": function})}


def test_the_user_is_told_once_when_compiling_takes_its_time(monkeypatch, caplog):
    monkeypatch.setattr(cache, "PATIENCE", 0.0)
    caplog.set_level(logging.INFO)
    cache._tell.cache_clear()
    notice = CompilingNotice()
    for _ in range(2):
        notice.on_start(Compiled("asr.decoding.search.frame"))
        notice.on_start(Compiled("asr.lm.ngram"))
        notice.timer.join()
        notice.on_end(None)
        notice.on_end(None)
    assert caplog.text.count("compiling loops") == 1


def test_what_is_quick_or_of_others_is_not_mentioned(caplog):
    caplog.set_level(logging.INFO)
    cache._tell.cache_clear()
    notice = CompilingNotice()
    for module in ("librosa.core", "asr.lm.ngram"):
        notice.on_start(Compiled(module))
        notice.on_end(None)
    assert notice.timer is None
    assert "compiling" not in caplog.text
