"""The transducer decoder against exhaustive search over sentences; skipped where its packages are not installed."""

import itertools

import numpy as np
import pytest

from asr.decoding.knowledge.lexicon import Lexicon
from asr.decoding.knowledge.tables import Weights
from asr.decoding.paths.alignment import align_tokens
from asr.decoding.wfst import WfstDecoder, ctc_arcs, lexicon_arcs, scaled, spell_words
from asr.errors import DecodingError, MissingExtraError
from asr.lm.arpa_writing import write_arpa
from asr.lm.automaton import build_model
from asr.lm.files import save_lm
from asr.lm.kneser_ney import train_ngrams
from asr.units import BLANK_SYMBOL, Units, required_frames

UNITS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
LEXICON = Lexicon.from_words(["a", "ab", "b"])
SENTENCES = [["a", "ab"], ["ab", "b", "a"], ["b"], ["a", "b", "ab"]]


def random_log_probs(seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, 2.0, (7, len(UNITS)))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def installed() -> None:
    for package in ("kaldifst", "kaldilm", "kaldi_decoder"):
        pytest.importorskip(package)


@pytest.fixture
def arpa(tmp_path):
    # Unigrams: in longer models the graph may back off where it should not, when that is the better path.
    write_arpa(train_ngrams(SENTENCES * 3, order=1), tmp_path / "lm.arpa")
    return tmp_path / "lm.arpa"


@pytest.mark.parametrize("seed", range(20))
def test_the_best_path_over_all_sentences_is_found(arpa, seed):
    installed()
    log_probs, weights = random_log_probs(seed), Weights(0.6, 0.3)
    lm = build_model(train_ngrams(SENTENCES * 3, order=1))
    scores = {}
    for count in range(5):
        for words in itertools.product(LEXICON.words, repeat=count):
            tokens = UNITS.encode(" ".join(words))
            if required_frames(tokens) <= len(log_probs):
                path = align_tokens(log_probs, tokens)[1]
                scores[" ".join(words)] = path + weights.alpha * lm.score(words) + weights.beta * len(words)
    (found,) = WfstDecoder(UNITS, 0.1, LEXICON, arpa, weights, beam=100.0).decode(log_probs)
    assert found.text == max(scores, key=scores.get)
    assert found.score == pytest.approx(max(scores.values()), abs=0.02)
    assert [word.text for word in found.words] == found.text.split()


def test_pronunciations_and_homophones(tmp_path):
    installed()
    units = Units("characters", [BLANK_SYMBOL, "x", "y"])
    lexicon = Lexicon({"one": [["x"]], "won": [["x"]], "two": [["x", "y"]]})
    write_arpa(train_ngrams([["two", "won"], ["one", "two"]] * 5, order=2), tmp_path / "lm.arpa")
    probs = np.full((5, 3), 0.01)
    probs[np.arange(5), [1, 2, 0, 1, 0]] = 0.98
    (found,) = WfstDecoder(units, 0.1, lexicon, tmp_path / "lm.arpa").decode(np.log(probs).astype(np.float32))
    assert found.text == "two won"
    assert found.tokens == [1, 2, 1]


def test_the_model_may_be_packed_or_a_folder(tmp_path):
    installed()
    tables = train_ngrams(SENTENCES * 3, order=2)
    for name in ("lm.arpa", "lm.arpa.gz", "lm"):
        save_lm(tables, tmp_path / name)
    log_probs = random_log_probs(1)
    plain, packed, folder = (
        WfstDecoder(UNITS, 0.1, LEXICON, tmp_path / name).decode(log_probs) for name in ("lm.arpa", "lm.arpa.gz", "lm")
    )
    assert plain == packed
    assert folder[0].text == plain[0].text


def test_a_model_cut_in_the_middle_is_named(arpa):
    installed()
    arpa.write_text(arpa.read_text()[:60])
    with pytest.raises(DecodingError, match=r"lm\.arpa"):
        WfstDecoder(UNITS, 0.1, LEXICON, arpa)


def test_bad_log_probabilities_are_named(arpa):
    installed()
    with pytest.raises(DecodingError, match="frame 0 sums to 4"):
        WfstDecoder(UNITS, 0.1, LEXICON, arpa).decode(np.zeros((3, 4), np.float32))
    assert WfstDecoder(UNITS, 0.1, LEXICON, arpa).decode(np.empty((0, 4), np.float32))[0].text == ""


def test_missing_packages_name_the_extra(arpa, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kaldifst", None)
    with pytest.raises(MissingExtraError, match=r"asr\[wfst\]"):
        WfstDecoder(UNITS, 0.1, LEXICON, arpa)


def test_words_that_begin_others_or_sound_alike_get_marks_of_their_own():
    lexicon = Lexicon({"a": [["a"]], "eh": [["a"]], "ab": [["a", "b"]], "zz": [["z"]]})
    spellings = spell_words(lexicon, UNITS)
    assert spellings == [(1, (2,)), (2, (2,)), (3, (2, 3))]
    arcs, marks = lexicon_arcs(spellings, UNITS, -0.5)
    assert marks == 3  # the back-off's and two for "a" and "eh"
    assert "2 3 3 1 -0.5" in arcs
    assert sum(arc.split()[2] in ("6", "7") for arc in arcs if len(arc.split()) == 5) == 2
    with pytest.raises(DecodingError, match="1 of 1 words of the lexicon cannot be spelled"):
        spell_words(Lexicon.from_words(["xyz"]), UNITS)


def test_the_topology_merges_repeats_and_drops_blanks():
    arcs = [tuple(map(int, line.split())) for line in ctc_arcs(3, 1)]
    moves = {(source, label): (target, out) for source, target, label, out in (arc for arc in arcs if len(arc) == 4)}
    state, said = 0, []
    for unit in [1, 1, 0, 1, 2, 2, 0]:
        state, out = moves[state, unit + 1]
        said += [out - 1] * (out > 0)
    assert said == [1, 1, 2]
    assert {arc[0] for arc in arcs if len(arc) == 1} == {0, 1, 2}


def test_weights_are_scaled_on_arcs_and_final_states():
    assert list(scaled("0 1 2 3 4.0\n1 2.0\n2\n\n", 0.5)) == ["0 1 2 3 2.0", "1 1.0", "2"]
