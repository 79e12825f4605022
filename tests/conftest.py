"""Fixtures of more than one folder: tiny made-up corpora, and where the real ones lie when this machine has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests_toy import write_toy_data

from asr.audio.reading import encode_audio


@pytest.fixture
def real_corpus() -> Callable[[str], Path]:
    """Path of a real corpus by name; skips the test where it is not at hand."""

    def find(name: str) -> Path:
        beside = Path(__file__).parents[1].parent / "shared" / "corpora"
        path = Path(os.environ.get("ASR_CORPORA") or beside) / name
        if not path.is_dir():
            pytest.skip(f"the corpus {name} is not at hand; set ASR_CORPORA")
        return path

    return find


@pytest.fixture
def make_audio() -> Callable[..., Path]:
    """Write a noise recording of some seconds and return its path."""

    def make(path: Path, seconds: float = 0.5, sample_rate: int = 8000) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(len(path.name)).normal(0, 0.1, round(seconds * sample_rate))
        path.write_bytes(encode_audio(samples, sample_rate, path.suffix.lstrip(".").upper()))
        return path

    return make


@pytest.fixture
def toy_data(tmp_path):
    """24 training and 8 dev utterances of the toy task."""
    return write_toy_data(tmp_path / "data")
