"""The public beam decoder: pruning, streaming, long and soft input, details of hypotheses, and errors."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_knowledge import ReferenceKnowledge
from reference_search import ReferenceSearch

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.tables import Weights
from asr.errors import DecodingError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.pronunciation.lexicon import Lexicon
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abcd"])
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "b", "▁ab", "c", "a", "d"], b"unused")
PHONES = Units("characters", [BLANK_SYMBOL, *"vwxyz"])
TEXT = ["ab ba cab dab", "bad cab a", "cad ab ab", "dad cab bab a", "a bad dad"]
WORD_LM = build_model(train_ngrams([line.split() for line in TEXT * 3], order=3))
SOUNDS = Lexicon({"one": [["x"]], "won": [["x"]], "two": [["x", "y"], ["z"]], "yes": [["y", "x", "v"]], "so": [["w"]]})


SOUND_LM = build_model(train_ngrams([["one", "two"], ["won", "so", "yes"], ["two", "yes", "so", "one"]] * 3, order=2))
# No two words are equally probable: which of two prefixes with the same score stays in a full beam is not defined.
for probs in (SOUND_LM.arrays.unigrams["log_prob"], SOUND_LM.arrays.slots["log_prob"]):
    probs += np.random.default_rng(0).uniform(-0.3, 0.3, len(probs))


def random_log_probs(frames: int, size: int, seed: int, sharpness: float = 3.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, sharpness, (frames, size))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


PRUNED = {
    "no model": (CHARACTERS, None, None, None),
    "words, characters": (CHARACTERS, WORD_LM, None, None),
    "pieces": (PIECES, None, None, None),
    "words, pieces": (PIECES, WORD_LM, None, None),
    "lexicon, pieces": (PIECES, WORD_LM, Lexicon.from_words(["ab", "cab", "bad", "dada"]), None),
    "lexicon": (CHARACTERS, WORD_LM, Lexicon.from_words(["ab", "cab", "bad", "dada"]), None),
    "pronunciations": (PHONES, SOUND_LM, SOUNDS, None),
    "phrases": (CHARACTERS, WORD_LM, None, {"ab ab": 3.0, "cab": 1.5, "bad dad": 2.0, "dad a": 1.0}),
}


@pytest.mark.parametrize("mode", PRUNED)
@pytest.mark.parametrize("nbest", [1, 2])
@pytest.mark.parametrize(
    ("beam", "token_threshold", "beam_threshold"), [(3, -3.0, 5.0), (8, -2.0, 50.0), (20, -9.0, 8.0)]
)
def test_pruning_is_that_of_the_plain_python_search(mode, nbest, beam, token_threshold, beam_threshold):
    units, lm, lexicon, boosts = PRUNED[mode]
    phrases = Phrases(boosts, units) if boosts else None
    weights = Weights(0.8, 0.5, 2.0)
    options = BeamOptions(beam, token_threshold, beam_threshold, nbest=nbest, words=False)
    decoder = BeamDecoder(units, 1.0, options=options, weights=weights, lm=lm, lexicon=lexicon, phrases=phrases)
    search = ReferenceSearch(ReferenceKnowledge(units, weights, lm, lexicon, phrases), options.settings())
    for seed in range(3):
        log_probs = random_log_probs(25, len(units), seed)
        search.begin()
        search.run(log_probs)
        found = search.readings(1)
        if found:  # in a closed lexicon a narrow beam may hold unfinished words only
            best = decoder.decode(log_probs)[0]
            assert (best.text, best.tokens) == (found[0].text, found[0].tokens)
            assert best.score == pytest.approx(found[0].score, abs=1e-4)
            assert best.acoustic_score == pytest.approx(found[0].score - found[0].log_gain, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=6), seed=st.integers(0, 10**6))
def test_blocks_of_any_size_give_the_same_result(cuts, seed):
    log_probs = random_log_probs(60, len(CHARACTERS), seed)
    whole = DECODER.decode(log_probs)
    state = DECODER.start()
    for first, end in zip([0, *sorted(cuts)], [*sorted(cuts), 60], strict=True):
        state = DECODER.advance(state, log_probs[first:end])
    assert DECODER.finish(state) == whole


DECODER = BeamDecoder(CHARACTERS, 0.04, options=BeamOptions(beam=16, nbest=3), lm=WORD_LM)


def test_utterances_in_flight_do_not_disturb_each_other_and_states_can_be_gone_back_to():
    utterances = [random_log_probs(30, len(CHARACTERS), seed) for seed in range(4)]
    states = [DECODER.start() for _ in utterances]
    for first in range(0, 30, 5):
        states = [DECODER.advance(s, x[first : first + 5]) for s, x in zip(states, utterances, strict=True)]
        DECODER.advance(states[0], utterances[1][:7])  # a branch that is thrown away
    for state, log_probs in zip(states, utterances, strict=True):
        assert DECODER.finish(state) == DECODER.decode(log_probs)


def test_the_stable_prefix_grows_and_is_never_taken_back():
    log_probs = random_log_probs(200, len(CHARACTERS), 5, sharpness=6.0)
    state, shown = DECODER.start(), [""]
    for first in range(0, 200, 10):
        state = DECODER.advance(state, log_probs[first : first + 10])
        shown.append(DECODER.stable_prefix(state))
    final = DECODER.finish(state)[0].text
    for earlier, later in zip(shown, [*shown[1:], final], strict=True):
        assert later.split()[: len(earlier.split())] == earlier.split()
    assert len(shown[-1].split()) > 1


def test_ten_thousand_soft_frames_neither_underflow_nor_grow_without_bound():
    log_probs = random_log_probs(10_000, len(CHARACTERS), 3, sharpness=0.05)
    (best,) = BeamDecoder(CHARACTERS, 0.04, options=BeamOptions(beam=8, words=False)).decode(log_probs)
    assert np.isfinite(best.score)
    assert best.score > 10_000 * np.log(0.5 / len(CHARACTERS))


def test_a_tiny_node_store_changes_nothing(monkeypatch):
    log_probs = random_log_probs(300, len(CHARACTERS), 9, sharpness=1.0)
    expected = DECODER.decode(log_probs)
    monkeypatch.setattr("asr.decoding.search.session.FIRST_ROOM", 1)
    small = BeamDecoder(CHARACTERS, 0.04, options=BeamOptions(beam=16, nbest=3), lm=WORD_LM)
    assert small.decode(log_probs) == expected


def test_impossible_units_are_no_trouble_until_nothing_is_possible():
    probs = np.full((4, len(CHARACTERS)), 1e-3)
    probs[:, 2] = 1.0 - 1e-3 * (len(CHARACTERS) - 1)
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.where(probs > 0.5, 1.0, 0.0)).astype(np.float32)
    assert BeamDecoder(CHARACTERS, 0.04).decode(log_probs)[0].text == "a"
    closed = BeamDecoder(CHARACTERS, 0.04, lexicon=Lexicon.from_words(["b"]))
    with pytest.raises(DecodingError, match="frame 0: leaves no reading"):
        closed.decode(log_probs)


def test_an_utterance_cut_inside_a_word_keeps_the_words_before_it(caplog):
    probs = np.full((6, len(CHARACTERS)), 1e-6)
    probs[np.arange(6), [2, 3, 1, 4, 2, 0]] = 1.0
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    options = BeamOptions(beam=4, beam_threshold=3.0)
    decoder = BeamDecoder(CHARACTERS, 0.04, options=options, lexicon=Lexicon.from_words(["ab", "cab"]))
    (best,) = decoder.decode(log_probs)
    assert best.text == "ab"
    assert "inside a word" in caplog.text


def test_a_word_final_piece_that_lasts_two_frames_is_one_piece():
    probs = np.full((6, len(PIECES)), 1e-4)
    probs[np.arange(6), [3, 4, 4, 0, 5, 5]] = 1.0
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    decoder = BeamDecoder(PIECES, 0.04, lexicon=Lexicon.from_words(["ab", "a", "abc"]))
    assert decoder.decode(log_probs)[0].text == "ab ab"


def test_words_carry_times_of_the_best_path_and_confidence():
    probs = np.full((7, len(CHARACTERS)), 1e-3)
    probs[np.arange(7), [0, 2, 2, 3, 1, 0, 4]] = 1.0
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    (best,) = BeamDecoder(CHARACTERS, 0.5).decode(log_probs)
    assert [(w.text, w.start, w.end) for w in best.words] == [("ab", 0.5, 2.0), ("c", 3.0, 3.5)]
    assert all(0.9 < w.confidence <= 1.0 for w in best.words)


def test_homophones_are_told_apart_by_the_language_model():
    lm = build_model(train_ngrams([["so", "won"], ["one", "so"], ["so", "won", "so"]] * 4, order=2))
    probs = np.full((3, len(PHONES)), 1e-3)
    probs[np.arange(3), [2, 0, 3]] = 1.0
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    decoder = BeamDecoder(PHONES, 0.1, options=BeamOptions(nbest=2), lm=lm, lexicon=SOUNDS)
    assert [h.text for h in decoder.decode(log_probs)] == ["so won", "so one"]
    assert [w.text for w in decoder.decode(log_probs)[0].words] == ["so", "won"]


def test_no_frames_read_as_nothing():
    (best,) = DECODER.decode(np.empty((0, len(CHARACTERS)), np.float32))[:1]
    assert (best.text, best.words) == ("", [])


def test_threads_and_pickled_copies_agree():
    utterances = [random_log_probs(40, len(CHARACTERS), seed) for seed in range(8)]
    expected = [DECODER.decode(x) for x in utterances]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(DECODER.decode, utterances)) == expected
    copy = pickle.loads(pickle.dumps(DECODER))
    assert [copy.decode(x) for x in utterances] == expected


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: BeamOptions(beam=0), "beam: 0 is out of range"),
        (lambda: BeamOptions(token_threshold=float("nan")), "token_threshold: nan"),
        (lambda: BeamOptions(beam_threshold=0.0), "beam_threshold"),
        (lambda: BeamOptions(nbest=0), "nbest"),
        (lambda: Weights(alpha=-1.0), "alpha"),
        (lambda: Weights(beta=float("inf")), "beta"),
        (lambda: BeamDecoder(PHONES, 1.0, lm=WORD_LM), "language model: 9 of 9 words of"),
        (
            lambda: BeamDecoder(CHARACTERS, 1.0, lm=shouted()),
            "language model: 3 of 4 words of",
        ),
        (lambda: BeamDecoder(CHARACTERS, 1.0, lm=foreign_units()), "4 of 5 units are not in the language model"),
        (
            lambda: BeamDecoder(CHARACTERS, 1.0, lexicon=Lexicon.from_words(["xyz"])),
            "lexicon: 1 of 1 words of the lexicon cannot be spelled",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_why(make, reason):
    with pytest.raises(DecodingError, match=reason):
        make()


def shouted():
    return build_model(train_ngrams([["AB", "CAB"], ["a", "DAD"]] * 3, order=2))


def foreign_units():
    return build_model(train_ngrams([["▁the", "a", "▁cat"]] * 3, order=2, unit="units"))


@pytest.mark.parametrize(
    ("log_probs", "reason"),
    [
        (np.zeros((3, 4), np.float32), "shape"),
        (np.zeros((3, 6), np.float32), "sums to 6"),
        (np.full((3, 6), np.nan), "NaN"),
    ],
)
def test_bad_log_probs_are_refused_whole_and_in_blocks(log_probs, reason):
    with pytest.raises(DecodingError, match=reason):
        DECODER.decode(log_probs)
    with pytest.raises(DecodingError, match=reason):
        DECODER.advance(DECODER.start(), log_probs)
