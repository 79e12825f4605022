"""Errors: one line with subject, reason and remedy, also after a trip through another process."""

import pickle

import pytest

from asr import errors
from asr.errors import AsrError, AudioError, MissingExtraError, UsageError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AsrError)]


def test_the_line():
    assert str(AudioError("a.wav", "is empty", "record it again")) == "a.wav: is empty; record it again"
    assert "pip install 'asr[digits]'" in str(MissingExtraError("espeakng-loader", "digits"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_errors_cross_process_borders(kind):
    error = kind("package", "extra") if kind is MissingExtraError else kind("subject", "reason", "remedy")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.exit_code == error.exit_code
    assert isinstance(copy, kind)


def test_exit_codes():
    assert UsageError("a", "b", "c").exit_code == MissingExtraError("a", "b").exit_code == 2
    assert AudioError("a", "b", "c").exit_code == 1
