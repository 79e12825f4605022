"""Nothing but given phrases: the best of all sequences of them, found by trying every one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.grammar import GrammarDecoder, read_grammar
from asr.decoding.paths.alignment import align_tokens
from asr.errors import DecodingError, UnitsError
from asr.units import BLANK_SYMBOL, UNKNOWN_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
WORDS = Units("words", [BLANK_SYMBOL, UNKNOWN_SYMBOL, "on", "off"])
FRAME = 0.1


def random_log_probs(frames, units, seed):
    values = np.random.default_rng(seed).gumbel(size=(frames, units)) * 2
    return (values - np.log(np.exp(values).sum(1, keepdims=True))).astype(np.float32)


def spoken(units, symbols):
    ids = [0 if symbol == "-" else units.ids[symbol] for symbol in symbols]
    probabilities = np.full((len(ids), len(units)), 0.02)
    probabilities[np.arange(len(ids)), ids] = 1 - 0.02 * (len(units) - 1)
    return np.log(probabilities).astype(np.float32)


def best_by_trying(log_probs, phrases, units, most):
    """Score of the best sequence of at most `most` phrases."""
    best = float(log_probs[:, 0].sum(dtype=np.float64))
    for count in range(1, most + 1):
        for sequence in product(phrases, repeat=count):
            try:
                score = align_tokens(log_probs, units.encode(" ".join(sequence)))[1]
            except DecodingError:
                continue
            best = max(best, score)
    return best


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9),
    st.lists(st.sampled_from(["a", "b", "ab", "aa", "ba", "a b", "abb"]), min_size=1, max_size=4, unique=True),
    st.integers(0, 10**6),
)
def test_the_best_sequence_of_all(frames, phrases, seed):
    log_probs = random_log_probs(frames, 4, seed)
    (found,) = GrammarDecoder(phrases, CHARACTERS, FRAME).decode(log_probs)
    assert found.score == pytest.approx(best_by_trying(log_probs, phrases, CHARACTERS, 5), abs=1e-4)
    if found.tokens:  # what is said has that score
        assert align_tokens(log_probs, found.tokens)[1] == pytest.approx(found.score, abs=1e-4)
    assert found.text == CHARACTERS.decode(found.tokens)


def test_units_without_a_space_have_a_blank_between_phrases():
    decoder = GrammarDecoder(["on", "off off"], WORDS, FRAME)
    (found,) = decoder.decode(spoken(WORDS, ["on", "-", "on", "-", "off", "-", "off", "-"]))
    assert found.text == "on on off off"
    (single,) = decoder.decode(spoken(WORDS, ["-", "off", "off", "-"]))
    assert single.text in ("", "off off", "on")  # a lone "off" is not allowed


def test_what_is_not_allowed_becomes_what_is_nearest():
    decoder = GrammarDecoder(["ab", "bb a"], CHARACTERS, FRAME)
    (found,) = decoder.decode(spoken(CHARACTERS, "--aab---"))
    assert found.text == "ab"
    assert [(word.text, word.start, word.end) for word in found.words] == [
        ("ab", pytest.approx(0.2), pytest.approx(0.5))
    ]
    assert found.words[0].confidence == pytest.approx(0.94, abs=1e-5)
    (other,) = decoder.decode(spoken(CHARACTERS, "-b-b- b-"))
    assert other.text == "bb a"


def test_silence_is_no_phrase():
    decoder = GrammarDecoder(["ab"], CHARACTERS, FRAME)
    assert decoder.decode(spoken(CHARACTERS, "------"))[0].text == ""
    assert decoder.decode(np.empty((0, 4), np.float32))[0].words == []


def test_many_phrases_one_after_the_other():
    said = "-ab- -b-a- -ab-"
    (found,) = GrammarDecoder(["ab", "ba", "aba"], CHARACTERS, FRAME).decode(spoken(CHARACTERS, said))
    assert found.text == "ab ba ab"
    starts = [word.start for word in found.words]
    assert starts == sorted(starts)
    assert len(starts) == 3


@pytest.mark.parametrize(
    ("phrases", "error", "message"),
    [([], DecodingError, "has no phrases"), (["  "], DecodingError, "has no phrases"), (["a", "a x"], UnitsError, "x")],
)
def test_what_is_no_grammar(phrases, error, message):
    with pytest.raises(error, match=message):
        GrammarDecoder(phrases, CHARACTERS, FRAME)


def test_too_much_at_once(monkeypatch):
    monkeypatch.setattr("asr.decoding.grammar.MOST_BYTES", 10)
    with pytest.raises(DecodingError, match="is too long for 1 phrases"):
        GrammarDecoder(["ab"], CHARACTERS, FRAME).decode(spoken(CHARACTERS, "ab"))


def test_a_file_of_phrases(tmp_path):
    (tmp_path / "phrases.txt").write_bytes("\ufeffturn  on\r\n# no phrase\r\n\r\nturn off\r\n".encode())
    assert read_grammar(tmp_path / "phrases.txt") == ["turn on", "turn off"]
    (tmp_path / "empty.txt").write_text("# nothing\n")
    for name in ("empty.txt", "nowhere.txt"):
        with pytest.raises(DecodingError, match=name):
            read_grammar(tmp_path / name)
