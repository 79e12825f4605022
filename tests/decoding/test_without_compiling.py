"""The compiled loops are Python: where numba is told not to compile they give the same results, and training works."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.phrases import Phrases
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.pronunciation.lexicon import Lexicon
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abcd"])
PIECES = Units("bpe", [BLANK_SYMBOL, "▁a", "b", "▁ab", "▁c", "d", "▁cd"], b"unused")


def hypotheses() -> list[list[object]]:
    """Texts, scores and words of a few decoders."""
    lm = build_model(train_ngrams([["ab", "cab"], ["bad", "cab", "a"]] * 3, order=2))
    options = BeamOptions(beam=8, nbest=2)
    found = []
    for units, knowledge in (
        (CHARACTERS, {}),
        (CHARACTERS, {"lm": lm, "phrases": Phrases({"ab cab": 2.0}, CHARACTERS)}),
        (CHARACTERS, {"lm": lm, "lexicon": Lexicon.from_words(["ab", "cab", "bad"])}),
        (PIECES, {}),
    ):
        decoder = BeamDecoder(units, 0.04, options=options, **knowledge)
        logits = np.random.default_rng(3).normal(0.0, 3.0, (12, len(units)))
        log_probs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
        state = decoder.advance(decoder.advance(decoder.start(), log_probs[:7]), log_probs[7:])
        for best in decoder.finish(state):
            found.append([best.text, best.score, best.lm_score, [word.end for word in best.words]])
    return found


TRAINING = """
import json, torch
from asr.kernels.compile import COMPILES
from asr.model.ctc import ctc_loss
from asr.model.lstm import LstmStack
from tests.decoding.test_without_compiling import hypotheses

assert not COMPILES
torch.manual_seed(0)
lstm = LstmStack(3, 8, 1)
log_probs = lstm(torch.randn(2, 5, 3), torch.tensor([5, 4]))[..., :4].log_softmax(-1)
ctc_loss(log_probs, torch.tensor([5, 4]), [[1, 2], [3]]).sum().backward()
assert all(p.grad is not None for p in lstm.parameters())
print(json.dumps(hypotheses()))
"""


def test_without_numba_s_compiler_decoding_gives_the_same_and_training_works():
    done = subprocess.run(
        [sys.executable, "-c", TRAINING], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for found, expected in zip(json.loads(done.stdout), hypotheses(), strict=True):
        assert found[0] == expected[0]
        assert found[1:3] == pytest.approx(expected[1:3], abs=1e-5)
        assert found[3] == pytest.approx(expected[3])
    assert "compil" not in done.stderr
