"""The n-gram model as tensors: every state and word as in the automaton, by table and by search."""

import numpy as np
import pytest
import torch
from slow_ngrams import made_up_text

from asr.decoding.ngram_torch import TensorNGram
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.lm.ngram import END_ID

CPU = torch.device("cpu")


@pytest.mark.parametrize("most_cells", [0, 1 << 20])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_every_state_and_word_is_as_in_the_automaton(order, most_cells):
    lm = build_model(train_ngrams(made_up_text(60, 20), order))
    tensors = TensorNGram(lm, np.arange(len(lm.words)), CPU, most_cells)
    states = torch.arange(len(lm.arrays.contexts))
    log_probs, following = tensors.step(states[:, None], torch.arange(len(lm.words))[None, :])
    for state in states.tolist():
        for word in range(len(lm.words)):
            expected, after = lm.step(state, word)
            assert log_probs[state, word].item() == pytest.approx(expected, abs=1e-5)
            assert following[state, word].item() == after


@pytest.mark.parametrize("most_cells", [0, 1 << 20])
def test_a_sentence_scores_as_in_the_automaton(most_cells):
    lm = build_model(train_ngrams(made_up_text(60, 20), 3))
    units = ["w3", "w0", "w1", "unheard of"]  # the units' own order, and one that the model lacks
    words = np.array([lm.ids.get(unit, 0) for unit in units])
    tensors = TensorNGram(lm, words, CPU, most_cells)
    said, state, total = [1, 0, 3, 2], torch.tensor(tensors.start_state), 0.0
    for column in [*said, len(units)]:
        log_prob, state = tensors.step(state, torch.tensor(column))
        total += log_prob.item()
    assert total == pytest.approx(lm.score([units[column] for column in said]), abs=1e-4)
    assert tensors.words[-1] == END_ID
