"""Decoding over processes: order, equality for any number, and failures that stay with their utterance."""

import importlib
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pytest

from asr.decoding.beam import BeamOptions
from asr.decoding.from_files import DecoderRecipe
from asr.decoding.parallel import _is_worthwhile, decode_all
from asr.errors import DecodingError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.units import BLANK_SYMBOL, Units

UNITS = [BLANK_SYMBOL, " ", *"abc"]


@pytest.fixture
def at_once(monkeypatch):
    """Other processes are started after the first utterance, however little time it took."""
    monkeypatch.setattr("asr.decoding.parallel.WORTHWHILE", 0.0)


@pytest.fixture
def recipe(tmp_path) -> DecoderRecipe:
    build_model(train_ngrams([["ab", "ca"], ["ca", "ab", "b"]] * 3, order=2)).save(tmp_path / "lm")
    Units("characters", UNITS).save(tmp_path / "units.txt")
    return DecoderRecipe(tmp_path / "units.txt", 0.04, BeamOptions(beam=8, nbest=2), lm=tmp_path / "lm")


def utterances(count: int):
    for seed in range(count):
        probs = np.random.default_rng(seed).dirichlet(np.full(len(UNITS), 0.3), 10 + seed) + 1e-6
        yield f"utt{seed}", np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


def test_any_number_of_processes_gives_the_same_in_the_same_order(recipe, at_once):
    alone = list(decode_all(recipe, utterances(30)))
    assert [utterance_id for utterance_id, _ in alone] == [f"utt{n}" for n in range(30)]
    assert list(decode_all(recipe, utterances(30), processes=3)) == alone


@pytest.mark.parametrize("processes", [1, 2])
def test_a_bad_utterance_fails_alone_and_by_name(recipe, processes, at_once):
    def with_a_bad_one():
        yield from utterances(3)
        yield "broken", np.zeros((4, 5), np.float32)
        yield "last", np.log(np.full((2, 5), 0.2, np.float32))

    outcomes = dict(decode_all(recipe, with_a_bad_one(), processes))
    assert list(outcomes) == ["utt0", "utt1", "utt2", "broken", "last"]
    assert isinstance(outcomes["broken"], DecodingError)
    assert str(outcomes["broken"]).startswith("broken: log-probabilities: frame 0 sums to 5")
    assert all(isinstance(outcomes[name], list) for name in outcomes if name != "broken")


def test_a_decoder_that_cannot_be_built_is_reported_before_any_work(recipe, tmp_path):
    with pytest.raises(DecodingError, match="missing"):
        next(decode_all(replace(recipe, lm=tmp_path / "missing"), utterances(2), processes=2))


def test_compiled_code_is_on_disk_before_the_processes_start(monkeypatch, at_once):
    """The first utterance is decoded in this process; the pool comes after it."""
    decoded = []
    monkeypatch.setattr("asr.decoding.parallel.ProcessPoolExecutor", lambda *_, **__: pytest.fail("started"))

    class Decoder:
        def decode(self, log_probs):
            decoded.append(len(log_probs))
            return []

    outcomes = decode_all(Decoder, utterances(3), processes=2)
    assert next(outcomes) == ("utt0", [])
    assert decoded == [10]
    with pytest.raises(pytest.fail.Exception, match="started"):
        next(outcomes)


@pytest.mark.parametrize("processes", [1, 2, 7])
def test_no_utterances_and_fewer_than_processes(recipe, processes, at_once):
    assert list(decode_all(recipe, [], processes)) == []
    (one,) = decode_all(recipe, utterances(1), processes)
    assert one[0] == "utt0"


def test_work_that_is_soon_done_starts_no_process(monkeypatch, recipe):
    monkeypatch.setattr("asr.decoding.parallel.ProcessPoolExecutor", lambda *_, **__: pytest.fail("started"))
    assert list(decode_all(recipe, utterances(5), processes=4)) == list(decode_all(recipe, utterances(5)))


@pytest.mark.parametrize(
    ("spent", "done", "total", "worthwhile"),
    [
        (0.5, 100, 1001, True),  # 900 more take 4.5 s
        (0.5, 100, 601, False),  # 500 more take 2.5 s
        (0.05, 1, 1001, False),  # one is too few to tell
        (9.0, 900, 901, False),  # nothing is left
        (2.9, 900, None, False),
        (3.1, 900, None, True),
    ],
)
def test_processes_are_started_for_three_seconds_of_work(spent, done, total, worthwhile):
    assert _is_worthwhile(spent, done, total) is worthwhile


def test_a_list_goes_to_processes_like_any_iterable(recipe, at_once):
    assert list(decode_all(recipe, list(utterances(12)), processes=2)) == list(decode_all(recipe, utterances(12)))


WORKING = """
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from asr.decoding.results.hypothesis import Hypothesis

class Decoder:
    def decode(self, log_probs):
        return [Hypothesis(str(os.getpid()), float(len(log_probs)))]
"""


def test_this_process_works_while_the_others_start(tmp_path, monkeypatch, at_once):
    (tmp_path / "working_decoder.py").write_text(WORKING)
    monkeypatch.syspath_prepend(tmp_path)
    working = importlib.import_module("working_decoder").Decoder
    blocks = ((f"u{n}", np.zeros((n, 5), np.float32)) for n in range(40))
    outcomes = dict(decode_all(working, blocks, processes=2))
    assert [nbest[0].score for nbest in outcomes.values()] == list(range(40))
    workers = [nbest[0].text for nbest in outcomes.values()]
    here = str(os.getpid())
    assert len(set(workers)) == 2
    assert workers[0] == here and here not in workers[1:5]  # a process must load code; the first ones wait for it
    assert workers.count(here) > 10


DYING = """
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

class Decoder:
    def decode(self, log_probs):
        if len(log_probs) == 3:
            os._exit(1)
        return []
"""


def test_a_process_that_dies_is_an_error_and_not_a_hang(tmp_path, monkeypatch, at_once):
    (tmp_path / "dying_decoder.py").write_text(DYING)
    monkeypatch.syspath_prepend(tmp_path)
    dying = importlib.import_module("dying_decoder").Decoder
    blocks = ((f"u{n}", np.zeros((n, 5), np.float32)) for n in range(6))
    with pytest.raises(DecodingError, match="a process died"):
        list(decode_all(dying, blocks, processes=2))


def test_a_process_that_died_takes_no_more_work(monkeypatch, recipe, at_once):
    class Broken(ProcessPoolExecutor):
        def submit(self, *_):
            raise BrokenProcessPool("a process died")

    monkeypatch.setattr("asr.decoding.parallel.ProcessPoolExecutor", Broken)
    with pytest.raises(DecodingError, match="utt1: was being decoded when a process died; try fewer processes"):
        list(decode_all(recipe, utterances(3), processes=2))
