"""A running server with an untrained model, on a free port of this machine."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from tests_model import RATE, sounds, write_model

pytest.importorskip("fastapi", reason="the server needs: pip install 'asr[server]'")

from tests_serving import running

from asr.audio.reading import encode_audio
from asr.transcribing.recognizer import Recognizer


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """An untrained model's folder."""
    return write_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="session")
def wave():
    """Some seconds of sound at the model's rate."""
    return np.concatenate(sounds(4)).astype(np.float32)


@pytest.fixture(scope="session")
def recording(wave):
    """The same as the bytes of a WAV file."""
    return encode_audio(wave, RATE, "WAV")


@pytest.fixture(scope="session")
def serving(model_folder):
    """A server with the default limits."""
    with running({"toy": model_folder}) as (server, address):
        yield server, address


@pytest.fixture
def client(serving):
    """An HTTP client of that server."""
    with httpx.Client(base_url=f"http://{serving[1]}", timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def recognizer(model_folder):
    """The server's model without the server."""
    return Recognizer.load(model_folder, device="cpu")
