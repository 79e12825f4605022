"""Decoding where nothing can be compiled: the same hypotheses, states, warnings and errors as the compiled search."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import asr.decoding.beam
from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.lexicon import Lexicon
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.tables import Weights
from asr.decoding.plain_search import PlainSearch
from asr.errors import DecodingError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.lm.text import split_characters
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abcd"])
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "b", "▁ab", "c", "a", "d"], b"unused")
PHONES = Units("characters", [BLANK_SYMBOL, *"vwxyz"])
WHOLE = Units("words", [BLANK_SYMBOL, "<unk>", "ab", "ba", "cab", "dab"])
TEXT = [line.split() for line in ["ab ba cab dab", "bad cab a", "cad ab ab", "dad cab bab a", "a bad dad"]]
WORD_LM = build_model(train_ngrams(TEXT * 3, order=3))
UNIT_LM = build_model(train_ngrams([split_characters(" ".join(line)) for line in TEXT * 3], order=3, unit="characters"))
SOUNDS = Lexicon({"one": [["x"]], "won": [["x"]], "two": [["x", "y"], ["z"]], "yes": [["y", "x", "v"]], "so": [["w"]]})
SOUND_LM = build_model(train_ngrams([["one", "two"], ["won", "so"], ["two", "yes", "so", "one"]] * 3, order=2))
WORDS = Lexicon.from_words(["ab", "cab", "bad", "dada"])
MODES = {
    "no model": (CHARACTERS, None, None, None),
    "units": (CHARACTERS, UNIT_LM, None, None),
    "words": (CHARACTERS, WORD_LM, None, None),
    "words as units": (WHOLE, WORD_LM, None, None),
    "pieces": (PIECES, None, None, None),
    "words, pieces": (PIECES, WORD_LM, None, None),
    "lexicon": (CHARACTERS, WORD_LM, WORDS, None),
    "lexicon, pieces": (PIECES, None, WORDS, None),
    "pronunciations": (PHONES, SOUND_LM, SOUNDS, None),
    "phrases": (CHARACTERS, WORD_LM, None, {"ab ab": 3.0, "cab": 1.5, "bad dad": 2.0}),
}


def random_log_probs(frames: int, size: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, 3.0, (frames, size))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def both(mode, **options):
    """The compiled decoder and the plain one."""
    units, lm, lexicon, boosts = MODES[mode]
    compiled = BeamDecoder(
        units, 0.04, options=BeamOptions(**options), weights=Weights(0.8, 0.5, 2.0), lm=lm, lexicon=lexicon,
        phrases=Phrases(boosts, units) if boosts else None,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asr.decoding.beam, "COMPILES", False)
        plain = compiled.changed()
    assert isinstance(plain._search, PlainSearch)
    return compiled, plain


def assert_equal(found, expected):
    assert [hypothesis.text for hypothesis in found] == [hypothesis.text for hypothesis in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.tokens == other.tokens
        for name in ("score", "acoustic_score", "lm_score"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-4)
        assert [(word.text, word.start, word.end) for word in one.words] == [
            (word.text, word.start, word.end) for word in other.words
        ]
        confidences = [word.confidence for word in other.words]
        assert [word.confidence for word in one.words] == pytest.approx(confidences, abs=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{"nbest": 4}, {"words": False}])
def test_hypotheses_are_those_of_the_compiled_search(mode, options):
    compiled, plain = both(mode, beam=400, token_threshold=-30.0, beam_threshold=25.0, **options)
    for seed in range(3):
        log_probs = random_log_probs(5, len(compiled.units), seed)
        assert_equal(plain.decode(log_probs), compiled.decode(log_probs))


@pytest.mark.parametrize("mode", MODES)
def test_blocks_give_what_the_whole_gives_and_the_same_stable_prefixes(mode):
    compiled, plain = both(mode, beam=12, nbest=2)
    log_probs = random_log_probs(30, len(compiled.units), 7)
    states = [compiled.start(), plain.start()]
    for first in range(0, 30, 6):
        block = log_probs[first : first + 6]
        later = [decoder.advance(state, block) for decoder, state in zip((compiled, plain), states, strict=True)]
        plain.advance(states[1], block[::-1])  # a branch that is thrown away
        states = later
        assert plain.stable_prefix(states[1]) == compiled.stable_prefix(states[0])
    assert plain.finish(states[1]) == plain.decode(log_probs)
    assert_equal(plain.finish(states[1])[:1], compiled.finish(states[0])[:1])


def test_a_search_can_be_sent_to_a_process_and_used_by_threads():
    _, plain = both("words", beam=8)
    utterances = [random_log_probs(20, len(CHARACTERS), seed) for seed in range(4)]
    expected = [plain.decode(log_probs) for log_probs in utterances]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(pickle.loads(pickle.dumps(plain)).decode, utterances)) == expected


def test_an_end_inside_a_word_is_reported_alike(caplog):
    closed = np.log(np.full((4, len(CHARACTERS)), 1e-6) + np.eye(len(CHARACTERS))[[3, 2, 0, 5]]).astype(np.float32)
    closed -= np.logaddexp.reduce(closed, axis=1, keepdims=True)  # "bad" without an end: "ba" and then a "d" in doubt
    compiled, plain = both("lexicon", beam=1, token_threshold=-3.0)
    assert_equal(plain.decode(closed[:2]), compiled.decode(closed[:2]))
    messages = [record.getMessage() for record in caplog.records if "inside a word" in record.getMessage()]
    assert len(messages) == 2
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda log_probs: log_probs[:, :3],
        lambda log_probs: log_probs + 1.0,
        lambda log_probs: np.where(np.arange(6) == 2, np.nan, log_probs).astype(np.float32),
    ],
)
def test_bad_input_is_the_same_error(spoil):
    compiled, plain = both("words")
    log_probs = spoil(random_log_probs(5, 6, 0))
    with pytest.raises(DecodingError) as expected:
        compiled.decode(log_probs)
    with pytest.raises(DecodingError) as found:
        plain.decode(log_probs)
    assert str(found.value) == str(expected.value)


def test_a_frame_that_leaves_nothing_is_named_alike():
    log_probs = np.full((6, len(PHONES)), -np.inf, np.float32)
    log_probs[:3, 0], log_probs[3:, 1] = 0.0, 0.0  # no word of the lexicon begins with "v"
    compiled, plain = both("pronunciations")
    for decoder in (compiled, plain):
        state = decoder.advance(decoder.start(), log_probs[:2])
        with pytest.raises(DecodingError, match="frame 3: leaves no reading"):
            decoder.advance(state, log_probs[2:])


WITHOUT_COMPILING = """
import numpy as np, torch
from asr.kernels.compile import COMPILES
from asr.decoding.paths.alignment import place_tokens
from asr.lm.automaton import build_model
from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.lm.kneser_ney import train_ngrams
from asr.decoding.knowledge.lexicon import Lexicon
from asr.model.ctc import ctc_loss
from asr.model.lstm import LstmStack
from asr.units import BLANK_SYMBOL, Units

assert not COMPILES
units = Units("characters", [BLANK_SYMBOL, " ", *"abcd"])
lm = build_model(train_ngrams([["ab", "cab"], ["bad", "cab", "a"]] * 3, order=2))
rows = np.log(np.full((9, 6), 0.01) + 0.94 * np.eye(6)[[4, 2, 3, 0, 1, 3, 2, 5, 0]]).astype(np.float32)
for lexicon in (None, Lexicon.from_words(["ab", "cab", "bad"])):
    decoder = BeamDecoder(units, 0.04, options=BeamOptions(beam=8, nbest=3), lm=lm, lexicon=lexicon)
    best = decoder.decode(rows)[0]
    assert best.text == "cab bad", best
    assert [word.text for word in best.words] == ["cab", "bad"]
    assert decoder.finish(decoder.advance(decoder.start(), rows))[0] == best
torch.manual_seed(0)
lstm = LstmStack(3, 8, 1)
frames = torch.randn(2, 5, 3)
outputs = lstm(frames, torch.tensor([5, 4]))
log_probs = torch.nn.functional.pad(outputs, (0, 0))[..., :4].log_softmax(-1)
loss = ctc_loss(log_probs, torch.tensor([5, 4]), [[1, 2], [3]]).sum()
loss.backward()
assert torch.isfinite(loss) and all(p.grad is not None for p in lstm.parameters())
print("decoded and trained")
"""


def test_without_numba_s_compiler_decoding_and_training_work():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILING], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "decoded and trained\n"
    assert done.stderr.count("plain Python") == 1
