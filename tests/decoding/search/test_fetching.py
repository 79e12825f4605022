"""Fetching ahead changes nothing: any place of any prefix may be asked for, and all tables stay as they are."""

import numpy as np
import pytest

from asr.decoding.knowledge.factors import main_variant, set_root, set_states
from asr.decoding.knowledge.lexicon import Lexicon
from asr.decoding.knowledge.prefixes import add_child, make_tree
from asr.decoding.knowledge.tables import Weights, build_knowledge
from asr.decoding.search.fetching import expect_edge, expect_state, expect_word
from asr.decoding.search.pinned import read_only
from asr.kernels.compile import kernel
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abcdz"])
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "b", "▁ab", "c", "a", "d"], b"unused")
LM = build_model(train_ngrams([line.split() for line in ["ab ba cab", "bad cab a", "cad ab ab"] * 3], order=3))


@kernel
def grow(fusion, tree, nodes):
    """Every unit after every prefix until there are so many, and everything that could be fetched for them."""
    set_root(fusion, tree)
    parent = 0
    while tree.size[0] < nodes:
        for token in range(1, fusion.roles.shape[0]):
            variant = main_variant(fusion, token)
            expect_edge(fusion, tree, parent, token, variant)
            expect_state(fusion, tree, parent, token, variant)
            if tree.size[0] < nodes and variant == 0:
                child = add_child(tree, parent, token, variant, 1.0)
                set_states(fusion, tree, child)
                expect_word(fusion, tree, child)
        parent += 1


@pytest.mark.parametrize("units", [CHARACTERS, PIECES], ids=["characters", "pieces"])
@pytest.mark.parametrize("lm", [LM, None], ids=["model", "no model"])
@pytest.mark.parametrize("lexicon", [Lexicon.from_words(["ab", "cab", "a"]), None], ids=["lexicon", "open"])
def test_no_prefix_is_beyond_fetching_and_no_table_is_written_to(units, lm, lexicon):
    fusion = read_only(build_knowledge(units, Weights(0.5, 0.5, 2.0), lm, lexicon).fusion)
    tree = make_tree(400)
    before = tree.memo.copy()
    grow(fusion, tree, 300)
    assert np.array_equal(tree.memo, before)
    assert tree.size[0] == 300
    if lm is not None or lexicon is not None:
        outside, inside = (tree.nodes["spelling"][:300] < 0).any(), (tree.nodes["spelling"][:300] > 0).any()
        assert outside and inside  # words of the vocabulary and others were both in progress
