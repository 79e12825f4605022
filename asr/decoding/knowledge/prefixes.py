"""One prefix of the beam search, its parent and one more unit: what is known of it beside its probability."""

from __future__ import annotations

import numpy as np

ROOT = 0  # the empty prefix
NONE = -1
VARIANTS = 64  # ways in which one unit may extend one prefix (homophones that it can finish), plus one

NODE = np.dtype(
    [
        ("gain", np.float64),  # factor of language model, lexicon and phrases for its last unit, the look-ahead's too
        ("end_gain", np.float64),  # factor of ending the word in progress (first homophone); below 0: not yet computed
        ("inside", np.float64),  # no unit that ends no word has a higher factor after this prefix
        ("ending", np.float64),  # no unit that ends a word has
        ("text", np.uint64),  # the number of what it reads, see `texts`
        ("parent", np.int32),
        ("token", np.int32),  # its last unit; the blank at the root
        ("variant", np.int32),  # 0: the last unit ended no word; h: it ended homophone h - 1
        ("word", np.int32),  # lexicon word that the last unit ended, or NONE
        ("spelling", np.int32),  # state of the word in progress in the spelling graph, NONE outside the vocabulary
        ("lm_state", np.int32),
        ("end_state", np.int32),  # language-model state after ending the word in progress, where `end_gain` is known
        ("phrase", np.int32),  # state in the automaton of boosted phrases
        ("slot", np.int32),  # place in the beam, or NONE
    ],
    align=True,
)
