"""Fixtures of the training tests."""

import pytest
from tests_toy import write_toy_data


@pytest.fixture
def toy_data(tmp_path):
    """24 training and 8 dev utterances of the toy task."""
    return write_toy_data(tmp_path / "data")
