"""Draws named by a key: the same in every process, different for every key."""

import subprocess
import sys

from asr.seeding import generator_for


def test_the_same_key_draws_the_same_in_another_process():
    program = "from asr.seeding import generator_for; print(generator_for(1, 'speed', 3, 'utt').integers(2**60))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": salt}
        ).stdout
        for salt in ("1", "2")
    }
    assert printed == {f"{generator_for(1, 'speed', 3, 'utt').integers(2**60)}\n"}


def test_keys_that_differ_anywhere_draw_differently():
    keys = [(1, "a", 2), (1, "a", 3), (2, "a", 2), (1, "b", 2), (1, "a2"), (1, "a"), ("1a", 2)]
    assert len({int(generator_for(*key).integers(2**60)) for key in keys}) == len(keys)
