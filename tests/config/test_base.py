"""Ranges and probabilities of settings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from asr.config.base import Probability, Range, Section


class Settings(Section):
    bounds: Range = Field([0.0, 1.0])
    chance: Probability = 0.0


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_range_is_two_numbers_the_lower_first(low, high):
    if low <= high:
        assert Settings(bounds=[low, high]).bounds == [low, high]
    else:
        with pytest.raises(ValidationError, match="give the lower bound first"):
            Settings(bounds=[low, high])


@pytest.mark.parametrize("bounds", [[], [1.0], [1.0, 2.0, 3.0], 1.0, ["low", "high"]])
def test_anything_else_is_no_range(bounds):
    with pytest.raises(ValidationError):
        Settings(bounds=bounds)


@pytest.mark.parametrize(("chance", "allowed"), [(0, True), (0.5, True), (1, True), (-0.1, False), (1.1, False)])
def test_a_probability_lies_between_nothing_and_certainty(chance, allowed):
    if allowed:
        assert Settings(chance=chance).chance == chance
    else:
        with pytest.raises(ValidationError):
            Settings(chance=chance)


def test_unknown_keys_are_refused_and_nothing_can_be_changed():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings(bound=[0.0, 1.0])
    with pytest.raises(ValidationError, match="frozen"):
        Settings().chance = 0.5
